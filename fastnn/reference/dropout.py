"""Dropout. Formulas and sources: ``fastnn.functional.dropout``."""

import math

import numpy as np

from .philox import philox_words

__all__ = ["dropout", "dropout_backward"]


def dropout(
    x: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """y = 0 where the element's random word < floor(p 2^32), else x / (1 - p); any shape."""
    if not training or p == 0:
        return x.copy()
    if p == 1:
        return np.zeros_like(x)
    words = philox_words(seed, offset, x.size)
    if x.ndim >= 3:  # elements are numbered (N, spatial axes, C)
        n, c, *spatial = x.shape
        words = np.moveaxis(words.reshape(n, *spatial, c), -1, 1)
    scale = x.dtype.type(1 / (1 - p))
    return np.where(words.reshape(x.shape) < math.floor(p * 2**32), 0, x * scale).astype(x.dtype)


def dropout_backward(
    dy: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """dx: the same mask and scale, applied to dy."""
    return dropout(dy, p, training, seed=seed, offset=offset)
