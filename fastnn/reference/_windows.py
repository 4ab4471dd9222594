"""Sliding windows: what convolution and pooling share."""

import numpy as np

Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str
Margins = tuple[tuple[int, int], tuple[int, int]]


def pair(value: Pair) -> tuple[int, int]:
    """(rows, columns) from one number or two."""
    return value if isinstance(value, tuple) else (value, value)


def margins(padding: Padding, kernel: tuple[int, int], dilation: tuple[int, int]) -> Margins:
    """((top, bottom), (left, right)) from any way to write a padding.

    "same" pads dilation * (kernel - 1) in all, the odd one at the bottom and the right.
    """
    if padding == "same":
        rows, columns = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)
    if isinstance(padding, str):  # "valid"
        return (0, 0), (0, 0)
    vertical, horizontal = padding if isinstance(padding, tuple) else (padding, padding)
    return pair(vertical), pair(horizontal)


def output_shape(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    margin: Margins,
    dilation: tuple[int, int],
    ceil: bool = False,
) -> tuple[int, int]:
    """Number of windows along both axes; Dumoulin and Visin 2016, relationship 15.

    Rounded up, a last window must still start inside the image or its leading margin.
    """

    def count(axis: int) -> int:
        s, padded = stride[axis], size[axis] + sum(margin[axis])
        room = padded - dilation[axis] * (kernel[axis] - 1) - 1
        n = (room + s - 1 if ceil else room) // s + 1
        return n - 1 if ceil and (n - 1) * s >= size[axis] + margin[axis][0] else n

    return count(0), count(1)


def tap(
    i: int, j: int, stride: tuple[int, int], dilation: tuple[int, int], out: tuple[int, int]
) -> tuple[slice, slice]:
    """Rows and columns of the padded image that kernel entry (i, j) meets, window by window."""
    top, left = i * dilation[0], j * dilation[1]
    return (
        slice(top, top + stride[0] * (out[0] - 1) + 1, stride[0]),
        slice(left, left + stride[1] * (out[1] - 1) + 1, stride[1]),
    )


def pad(x: np.ndarray, margin: Margins) -> np.ndarray:
    """x (N, C, H, W) with zeros around the image."""
    return np.pad(x, ((0, 0), (0, 0), *margin))
