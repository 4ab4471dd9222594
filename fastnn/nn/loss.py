"""Losses as callables that return (loss, gradient)."""

from collections.abc import Sequence

import numpy as np

from .. import functional as F
from ..cuda._arrays import like, to_host

Result = tuple[float | np.ndarray, np.ndarray]
Weights = Sequence[float] | np.ndarray


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

    def __call__(self, logits: np.ndarray, target: np.ndarray) -> Result:
        weight = None if self.weight is None else like(self.weight, logits)
        loss, dlogits = F.softmax_cross_entropy(
            logits,
            target,
            label_smoothing=self.label_smoothing,
            weight=weight,
            ignore_index=self.ignore_index,
        )
        return loss, dlogits

    def divisor(self, target: np.ndarray) -> float:
        """What the mean over ``target`` divides by: the weights of its classes, or its rows."""
        if target.ndim != 1:
            return len(target)
        classes = to_host(target)
        kept = classes[classes != self.ignore_index]
        return len(kept) if self.weight is None else float(np.sum(np.asarray(self.weight)[kept]))


class MSELoss:
    """Squared error, as ``loss, dx = criterion(x, target)``; ``reduction`` as in the functional."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def __call__(self, x: np.ndarray, target: np.ndarray) -> Result:
        return F.mse_loss(x, target, self.reduction)


class L1Loss:
    """Absolute error, as ``loss, dx = criterion(x, target)``."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def __call__(self, x: np.ndarray, target: np.ndarray) -> Result:
        return F.l1_loss(x, target, self.reduction)


class HuberLoss:
    """Huber loss, quadratic up to ``delta``, as ``loss, dx = criterion(x, target)``."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        self.reduction, self.delta = reduction, delta

    def __call__(self, x: np.ndarray, target: np.ndarray) -> Result:
        return F.huber_loss(x, target, self.delta, self.reduction)


class BCEWithLogitsLoss:
    """Binary cross entropy of sigmoid(logits), as ``loss, dlogits = criterion(logits, target)``.

    Parameters
    ----------
    weight, pos_weight : array, optional
        Weights of the values and of the positive class, broadcastable to the logits.
    reduction : "mean", "sum" or "none"
    """

    def __init__(
        self,
        weight: Weights | None = None,
        reduction: str = "mean",
        pos_weight: Weights | None = None,
    ) -> None:
        self.weight, self.pos_weight, self.reduction = weight, pos_weight, reduction

    def __call__(self, logits: np.ndarray, target: np.ndarray) -> Result:
        weight, pos_weight = (
            None if w is None else like(w, logits) for w in (self.weight, self.pos_weight)
        )
        return F.binary_cross_entropy_with_logits(
            logits, target, pos_weight, weight, self.reduction
        )


class MultiClassHingeLoss:
    """Hinge loss of the scores, as ``loss, dscores = criterion(scores, target)``."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction

    def __call__(self, scores: np.ndarray, target: np.ndarray) -> Result:
        return F.multiclass_hinge(scores, target, self.margin, self.reduction)
