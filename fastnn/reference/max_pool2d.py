"""Max pooling. Formulas and sources: ``fastnn.functional.max_pool2d``."""

from typing import NamedTuple

import numpy as np

from ._windows import Padding, Pair, margins, output_shape, pair, tap

__all__ = ["max_pool2d", "max_pool2d_backward"]


class Saved(NamedTuple):
    shape: tuple[int, ...]
    position: np.ndarray  # (N, C, P, Q): where the maximum is in the H * W image, -1 for none


def max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> tuple[np.ndarray, Saved]:
    """y[n, c, p, q] = max over (i, j) of x[n, c, p s + i d - top, q s + j d - left].

    x (N, C, H, W), y (N, C, P, Q). Only positions inside the image count; the first maximum
    in row-major order wins, and the first NaN beats every number.
    """
    kernel, dilation = pair(kernel_size), pair(dilation)
    stride = kernel if stride is None else pair(stride)
    margin = margins(padding, kernel, dilation)
    (n, c, h, w), ((top, _), (left, _)) = x.shape, margin
    out = output_shape((h, w), kernel, stride, margin, dilation, ceil_mode)
    y = np.full((n, c, *out), -np.inf, x.dtype)
    index = np.full(y.shape, -1)
    for i, j in np.ndindex(*kernel):
        rows, columns = np.ogrid[tap(i, j, stride, dilation, out)]
        rows, columns = rows - top, columns - left
        inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
        value = x[:, :, rows.clip(0, h - 1), columns.clip(0, w - 1)]
        better = inside & ((value > y) | (index < 0) | (np.isnan(value) & ~np.isnan(y)))
        y = np.where(better, value, y)
        index = np.where(better, rows * w + columns, index)
    return y, Saved(x.shape, index)


def max_pool2d_backward(dy: np.ndarray, saved: Saved) -> np.ndarray:
    """dx (N, C, H, W): each dy (N, C, P, Q) is added at the position of its maximum."""
    n, c, h, w = saved.shape
    dx = np.zeros((n, c, h * w), dy.dtype)
    image, channel = np.ogrid[:n, :c]
    where = (image[..., None, None], channel[..., None, None], saved.position)
    np.add.at(dx, where, np.where(saved.position < 0, 0, dy))
    return dx.reshape(saved.shape)
