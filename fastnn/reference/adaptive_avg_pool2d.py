"""Adaptive average pooling. Formulas: ``fastnn.functional.adaptive_avg_pool2d``."""

import numpy as np

from ._windows import Pair, pair

__all__ = ["adaptive_avg_pool2d", "adaptive_avg_pool2d_backward"]


def part(i: int, parts: int, size: int) -> slice:
    """floor(i * size / parts) up to ceil((i + 1) * size / parts)."""
    return slice(i * size // parts, -(-(i + 1) * size // parts))


def adaptive_avg_pool2d(x: np.ndarray, output_size: Pair) -> np.ndarray:
    """y[n, c, p, q] = mean of part (p, q) of the image; x (N, C, H, W), y (N, C, P, Q)."""
    n, c, h, w = x.shape
    rows, columns = pair(output_size)
    y = np.empty((n, c, rows, columns), x.dtype)
    for p, q in np.ndindex(rows, columns):
        y[:, :, p, q] = x[:, :, part(p, rows, h), part(q, columns, w)].mean((2, 3))
    return y


def adaptive_avg_pool2d_backward(dy: np.ndarray, x_shape: tuple[int, int, int, int]) -> np.ndarray:
    """dx (N, C, H, W): each dy / (size of its part) is added all over its part."""
    *_, h, w = x_shape
    rows, columns = dy.shape[2:]
    dx = np.zeros(x_shape, dy.dtype)
    for p, q in np.ndindex(rows, columns):
        block = dx[:, :, part(p, rows, h), part(q, columns, w)]
        block += dy[:, :, p, q, None, None] / (block.shape[2] * block.shape[3])
    return dx
