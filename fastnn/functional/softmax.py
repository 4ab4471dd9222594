"""softmax, log_softmax and their gradients."""

import numpy as np

from .. import _core

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Normalised exponentials, y = exp(x) / sum of exp(x) along one axis.

    The maximum is subtracted first, so nothing overflows.

    Parameters
    ----------
    x : ndarray, rank 1 or more, float32 or float64
    axis : int
        Negative ones count from the last.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64, or ``axis`` no integer.
    ValueError
        ``x`` has no such axis.

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """
    return _core.softmax(x, axis)


def softmax_backward(dy: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Gradient of :func:`softmax` from its output: dx = y (dy - sum of dy y along the axis).

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``y``
        Gradient of the loss with respect to the output.
    y : ndarray, rank 1 or more, float32 or float64
        Output of the forward pass.
    axis : int
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``y``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, the dtypes differ, or ``axis`` is no integer.
    ValueError
        The shapes differ, or there is no such axis.
    """
    return _core.softmax_backward(dy, y, axis)


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """Logarithm of :func:`softmax`, y = x - log(sum of exp(x)) along one axis.

    The maximum is subtracted first, so nothing overflows.

    Parameters
    ----------
    x : ndarray, rank 1 or more, float32 or float64
    axis : int
        Negative ones count from the last.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64, or ``axis`` no integer.
    ValueError
        ``x`` has no such axis.

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """
    return _core.log_softmax(x, axis)


def log_softmax_backward(dy: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Gradient of :func:`log_softmax` from its output: dx = dy - exp(y) (sum of dy along the axis).

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``y``
        Gradient of the loss with respect to the output.
    y : ndarray, rank 1 or more, float32 or float64
        Output of the forward pass.
    axis : int
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``y``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, the dtypes differ, or ``axis`` is no integer.
    ValueError
        The shapes differ, or there is no such axis.
    """
    return _core.log_softmax_backward(dy, y, axis)
