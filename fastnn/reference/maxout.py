"""Maxout. Formula and source: ``fastnn.functional.maxout``."""

from typing import Any

import numpy as np

__all__ = ["maxout", "maxout_backward"]


def maxout(x: np.ndarray, pieces: int) -> tuple[np.ndarray, Any]:
    """y[:, c] = max of x[:, c * pieces], ..., x[:, c * pieces + pieces - 1]; the first of a tie."""
    n, c = x.shape[:2]
    grouped = x.reshape(n, c // pieces, pieces, *x.shape[2:])
    winners = grouped.argmax(2)
    y = np.take_along_axis(grouped, winners[:, :, None], 2)[:, :, 0]
    return y, (winners, x.shape, pieces)


def maxout_backward(dy: np.ndarray, saved: Any) -> np.ndarray:
    """dx = dy for the input that was the maximum, else 0."""
    winners, shape, pieces = saved
    numbers = np.arange(pieces).reshape(-1, *[1] * (len(shape) - 2))
    dx = np.where(winners[:, :, None] == numbers, dy[:, :, None], 0)
    return np.asarray(dx.reshape(shape), dy.dtype)
