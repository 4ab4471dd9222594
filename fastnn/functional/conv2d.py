"""Two-dimensional convolution (cross-correlation), with an optional fused activation."""

import numpy as np

from .. import _core
from ._types import Padding, Pair

__all__ = ["conv2d", "conv2d_backward"]


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
    algorithm: str | None = None,
) -> np.ndarray:
    """Two-dimensional convolution in the sense of neural networks (cross-correlation).

    y[n, o, p, q] = act(b[o] + sum over c, i, j of
    W[o, c, i, j] * x[n, g * C / groups + c, p * sh + i * dh - top, q * sw + j * dw - left])
    with g the group of output channel o and x zero outside the image. Output rows are
    H_out = floor((H + top + bottom - dh * (kh - 1) - 1) / sh) + 1, columns likewise.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    weight : ndarray (O, C / groups, kh, kw), dtype of ``x``
    bias : ndarray (O,), dtype of ``x``, or None
    stride : int or (sh, sw)
    padding : int, (ph, pw), ((top, bottom), (left, right)), "same" or "valid"
        "same" keeps the image size and needs stride 1; an odd total puts the extra zero at the
        bottom and the right.
    dilation : int or (dh, dw)
    groups : int
        Channel groups convolved apart; groups = C is a depthwise convolution.
    activation : None, "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "sigmoid" or "tanh"
        Applied to the result in the same pass.
    algorithm : None, "auto", "direct" or "winograd"
        "winograd" needs a 3 x 3 kernel and stride, dilation and groups of 1; "auto" takes it where
        it is faster; None is what ``fastnn.set_conv_algorithm`` says. float64 is always direct, and
        so is CUDA without cuDNN. ``fastnn.set_float32_matmul_precision("medium")`` lets the
        direct algorithm round its operands to bfloat16.

    Returns
    -------
    y : ndarray (N, O, H_out, W_out), dtype of ``x``, channels-last in memory

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank, shape or option does not fit, the kernel is larger than the padded image, the
        activation is unknown, or the algorithm is unknown or cannot be used.

    Notes
    -----
    Winograd's F(4 x 4, 3 x 3) computes y = A^T [(G W G^T) * (B^T d B)] A for every tile of 4 x 4
    outputs, d being the 6 x 6 inputs that it reads: 36 multiplications where the sum has 144. Its
    rounding error is about twice that of the direct sum (root mean square), and a NaN or infinity
    in d reaches all outputs of the tile, while the direct sum spreads it to its neighbours alone.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86(11), 1998, section II; Dumoulin and Visin, "A guide to convolution arithmetic
    for deep learning", arXiv 1603.07285, relationship 15 (output size). Lavin and Gray, "Fast
    algorithms for convolutional neural networks", CVPR 2016, section 4 (Winograd).
    """
    return _core.conv2d(x, weight, bias, stride, padding, dilation, groups, activation, algorithm)


def conv2d_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
    y: np.ndarray | None = None,
    needs: tuple[str, ...] = ("x", "weight", "bias"),
    algorithm: str | None = None,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Gradients of :func:`conv2d`.

    With dz = dy * act'(y), or dz = dy without an activation: dx[n, c, h, w] sums
    dz[n, o, p, q] * W[o, c, i, j] over all (o, p, q, i, j) that read x[n, c, h, w];
    dW[o, c, i, j] sums dz[n, o, p, q] * x over all (n, p, q); db sums dz over (n, p, q).

    Parameters
    ----------
    dy : ndarray (N, O, H_out, W_out), dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray (N, C, H, W), float32 or float64
        Input of the forward pass.
    weight : ndarray (O, C / groups, kh, kw), dtype of ``x``
    stride, padding, dilation, groups, activation : as in the forward pass
    y : ndarray (N, O, H_out, W_out), dtype of ``x``
        Output of the forward pass; needed when there is an activation.
    needs : tuple of "x", "weight", "bias"
        The gradients to compute.
    algorithm : None, "auto", "direct" or "winograd"
        As in :func:`conv2d`: dx is a convolution of dz with the kernel turned round,
        dW = G^T [sum over tiles of (B^T d B) * (A dz A^T)] G.

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
        A rank, shape or option does not fit, the activation or an entry of ``needs`` is
        unknown, ``y`` is missing, or the algorithm is unknown or cannot be used.
    """
    return _core.conv2d_backward(
        dy, x, weight, stride, padding, dilation, groups, activation, y, needs, algorithm
    )
