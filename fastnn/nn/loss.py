"""Losses as callables that return (loss, gradient)."""

from collections.abc import Sequence

import numpy as np

from .. import functional as F


class CrossEntropyLoss:
    """Softmax cross-entropy, mean over the batch, as ``loss, dlogits = criterion(logits, target)``.

    Parameters
    ----------
    weight : sequence of float, optional
        One weight a class.
    ignore_index : int
        Targets of this class count for nothing.
    label_smoothing : float in [0, 1]
        Share of the target that is spread evenly over all classes.
    """

    def __init__(
        self,
        weight: Sequence[float] | np.ndarray | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> None:
        self.weight = weight
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def __call__(self, logits: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
        weight = None if self.weight is None else np.asarray(self.weight, logits.dtype)
        loss, dlogits = F.softmax_cross_entropy(
            logits,
            target,
            label_smoothing=self.label_smoothing,
            weight=weight,
            ignore_index=self.ignore_index,
        )
        return float(loss), dlogits
