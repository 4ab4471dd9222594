"""Transposed two-dimensional convolution: the gradient of a convolution as a layer of its own."""

import numpy as np

from .. import _core
from ._types import Padding, Pair

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
    """Transposed convolution: the input gradient of :func:`conv2d` with the same weight.

    y[n, o, h, w] = b[o] + sum over c, p, q, i, j with p * sh + i * dh - top = h and
    q * sw + j * dw - left = w of W[c, o, i, j] * x[n, c, p, q], with c in the group of o. Output
    rows are (H - 1) * sh - top - bottom + dh * (kh - 1) + output_padding + 1, columns likewise.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    weight : ndarray (C, O / groups, kh, kw), dtype of ``x``
    bias : ndarray (O,), dtype of ``x``, or None
    stride : int or (sh, sw)
    padding : int, (ph, pw) or ((top, bottom), (left, right))
        Of the convolution that this one transposes: it is cut off here.
    output_padding : int or (rows, columns)
        Rows and columns more at the bottom and the right, fewer than the stride or the dilation.
    groups : int
    dilation : int or (dh, dw)

    Returns
    -------
    y : ndarray (N, O, H_out, W_out), dtype of ``x``, channels-last in memory

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank, shape or option does not fit, or the output has no pixel.

    References
    ----------
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285,
    section 4; Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010.
    """
    return _core.conv_transpose2d(
        x, weight, bias, stride, padding, output_padding, groups, dilation
    )


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
    """Gradients of :func:`conv_transpose2d`.

    dx is the convolution of dy with W, dW[c, o, i, j] sums x[n, c, p, q] * dy[n, o, h, w] over
    all (n, p, q) with h, w as in the forward pass, db sums dy over (n, h, w).

    Parameters
    ----------
    dy : ndarray (N, O, H_out, W_out), dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray (N, C, H, W), float32 or float64
        Input of the forward pass.
    weight : ndarray (C, O / groups, kh, kw), dtype of ``x``
    stride, padding, output_padding, groups, dilation : as in the forward pass
    needs : tuple of "x", "weight", "bias"
        The gradients to compute.

    Returns
    -------
    dx : ndarray, shape of ``x``, channels-last in memory, or None if not needed
    dw : ndarray, shape of ``weight``, C-contiguous like a parameter, or None if not needed
    db : ndarray (O,), or None if not needed

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank, shape or option does not fit, or an entry of ``needs`` is unknown.
    """
    return _core.conv_transpose2d_backward(
        dy, x, weight, stride, padding, output_padding, groups, dilation, needs
    )
