"""Losses summed over the elements: loss and gradient in one pass."""

import numpy as np

from .. import _core

__all__ = [
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
]


def binary_cross_entropy_with_logits(
    logits: np.ndarray,
    target: np.ndarray,
    pos_weight: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    reduction: str = "mean",
) -> tuple[float | np.ndarray, np.ndarray]:
    """Binary cross entropy of sigmoid(logits), with its gradient, without overflow.

    loss = -w (p t log s + (1 - t) log(1 - s)) with s = sigmoid(logits), t = target,
    p = pos_weight, w = weight; dlogits = w ((1 - t) s - p t (1 - s)).

    Parameters
    ----------
    logits : ndarray, any shape, float32 or float64
    target : ndarray, shape and dtype of ``logits``
        Probability of the positive class.
    pos_weight : ndarray, broadcastable to the shape of ``logits``, or None for 1
        Weight of the positive class.
    weight : ndarray, broadcastable to the shape of ``logits``, or None for 1
        Weight of each value.
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of values; "none" gives each one's loss and the gradient of
        their sum.

    Returns
    -------
    loss : float, on CUDA an array of no axis, or ndarray like ``logits`` for "none"
    dlogits : ndarray, shape and dtype of ``logits``

    Raises
    ------
    TypeError
        An argument has the wrong type or dtype.
    ValueError
        A shape or option does not fit, or the mean is over nothing.
    """
    return _core.binary_cross_entropy_with_logits(logits, target, pos_weight, weight, reduction)


def huber_loss(
    x: np.ndarray, target: np.ndarray, delta: float = 1.0, reduction: str = "mean"
) -> tuple[float | np.ndarray, np.ndarray]:
    """Huber loss with its gradient.

    loss = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = x - target;
    dx = d, cut to [-delta, delta].

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    target : ndarray, shape and dtype of ``x``
    delta : float
        Finite, above 0.
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of values; "none" gives each one's loss and the gradient of
        their sum.

    Returns
    -------
    loss : float, on CUDA an array of no axis, or ndarray like ``x`` for "none"
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument has the wrong type or dtype.
    ValueError
        A shape or option does not fit, or the mean is over nothing.

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """
    return _core.huber_loss(x, target, delta, reduction)


def l1_loss(
    x: np.ndarray, target: np.ndarray, reduction: str = "mean"
) -> tuple[float | np.ndarray, np.ndarray]:
    """Absolute error with its gradient.

    loss = |x - target|; dx = sign(x - target), 0 where they are equal.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    target : ndarray, shape and dtype of ``x``
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of values; "none" gives each one's loss and the gradient of
        their sum.

    Returns
    -------
    loss : float, on CUDA an array of no axis, or ndarray like ``x`` for "none"
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument has the wrong type or dtype.
    ValueError
        A shape or option does not fit, or the mean is over nothing.
    """
    return _core.l1_loss(x, target, reduction)


def mse_loss(
    x: np.ndarray, target: np.ndarray, reduction: str = "mean"
) -> tuple[float | np.ndarray, np.ndarray]:
    """Squared error with its gradient.

    loss = (x - target)^2; dx = 2 (x - target).

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    target : ndarray, shape and dtype of ``x``
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of values; "none" gives each one's loss and the gradient of
        their sum.

    Returns
    -------
    loss : float, on CUDA an array of no axis, or ndarray like ``x`` for "none"
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument has the wrong type or dtype.
    ValueError
        A shape or option does not fit, or the mean is over nothing.
    """
    return _core.mse_loss(x, target, reduction)
