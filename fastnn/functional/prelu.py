"""PReLU and its gradients."""

import numpy as np

from .. import _core

__all__ = [
    "prelu",
    "prelu_backward",
]


def prelu(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Parametric rectifier, y = x where x > 0, else weight * x.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    weight : ndarray (C,) for the channels on axis 1, or (1,), dtype of ``x``

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        ``weight`` has another shape.

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, equation 1.
    """
    return _core.prelu(x, weight)


def prelu_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of :func:`prelu`: dx = dy where x > 0, else weight * dy; dweight = sum of x * dy.

    The sum is over the values of the channel that are not above 0.

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray, any shape, float32 or float64
        Input of the forward pass.
    weight : ndarray (C,) or (1,), dtype of ``x``

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``
    dweight : ndarray, shape and dtype of ``weight``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        A shape does not fit.
    """
    return _core.prelu_backward(dy, x, weight)
