"""softmax and log_softmax. Formulas and sources: ``fastnn.functional.softmax``."""

import numpy as np

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """y = exp(x) / sum of exp(x) along ``axis``, the maximum subtracted first."""
    if x.size == 0:
        return x.copy()
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def softmax_backward(dy: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """dx = y * (dy - sum of dy * y along ``axis``), y being the output."""
    return np.asarray(y * (dy - (dy * y).sum(axis, keepdims=True)))


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """y = x - log(sum of exp(x) along ``axis``), the maximum subtracted first."""
    if x.size == 0:
        return x.copy()
    shifted = x - x.max(axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis, keepdims=True)))


def log_softmax_backward(dy: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """dx = dy - exp(y) * sum of dy along ``axis``, y being the output."""
    return np.asarray(dy - np.exp(y) * dy.sum(axis, keepdims=True))
