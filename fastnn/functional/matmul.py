"""Products of matrices, alone or in batches."""

import numpy as np

from .. import _core

__all__ = ["matmul", "matmul_backward"]


def matmul(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Matrix product, y[..., i, j] = sum over k of x[..., i, k] other[..., k, j].

    The last two axes are the matrices, the axes in front of them a batch, broadcast against each
    other. An ``x`` of rank 1 is one row and an ``other`` of rank 1 one column; that axis is not in
    the result.

    Parameters
    ----------
    x : ndarray (..., m, k) or (k,), float32 or float64
    other : ndarray (..., k, n) or (k,), dtype of ``x``
        A transposed view such as ``weight.T`` is read where it lies.

    Returns
    -------
    y : ndarray (..., m, n), dtype of ``x``
        C-contiguous.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank is 0, or the shapes do not fit.

    Notes
    -----
    Beyond its result a call takes under 0.8 MB of scratch memory a thread; long reductions of few
    values, and gradients of what was broadcast, take copies of the result in addition.
    """
    return _core.matmul(x, other)


def matmul_backward(
    dy: np.ndarray, x: np.ndarray, other: np.ndarray, *, needs: tuple[str, ...] = ("x", "other")
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Gradients of :func:`matmul`.

    dx = dy other^T and dother = x^T dy, each summed over the axes along which it was broadcast.

    Parameters
    ----------
    dy : ndarray, shape of the forward output, dtype of ``x``
        Gradient of the loss with respect to the output.
    x, other : as in the forward pass
    needs : tuple of "x", "other"
        The gradients to compute.

    Returns
    -------
    dx : ndarray, shape of ``x``, or None if not needed
    dother : ndarray, shape of ``other``, or None if not needed

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank is 0, the shapes do not fit, or an entry of ``needs`` is unknown.
    """
    return _core.matmul_backward(dy, x, other, needs)
