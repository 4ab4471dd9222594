"""Elementwise activations and their gradients."""

import numpy as np

from .. import _core

__all__ = [
    "elu",
    "elu_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "tanh",
    "tanh_backward",
]


def relu(x: np.ndarray) -> np.ndarray:
    """Rectified linear unit, y = max(x, 0); NaN stays NaN.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    """
    return _core.relu(x)


def relu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of :func:`relu`: dx = dy where x > 0, else 0 (so relu'(0) = 0).

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray, any shape, float32 or float64
        Input of the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ.
    """
    return _core.relu_backward(dy, x)


def leaky_relu(x: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """Leaky rectifier, y = x where x > 0, else negative_slope * x.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    negative_slope : float
        Finite, not negative.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``negative_slope`` is negative or not finite.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
    ICML 2013 workshop, section 2.
    """
    return _core.leaky_relu(x, negative_slope)


def leaky_relu_backward(dy: np.ndarray, x: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """Gradient of :func:`leaky_relu`: dx = dy where x > 0, else negative_slope * dy.

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray, any shape, float32 or float64
        Input of the forward pass.
    negative_slope : float
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ, or ``negative_slope`` is negative or not finite.
    """
    return _core.leaky_relu_backward(dy, x, negative_slope)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """Exponential linear unit, y = x where x > 0, else alpha * (exp(x) - 1).

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    alpha : float
        Finite, not negative.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``alpha`` is negative or not finite.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
    linear units (ELUs)", ICLR 2016, equation 15.
    """
    return _core.elu(x, alpha)


def elu_backward(dy: np.ndarray, x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """Gradient of :func:`elu`: dx = dy where x > 0, else alpha * exp(x) * dy.

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray, any shape, float32 or float64
        Input of the forward pass.
    alpha : float
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ, or ``alpha`` is negative or not finite.
    """
    return _core.elu_backward(dy, x, alpha)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function, y = 1 / (1 + exp(-x)), without overflow for any x.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    """
    return _core.sigmoid(x)


def sigmoid_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of :func:`sigmoid` from its output: dx = dy * y * (1 - y).

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``y``
        Gradient of the loss with respect to the output.
    y : ndarray, any shape, float32 or float64
        Output of the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``y``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ.
    """
    return _core.sigmoid_backward(dy, y)


def tanh(x: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent, y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    """
    return _core.tanh(x)


def tanh_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of :func:`tanh` from its output: dx = dy * (1 - y^2).

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``y``
        Gradient of the loss with respect to the output.
    y : ndarray, any shape, float32 or float64
        Output of the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``y``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ.
    """
    return _core.tanh_backward(dy, y)
