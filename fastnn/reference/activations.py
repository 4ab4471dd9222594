"""Activations. Formulas and sources: ``fastnn.functional.activations``."""

from collections.abc import Callable

import numpy as np

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
    """y = max(x, 0); any shape; Nair and Hinton 2010."""
    return np.maximum(x, 0)


def relu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy where x > 0, else 0."""
    return np.where(x > 0, dy, 0)


def leaky_relu(x: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """y = x where x > 0, else negative_slope * x; Maas et al. 2013."""
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_backward(dy: np.ndarray, x: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """dx = dy where x > 0, else negative_slope * dy."""
    return np.where(x > 0, dy, negative_slope * dy)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """y = x where x > 0, else alpha * (exp(x) - 1); Clevert et al. 2016, equation 15."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(dy: np.ndarray, x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """dx = dy where x > 0, else alpha * exp(x) * dy."""
    return np.where(x > 0, dy, alpha * np.exp(np.minimum(x, 0)) * dy)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """y = 1 / (1 + exp(-x)), with the exponent kept negative so that nothing overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def sigmoid_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dx = dy * y * (1 - y), y being the output."""
    return dy * y * (1 - y)


def tanh(x: np.ndarray) -> np.ndarray:
    """y = tanh(x)."""
    return np.tanh(x)


def tanh_backward(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dx = dy * (1 - y^2), y being the output."""
    return dy * (1 - y) * (1 + y)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "sigmoid": sigmoid,
    "tanh": tanh,
}
"""The activations that other ops can fuse: their derivative follows from the output."""

GRADIENTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "relu": relu_backward,  # the input has the sign of the output
    "leaky_relu": leaky_relu_backward,
    "elu": lambda dy, y: np.where(y > 0, dy, dy * (y + 1)),
    "sigmoid": sigmoid_backward,
    "tanh": tanh_backward,
}
"""dx from (dy, y), y = act(x)."""


def activate(x: np.ndarray, activation: str | None) -> np.ndarray:
    """y = act(x), or x without an activation."""
    return x if activation is None else ACTIVATIONS[activation](x)


def activate_backward(dy: np.ndarray, y: np.ndarray | None, activation: str | None) -> np.ndarray:
    """dx = dy * act'(x), the derivative taken from the output y."""
    if activation is None:
        return dy
    assert y is not None
    return GRADIENTS[activation](dy, y)
