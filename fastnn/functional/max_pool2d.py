"""Two-dimensional max pooling."""

import numpy as np

from .. import _core
from ._types import Padding, Pair

__all__ = ["max_pool2d", "max_pool2d_backward"]


def max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> tuple[np.ndarray, object]:
    """Maximum over sliding windows.

    y[n, c, p, q] = max over i, j of x[n, c, p * sh + i * dh - top, q * sw + j * dw - left],
    positions outside the image counting as -inf. The first maximum in row-major window order
    wins a tie; a NaN in the window makes the result NaN.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    kernel_size : int or (kh, kw)
    stride : int or (sh, sw), default ``kernel_size``
    padding : int, (ph, pw), ((top, bottom), (left, right)), "same" or "valid"
        At most half the kernel size on each side.
    dilation : int or (dh, dw)
    ceil_mode : bool
        Round the output size up instead of down; a last window that would start beyond the
        image and its top or left padding is dropped.

    Returns
    -------
    y : ndarray (N, C, H_out, W_out), dtype of ``x``, channels-last in memory
    saved : object
        What :func:`max_pool2d_backward` takes.

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        The rank of ``x`` or an option does not fit, or the kernel is larger than the padded
        image.
    """
    return _core.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_backward(dy: np.ndarray, saved: object) -> np.ndarray:
    """Gradient of :func:`max_pool2d`: each dy is added to the position of its maximum.

    Parameters
    ----------
    dy : ndarray (N, C, H_out, W_out), dtype of the forward input
        Gradient of the loss with respect to the output.
    saved : object
        From the forward pass.

    Returns
    -------
    dx : ndarray (N, C, H, W), dtype of ``dy``, channels-last in memory

    Raises
    ------
    TypeError
        ``saved`` is not what the forward pass returned, or the dtypes differ.
    ValueError
        The shape of ``dy`` does not fit.
    """
    return _core.max_pool2d_backward(dy, saved)
