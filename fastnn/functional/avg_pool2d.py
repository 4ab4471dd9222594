"""Two-dimensional average pooling."""

import numpy as np

from .. import _core
from ._types import Padding, Pair

__all__ = ["avg_pool2d", "avg_pool2d_backward"]


def avg_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Mean over sliding windows.

    y[n, c, p, q] = 1 / d * sum over i, j of x[n, c, p * sh + i - top, q * sw + j - left], what
    lies outside the image counting as 0; d is the number of positions in the window.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    kernel_size : int or (kh, kw)
    stride : int or (sh, sw), default ``kernel_size``
    padding : int, (ph, pw), ((top, bottom), (left, right)), "same" or "valid"
        At most half the kernel size on each side.
    ceil_mode : bool
        Round the output size up instead of down; a last window that would start beyond the
        image and its top or left padding is dropped, and what of a window lies beyond the
        padding is never counted.
    count_include_pad : bool
        Whether d counts positions in the padding.
    divisor_override : int >= 1, optional
        d for all windows.

    Returns
    -------
    y : ndarray (N, C, H_out, W_out), dtype of ``x``, channels-last in memory

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        The rank of ``x`` or an option does not fit, or the kernel is larger than the padded
        image.

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86,
    1998, section II.B (sub-sampling).
    """
    return _core.avg_pool2d(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


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
    """Gradient of :func:`avg_pool2d`: each dy / d is added to all positions of its window.

    Parameters
    ----------
    dy : ndarray (N, C, H_out, W_out), float32 or float64
        Gradient of the loss with respect to the output.
    x_shape : (N, C, H, W)
        Shape of the forward input.
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As in the forward pass.

    Returns
    -------
    dx : ndarray (N, C, H, W), dtype of ``dy``, channels-last in memory

    Raises
    ------
    TypeError
        ``dy`` is no array of float32 or float64.
    ValueError
        An option is out of range, or the shapes do not fit each other.
    """
    return _core.avg_pool2d_backward(
        dy, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
