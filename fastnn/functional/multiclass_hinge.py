"""Multi-class hinge loss: loss and gradient in one pass."""

import numpy as np

from .. import _core

__all__ = [
    "multiclass_hinge",
]


def multiclass_hinge(
    scores: np.ndarray, target: np.ndarray, margin: float = 1.0, reduction: str = "mean"
) -> tuple[float | np.ndarray, np.ndarray]:
    """Multi-class hinge loss (the linear support vector machine) with its gradient.

    loss[n] = sum over j != y of max(0, scores[n, j] - scores[n, y] + margin), y = target[n];
    dscores is 1 where that is above 0, and minus the number of these for the class y.

    On CUDA arrays nothing waits for the GPU: the loss is an array of no axis, and a class out of
    range makes the loss and gradient of its row NaN.

    Parameters
    ----------
    scores : ndarray (N, C), float32 or float64
    target : integer ndarray (N,) of classes in [0, C)
    margin : float
        Finite, not negative.
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of rows; "none" gives the loss of each row and the gradient of
        their sum.

    Returns
    -------
    loss : float, or ndarray (N,) for "none"
    dscores : ndarray (N, C), dtype of ``scores``

    Raises
    ------
    TypeError
        An argument has the wrong type or dtype.
    ValueError
        A shape or option does not fit, a class is out of range, or the mean is over nothing.

    References
    ----------
    Weston and Watkins, "Support vector machines for multi-class pattern recognition", ESANN 1999.
    """
    return _core.multiclass_hinge(scores, target, margin, reduction)
