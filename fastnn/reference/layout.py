"""Memory layout. Formulas: ``fastnn.functional.layout``."""

import math

import numpy as np

__all__ = ["channels_last", "flatten", "flatten_backward", "is_channels_last"]


def is_channels_last(x: np.ndarray) -> bool:
    """True if x (N, C, ...) lies in memory as (N, ..., C); below rank 3, if C-contiguous."""
    return bool((np.moveaxis(x, 1, -1) if x.ndim >= 3 else x).flags.c_contiguous)


def channels_last(x: np.ndarray) -> np.ndarray:
    """x itself if it is channels-last, else a copy that is."""
    if is_channels_last(x):
        return x
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if x.ndim >= 3 else x.copy()


def flatten(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) to (N, C * ...)."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def flatten_backward(dy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """dy in the shape of the input."""
    return dy.reshape(x_shape)
