"""Activations with a derivative from the input.

Formulas and sources: ``fastnn.functional.input_activations``.
"""

import math

import numpy as np

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

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def times(x: np.ndarray, share: np.ndarray) -> np.ndarray:
    """x * share, and -0 at minus infinity, where the share is 0."""
    return np.where(x == -np.inf, np.asarray(-0.0, x.dtype), x * share)


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """Phi(x), the standard normal distribution function."""
    erfc = np.vectorize(math.erfc, otypes=[np.float64])
    return np.asarray(0.5 * erfc(-x / math.sqrt(2)), x.dtype)


def selu(x: np.ndarray) -> np.ndarray:
    """y = scale * x where x > 0, else scale * alpha * (exp(x) - 1); Klambauer et al. 2017."""
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def selu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = scale * dy where x > 0, else scale * alpha * exp(x) * dy."""
    return dy * (SELU_SCALE * np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0))))


def gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """y = x * Phi(x), or x * sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3); Hendrycks 2016."""
    if approximate == "tanh":
        return times(x, sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)))
    return times(x, normal_cdf(x))


def gelu_backward(dy: np.ndarray, x: np.ndarray, approximate: str = "none") -> np.ndarray:
    """dx = dy * (Phi(x) + x Phi'(x)); for "tanh" dy * (s + x s (1 - s) 2 u'), s = sigmoid(2 u)."""
    # Beyond 40 the derivative is 0 or 1 in any precision, and no product overflows.
    x = np.clip(x, -40, 40)
    if approximate == "tanh":
        z = math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)
        dz = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return dy * (sigmoid(z) + x * dz * sigmoid(z) * sigmoid(-z))
    return dy * (normal_cdf(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))


def silu(x: np.ndarray) -> np.ndarray:
    """y = x * sigmoid(x); Elfwing et al. 2018."""
    return times(x, sigmoid(x))


def silu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy * (s + x s (1 - s)), s = sigmoid(x)."""
    x = np.clip(x, -800, 800)  # beyond, the derivative is 0 or 1 in any precision
    return dy * (sigmoid(x) + x * sigmoid(x) * sigmoid(-x))


def softplus(x: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    """y = log(1 + exp(beta x)) / beta, and x where beta x > threshold; Dugas et al. 2000."""
    z = beta * x
    y = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta
    return np.where(z > threshold, x, y)


def softplus_backward(
    dy: np.ndarray, x: np.ndarray, beta: float = 1.0, threshold: float = 20.0
) -> np.ndarray:
    """dx = dy * sigmoid(beta x), and dy where beta x > threshold."""
    return dy * np.where(beta * x > threshold, 1, sigmoid(beta * x))


def hardswish(x: np.ndarray) -> np.ndarray:
    """y = 0 for x <= -3, x for x >= 3, else x (x + 3) / 6; Howard et al. 2019."""
    inner = np.clip(x, -3, 3)
    return np.where(x >= 3, x, np.where(x <= -3, 0, inner * (inner + 3) / 6))


def hardswish_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = 0 for x <= -3, dy for x >= 3, else dy * (x / 3 + 1 / 2)."""
    return dy * np.where(x >= 3, 1, np.where(x <= -3, 0, np.clip(x, -3, 3) / 3 + 0.5))
