"""Transposed convolution. Formulas and sources: ``fastnn.functional.conv_transpose2d``."""

import numpy as np

from ._windows import Padding, Pair, margins, pair, tap
from .conv2d import conv2d, conv2d_backward

__all__ = ["conv_transpose2d", "conv_transpose2d_backward"]


def conv_transpose2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> np.ndarray:
    """y[n, o, p s + i d - top, q s + j d - left] += W[c, o, i, j] x[n, c, p, q]; then b[o].

    x (N, C, P, Q); W (C, O / groups, kh, kw); y has (P - 1) s + d (kh - 1) + 1 + output_padding
    - top - bottom rows.
    """
    stride, dilation, extra = pair(stride), pair(dilation), pair(output_padding)
    n, c, *size = x.shape
    _, o, *kernel = weight.shape
    margin = margins(padding, (kernel[0], kernel[1]), dilation)
    full = [
        (size[k] - 1) * stride[k] + dilation[k] * (kernel[k] - 1) + 1 + extra[k] for k in (0, 1)
    ]
    y = np.zeros((n, groups, o, *full), x.dtype)
    w = weight.reshape(groups, c // groups, o, *kernel)
    grouped = x.reshape(n, groups, c // groups, *size)
    for i, j in np.ndindex(*kernel):
        rows, columns = tap(i, j, stride, dilation, (size[0], size[1]))
        y[..., rows, columns] += np.einsum("gco,ngcpq->ngopq", w[..., i, j], grouped, optimize=True)
    (top, bottom), (left, right) = margin
    y = y.reshape(n, groups * o, *full)[:, :, top : full[0] - bottom, left : full[1] - right]
    return y if bias is None else y + bias[:, None, None]


def conv_transpose2d_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
    *,
    needs: tuple[str, ...] = ("x", "weight", "bias"),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """The convolution that y is the input gradient of: dx its output, dW its weight gradient."""
    # An output_padding of a stride and more makes room for windows that no row of x stands for.
    dx = conv2d(dy, weight, None, stride, padding, dilation, groups)
    dx = dx[:, :, : x.shape[2], : x.shape[3]]
    _, dw, _ = conv2d_backward(x, dy, weight, stride, padding, dilation, groups, needs=("weight",))
    return (
        dx if "x" in needs else None,
        dw if "weight" in needs else None,
        dy.sum((0, 2, 3)) if "bias" in needs else None,
    )
