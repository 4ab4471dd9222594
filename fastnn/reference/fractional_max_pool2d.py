"""Fractional max pooling. Formulas and sources: ``fastnn.functional.fractional_max_pool2d``."""

from itertools import product
from typing import NamedTuple

import numpy as np

from ._windows import Pair, pair
from .philox import philox_words

__all__ = ["fractional_max_pool2d", "fractional_max_pool2d_backward"]


class Saved(NamedTuple):
    shape: tuple[int, ...]
    position: np.ndarray  # (N, C, P, Q): where the maximum is in the H * W image


def starts(size: int, kernel: int, windows: int, u: float) -> list[int]:
    """First row of each window: floor((i + u) alpha) - floor(u alpha), the last one at the end."""
    alpha = (size - kernel) / (windows - 1) if windows > 1 else 0.0
    return [int((i + u) * alpha) - int(u * alpha) for i in range(windows - 1)] + [size - kernel]


def fractional_max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    output_size: Pair | None = None,
    output_ratio: float | tuple[float, float] | None = None,
    *,
    seed: int,
    offset: int = 0,
) -> tuple[np.ndarray, Saved]:
    """y[n, c, p, q] = max of x[n, c, a_p : a_p + kh, b_q : b_q + kw]; Graham 2014, section 3.

    x (N, C, H, W), y (N, C, P, Q). a and b come from u_n = words 2 n and 2 n + 1 over 2^32.
    """
    n, c, h, w = x.shape
    kh, kw = pair(kernel_size)
    if output_size is not None:
        rows, columns = pair(output_size)
    else:
        assert output_ratio is not None
        both = output_ratio if isinstance(output_ratio, tuple) else (output_ratio, output_ratio)
        rows, columns = int(h * both[0]), int(w * both[1])
    u = philox_words(seed, offset, 2 * n).reshape(n, 2) / 2.0**32
    y = np.empty((n, c, rows, columns), x.dtype)
    position = np.empty(y.shape, np.int64)
    for image in range(n):
        tops = starts(h, kh, rows, float(u[image, 0]))
        lefts = starts(w, kw, columns, float(u[image, 1]))
        for (p, top), (q, left) in product(enumerate(tops), enumerate(lefts)):
            window = x[image, :, top : top + kh, left : left + kw].reshape(c, kh * kw)
            at = np.where(np.isnan(window).any(1), np.isnan(window).argmax(1), window.argmax(1))
            y[image, :, p, q] = window[np.arange(c), at]
            position[image, :, p, q] = (top + at // kw) * w + left + at % kw
    return y, Saved(x.shape, position)


def fractional_max_pool2d_backward(dy: np.ndarray, saved: Saved) -> np.ndarray:
    """dx (N, C, H, W): each dy (N, C, P, Q) is added at the position of its maximum."""
    n, c, h, w = saved.shape
    dx = np.zeros((n, c, h * w), dy.dtype)
    image, channel = np.ogrid[:n, :c]
    where = (image[..., None, None], channel[..., None, None], saved.position)
    np.add.at(dx, where, dy)
    return dx.reshape(saved.shape)
