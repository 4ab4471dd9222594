"""Activations whose derivative needs the input, and their gradients."""

import numpy as np

from .. import _core

__all__ = [
    "gelu",
    "gelu_backward",
    "hardswish",
    "hardswish_backward",
    "selu",
    "selu_backward",
    "silu",
    "silu_backward",
    "softplus",
    "softplus_backward",
]


def selu(x: np.ndarray) -> np.ndarray:
    """Scaled exponential linear unit, y = s x where x > 0, else s a (exp(x) - 1).

    s = 1.0507..., a = 1.6732...: mean 0 and variance 1 are a fixed point.

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
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NeurIPS 2017,
    equation 2.
    """
    return _core.selu(x)


def selu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of :func:`selu`: dx = s dy where x > 0, else s a exp(x) dy.

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
    return _core.selu_backward(dy, x)


def gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """Gaussian error linear unit, y = x Phi(x), Phi the normal distribution function.

    The limit at minus infinity is -0.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    approximate : "none" or "tanh"
        "tanh": y = x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3).

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``approximate`` is another word.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
    """
    return _core.gelu(x, approximate)


def gelu_backward(dy: np.ndarray, x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """Gradient of :func:`gelu`: dx = dy (Phi(x) + x phi(x)), phi = Phi'.

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray, any shape, float32 or float64
        Input of the forward pass.
    approximate : "none" or "tanh"
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ, or ``approximate`` is another word.
    """
    return _core.gelu_backward(dy, x, approximate)


def silu(x: np.ndarray) -> np.ndarray:
    """Sigmoid linear unit or swish, y = x / (1 + exp(-x)).

    The limit at minus infinity is -0.

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
    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning", Neural Networks 107, 2018; Ramachandran, Zoph and Le,
    "Searching for activation functions", 2017.
    """
    return _core.silu(x)


def silu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of :func:`silu`: dx = dy s (1 + x (1 - s)), s = sigmoid(x).

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
    return _core.silu_backward(dy, x)


def softplus(x: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    """Softplus, y = log(1 + exp(beta x)) / beta, and y = x where beta x > threshold.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    beta : float
        Finite, above 0.
    threshold : float
        Finite; from here on y is x.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64, or an option is no number.
    ValueError
        ``beta`` is not above 0, or an option is not finite.

    References
    ----------
    Dugas, Bengio, Belisle, Nadeau and Garcia, "Incorporating second-order functional knowledge for
    better option pricing", NeurIPS 2000, section 3.
    """
    return _core.softplus(x, beta, threshold)


def softplus_backward(
    dy: np.ndarray, x: np.ndarray, beta: float = 1.0, threshold: float = 20.0
) -> np.ndarray:
    """Gradient of :func:`softplus`: dx = dy sigmoid(beta x), dy beyond the threshold.

    Parameters
    ----------
    dy : ndarray, shape and dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray, any shape, float32 or float64
        Input of the forward pass.
    beta, threshold : float
        As in the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument is no array of float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ, or ``beta`` is not above 0, or an option is not finite.
    """
    return _core.softplus_backward(dy, x, beta, threshold)


def hardswish(x: np.ndarray) -> np.ndarray:
    """Hard swish, y = x min(max(x + 3, 0), 6) / 6.

    The limit at minus infinity is 0.

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
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    return _core.hardswish(x)


def hardswish_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Gradient of :func:`hardswish`: dx = 0 for x <= -3, dy for x >= 3, else dy (x / 3 + 1 / 2).

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
    return _core.hardswish_backward(dy, x)
