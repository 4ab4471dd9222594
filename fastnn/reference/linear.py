"""Affine map. Formulas and sources: ``fastnn.functional.linear``."""

import math

import numpy as np

from .activations import activate, activate_backward

__all__ = ["linear", "linear_backward"]


def linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """y = act(x W^T + b); x (..., in), W (out, in), b (out,), y (..., out)."""
    z = x @ weight.T
    return activate(z if bias is None else z + bias, activation)


def linear_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    *,
    activation: str | None = None,
    y: np.ndarray | None = None,
    needs: tuple[str, ...] = ("x", "weight", "bias"),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """dx = dz W, dW = dz^T x, db = sum dz over all leading axes, with dz = dy * act'(y)."""
    dz = activate_backward(dy, y, activation)
    n = math.prod(dz.shape[:-1])
    rows, x_rows = dz.reshape(n, weight.shape[0]), x.reshape(n, weight.shape[1])
    return (
        dz @ weight if "x" in needs else None,
        rows.T @ x_rows if "weight" in needs else None,
        rows.sum(0) if "bias" in needs else None,
    )
