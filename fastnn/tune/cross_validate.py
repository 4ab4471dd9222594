"""``cross_validate``: every sample validates once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import kfold
from ..train import History
from .objective import BuildModel, Objective


@dataclass(frozen=True)
class CrossValidation:
    """Results of the folds.

    Attributes
    ----------
    values : list of float
        One a fold, after its last epoch.
    histories : list of History
    """

    values: list[float]
    histories: list[History]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float:
        """Standard deviation over the folds (n - 1)."""
        return float(np.std(self.values, ddof=1))

    def __str__(self) -> str:
        return f"{self.mean:.4f} +- {self.std:.4f} over {len(self.values)} folds"


def cross_validate(
    build_model: BuildModel,
    x: np.ndarray,
    y: np.ndarray,
    params: Mapping[str, Any] | None = None,
    *,
    k: int = 5,
    stratified: bool | None = None,
    seed: int = 0,
    **training: Any,
) -> CrossValidation:
    """Train k models, each validated on the k-th of the data that it has not seen.

    Parameters
    ----------
    build_model : callable (params) -> Module
    x : ndarray (N, ...)
    y : ndarray (N, ...)
    params : mapping, optional
        Hyper-parameters, as a search finds them (``study.best_params``).
    k : int
        Folds.
    stratified : bool, optional
        Give each fold the same share of every class; None does so for classes.
    seed : int
        Of the folds and of the batches.
    **training
        ``epochs``, ``batch_size``, ``build_optimizer``, ``loss``, ``metrics``, ``monitor``,
        ``normalize``, ``augment`` as in :class:`Objective`; a ``normalize`` is fitted anew to the
        training part of each fold.

    Raises
    ------
    ValueError
        The folds are impossible; see :func:`fastnn.data.kfold`.
    FloatingPointError
        A fold's loss is no longer finite.

    References
    ----------
    M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974.
    """
    if len(x) != len(y):
        raise ValueError(
            f"cross_validate: x and y must be of one length, got {len(x)} and {len(y)}"
        )
    values, histories = [], []
    for train, held_out in kfold(y, k, seed=seed, stratify=stratified):
        objective = Objective(
            build_model, (x[train], y[train]), (x[held_out], y[held_out]), seed=seed, **training
        )
        history = objective.fit(params or {}).history
        values.append(float(history[objective.monitor][-1]))
        histories.append(history)
    return CrossValidation(values, histories)
