"""Convolution. Formulas and sources: ``fastnn.functional.conv2d``."""

import numpy as np

from ._windows import Padding, Pair, margins, output_shape, pad, pair, tap
from .activations import activate, activate_backward

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
    """y[n, o, p, q] = act(b[o] + sum_{c, i, j} W[o, c, i, j] x[n, c, p s + i d, q s + j d]).

    x (N, C, H, W) is padded with zeros; W (O, C / groups, kh, kw); y (N, O, P, Q). The algorithm
    does not change the mathematics; ``_winograd`` states that of Winograd's.
    """
    stride, dilation, kernel = pair(stride), pair(dilation), (weight.shape[2], weight.shape[3])
    margin = margins(padding, kernel, dilation)
    out = output_shape((x.shape[2], x.shape[3]), kernel, stride, margin, dilation)
    n, o = len(x), len(weight)
    padded = pad(x, margin)
    padded = padded.reshape(n, groups, weight.shape[1], *padded.shape[2:])
    w = weight.reshape(groups, o // groups, *weight.shape[1:])
    z = np.zeros((n, groups, o // groups, *out), x.dtype)
    for i, j in np.ndindex(*kernel):
        rows, columns = tap(i, j, stride, dilation, out)
        seen = padded[..., rows, columns]
        z += np.einsum("goc,ngcpq->ngopq", w[..., i, j], seen, optimize=True)
    z = z.reshape(n, o, *out)
    return activate(z if bias is None else z + bias[:, None, None], activation)


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
    """dx, dW and db: every product of the forward sum, taken the other way round."""
    stride, dilation, kernel = pair(stride), pair(dilation), (weight.shape[2], weight.shape[3])
    margin = margins(padding, kernel, dilation)
    dz = activate_backward(dy, y, activation)
    db = dz.sum((0, 2, 3)) if "bias" in needs else None
    n, o, *out = dz.shape
    dz = dz.reshape(n, groups, o // groups, *out)
    padded = pad(x, margin)
    grouped = padded.reshape(n, groups, weight.shape[1], *padded.shape[2:])
    w = weight.reshape(groups, o // groups, *weight.shape[1:])
    dx, dw = np.zeros_like(grouped), np.zeros_like(w)
    for i, j in np.ndindex(*kernel):
        rows, columns = tap(i, j, stride, dilation, (out[0], out[1]))
        seen = grouped[..., rows, columns]
        dw[..., i, j] = np.einsum("ngopq,ngcpq->goc", dz, seen, optimize=True)
        dx[..., rows, columns] += np.einsum("goc,ngopq->ngcpq", w[..., i, j], dz, optimize=True)
    (top, _), (left, _) = margin
    dx = dx.reshape(padded.shape)[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return (
        dx if "x" in needs else None,
        dw.reshape(weight.shape) if "weight" in needs else None,
        db,
    )
