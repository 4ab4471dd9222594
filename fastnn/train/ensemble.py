"""Ensembles: several models, or snapshots of one run, whose probabilities are averaged."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..data.crops import View
from ..nn import Module
from .predict import Inputs, predict_proba
from .trainer import Data, Trainer


class Ensemble:
    """Several models as one: p(x) = (1 / M) * sum over m of softmax(model_m(x)).

    Independent models gain most: same data, other seeds. Snapshots of one run cost one training:
    :func:`snapshots`.

    Parameters
    ----------
    models : iterable of Module
        Their outputs (N, C) are logits of the same classes.

    Raises
    ------
    ValueError
        There are no models.

    References
    ----------
    L. Hansen and P. Salamon, "Neural network ensembles", IEEE TPAMI 12, 1990;
    B. Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NIPS 2017.
    """

    def __init__(self, models: Iterable[Module]) -> None:
        self.models = list(models)
        if not self.models:
            raise ValueError("Ensemble: models must hold at least one, got none")

    def __len__(self) -> int:
        return len(self.models)

    def member_proba(
        self, data: Inputs, *, views: Sequence[View] | None = None, batch_size: int = 256
    ) -> np.ndarray:
        """Probabilities (M, N, C) of each model; arguments as in :func:`predict_proba`.

        Raises
        ------
        ValueError
            The models' classes differ in number.
        """
        members = [predict_proba(m, data, views=views, batch_size=batch_size) for m in self.models]
        classes = sorted({p.shape[1] for p in members})
        if len(classes) > 1:
            raise ValueError(f"Ensemble: models must have the same classes, got {classes}")
        return np.stack(members)

    def predict_proba(
        self, data: Inputs, *, views: Sequence[View] | None = None, batch_size: int = 256
    ) -> np.ndarray:
        """Mean probabilities (N, C); arguments as in :func:`predict_proba`."""
        members = self.member_proba(data, views=views, batch_size=batch_size)
        return np.asarray(members.mean(0))

    def predict(
        self, data: Inputs, *, views: Sequence[View] | None = None, batch_size: int = 256
    ) -> np.ndarray:
        """Most probable class of each sample: int64 (N,)."""
        mean = self.predict_proba(data, views=views, batch_size=batch_size)
        return np.asarray(mean.argmax(1))


def snapshots(
    trainer: Trainer, data: Data, *, cycles: int, epochs: int, **fit: Any
) -> list[Module]:
    """Copies of the model at the end of each of ``cycles`` cycles of ``epochs`` epochs.

    The optimizer's learning rate should fall to almost nothing in each cycle and then start
    anew, so that each snapshot is the end of a descent into another minimum:
    ``schedules.cosine_restarts(lr, period=epochs * len(loader))``, the paper's equation 2.

    Parameters
    ----------
    trainer : Trainer
        Its history is the last cycle's afterwards.
    data : Loader or (x, y)
    cycles, epochs : int
        Cycles, and epochs of each.
    **fit
        Further arguments of :meth:`Trainer.fit`, such as ``batch_size``.

    Returns
    -------
    list of Module
        For :class:`Ensemble`; the last ones are usually the best.

    Raises
    ------
    ValueError
        A number is not positive.
    FloatingPointError
        The loss is not finite.

    References
    ----------
    G. Huang et al., "Snapshot ensembles: train 1, get M for free", ICLR 2017.
    """
    if cycles < 1 or epochs < 1:
        raise ValueError(
            f"snapshots: cycles and epochs must be positive, got {cycles} and {epochs}"
        )
    taken: list[Module] = []
    for _ in range(cycles):
        if trainer.fit(data, epochs, **fit).interrupted:
            break
        taken.append(copy.deepcopy(trainer.model))
    return taken
