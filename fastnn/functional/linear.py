"""Affine map of the last axis, with an optional fused activation."""

import numpy as np

from .. import _core

__all__ = ["linear", "linear_backward"]


def linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """Affine map of the last axis, y = act(x W^T + b).

    Parameters
    ----------
    x : ndarray (..., in), rank 1 or more, float32 or float64
    weight : ndarray (out, in), dtype of ``x``
    bias : ndarray (out,), dtype of ``x``, or None
    activation : None, "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "sigmoid" or "tanh"
        Applied to the result in the same pass.

    Returns
    -------
    y : ndarray (..., out), dtype of ``x``

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank or shape does not fit, or the activation is unknown.
    """
    return _core.linear(x, weight, bias, activation)


def linear_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    *,
    activation: str | None = None,
    y: np.ndarray | None = None,
    needs: tuple[str, ...] = ("x", "weight", "bias"),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Gradients of :func:`linear`.

    With dz = dy * act'(y), or dz = dy without an activation:
    dx = dz W, dW = dz^T x, db = sum of dz, the sums over all leading axes.

    Parameters
    ----------
    dy : ndarray (..., out), dtype of ``x``
        Gradient of the loss with respect to the output.
    x : ndarray (..., in), rank 1 or more, float32 or float64
        Input of the forward pass.
    weight : ndarray (out, in), dtype of ``x``
    activation : as in the forward pass
    y : ndarray (..., out), dtype of ``x``
        Output of the forward pass; needed when there is an activation.
    needs : tuple of "x", "weight", "bias"
        The gradients to compute.

    Returns
    -------
    dx : ndarray, shape of ``x``, or None if not needed
    dw : ndarray (out, in), or None if not needed
    db : ndarray (out,), or None if not needed

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank or shape does not fit, the activation or an entry of ``needs`` is unknown, or
        ``y`` is missing.
    """
    return _core.linear_backward(dy, x, weight, activation, y, needs)
