"""Average pooling. Formulas and sources: ``fastnn.functional.avg_pool2d``."""

from collections.abc import Iterator

import numpy as np

from ._windows import Padding, Pair, margins, output_shape, pair

__all__ = ["avg_pool2d", "avg_pool2d_backward"]


def windows(
    x_shape: tuple[int, ...],
    kernel_size: Pair,
    stride: Pair | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Iterator[tuple[int, int, slice, slice, int]]:
    """(p, q, rows, columns, divisor) of every window, clipped to the image.

    The divisor counts positions of the image and, with ``count_include_pad``, of its padding.
    """
    kernel = pair(kernel_size)
    stride = kernel if stride is None else pair(stride)
    margin = margins(padding, kernel, (1, 1))
    size = x_shape[2], x_shape[3]
    for p, q in np.ndindex(*output_shape(size, kernel, stride, margin, (1, 1), ceil_mode)):
        clipped, count = [], 1
        for axis, i in enumerate((p, q)):
            start = i * stride[axis] - margin[axis][0]
            stop = min(start + kernel[axis], size[axis] + margin[axis][1])
            inside = slice(max(start, 0), min(stop, size[axis]))
            count *= stop - start if count_include_pad else max(inside.stop - inside.start, 0)
            clipped.append(inside)
        yield p, q, clipped[0], clipped[1], divisor_override or max(count, 1)


def avg_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """y[n, c, p, q] = sum of window (p, q) / divisor; x (N, C, H, W), y (N, C, P, Q)."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    found = list(windows(x.shape, *options))
    rows, columns = found[-1][0] + 1, found[-1][1] + 1
    y = np.empty((*x.shape[:2], rows, columns), x.dtype)
    for p, q, i, j, divisor in found:
        y[:, :, p, q] = x[:, :, i, j].sum((2, 3)) / divisor
    return y


def avg_pool2d_backward(
    dy: np.ndarray,
    x_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """dx (N, C, H, W): each dy / divisor is added all over its window."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    dx = np.zeros(x_shape, dy.dtype)
    for p, q, i, j, divisor in windows(x_shape, *options):
        dx[:, :, i, j] += dy[:, :, p, q, None, None] / divisor
    return dx
