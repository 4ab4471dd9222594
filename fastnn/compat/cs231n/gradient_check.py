"""``cs231n/gradient_check.py``: numerical gradients by central differences, and their error."""

from collections.abc import Callable

import numpy as np

__all__ = ["eval_numerical_gradient", "eval_numerical_gradient_array", "rel_error"]


def rel_error(x: np.ndarray, y: np.ndarray) -> float:
    """max |x - y| / max(1e-8, |x| + |y|)."""
    return float(np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))))


def eval_numerical_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, verbose: bool = True, h: float = 1e-5
) -> np.ndarray:
    """Gradient of the number f(x): (f(x + h) - f(x - h)) / 2h for every entry of ``x``.

    ``f`` may ignore its argument and use ``x`` itself, which is changed in place and restored.
    ``verbose`` prints every entry.
    """
    grad = eval_numerical_gradient_array(lambda x: np.asarray(f(x)), x, np.ones(()), h)
    if verbose:
        for index, value in np.ndenumerate(grad):
            print(index, value)
    return grad


def eval_numerical_gradient_array(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, df: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    """Gradient of sum(f(x) * df) for a function with arrays for values."""
    grad = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        old = x[index]
        x[index] = old + h
        above = np.array(f(x))
        x[index] = old - h
        below = np.array(f(x))
        x[index] = old
        grad[index] = np.sum((above - below) * df) / (2 * h)
    return grad
