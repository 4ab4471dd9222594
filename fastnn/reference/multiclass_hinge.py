"""Multi-class hinge loss. Formula and source: ``fastnn.functional.multiclass_hinge``."""

import numpy as np

__all__ = ["multiclass_hinge"]


def multiclass_hinge(
    scores: np.ndarray, target: np.ndarray, margin: float = 1.0, reduction: str = "mean"
) -> tuple[float | np.ndarray, np.ndarray]:
    """loss[n] = sum over j != y of max(0, s_j - s_y + margin), y = target[n]; and its gradient.

    scores (N, C), target (N,) integers. The gradient is 1 for each violation, minus their number
    for the class itself.
    """
    rows = np.arange(len(scores))
    own = scores[rows, target][:, None]
    violation = scores - own + margin
    violation[rows, target] = 0
    loss = np.maximum(violation, 0).sum(1)
    dscores = (violation > 0).astype(scores.dtype)
    dscores[rows, target] = -dscores.sum(1)
    if reduction == "none":
        return loss, dscores
    divisor = len(scores) if reduction == "mean" else 1
    return float(loss.sum() / divisor), dscores / divisor
