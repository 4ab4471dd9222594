"""Softmax cross entropy: loss and gradient in one pass."""

import numpy as np

from .. import _core

__all__ = ["softmax_cross_entropy"]


def softmax_cross_entropy(
    logits: np.ndarray,
    target: np.ndarray,
    *,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
) -> tuple[float | np.ndarray, np.ndarray]:
    """Cross entropy between the softmax of the logits and the target, with its gradient.

    loss[n] = -sum over c of weight[c] * q[n, c] * log softmax(logits[n])[c] with
    q[n] = (1 - label_smoothing) * target[n] + label_smoothing / C, where an integer target
    stands for the distribution that is 1 at this class; and
    dlogits[n, c] = softmax(logits[n])[c] * sum_k(weight[k] * q[n, k]) - weight[c] * q[n, c].
    "mean" divides both.

    On CUDA arrays nothing waits for the GPU: the loss is an array of no axis, a class out of range
    makes the loss and gradient of its row NaN, a weight that is negative or not finite counts as
    NaN, and so is the mean over nothing.

    Parameters
    ----------
    logits : ndarray (N, C), float32 or float64
    target : integer ndarray (N,) of classes in [0, C), or ndarray (N, C) of dtype of ``logits``
        Classes, or one distribution per row.
    label_smoothing : float in [0, 1]
    reduction : "mean", "sum" or "none"
        "mean" divides by N, with integer targets by the sum of weight[target[n]] over the rows
        that are not ignored; "none" gives the loss of each row and the gradient of their sum.
    weight : ndarray (C,), dtype of ``logits``, or None for ones
        Weight of each class, not negative.
    ignore_index : int
        Rows with this integer target have no loss and no gradient.

    Returns
    -------
    loss : float, or ndarray (N,) for "none"
    dlogits : ndarray (N, C), dtype of ``logits``

    Raises
    ------
    TypeError
        An array has the wrong dtype.
    ValueError
        A shape or option does not fit, a class is out of range, or the mean is over nothing.

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990;
    label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer vision",
    CVPR 2016, section 7.
    """
    return _core.softmax_cross_entropy(
        logits, target, label_smoothing, reduction, weight, ignore_index
    )
