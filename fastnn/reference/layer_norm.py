"""Layer normalisation. Formulas and sources: ``fastnn.functional.layer_norm``."""

from typing import NamedTuple

import numpy as np

from .activations import activate, activate_backward

__all__ = ["layer_norm", "layer_norm_backward"]


class Saved(NamedTuple):
    xhat: np.ndarray
    rstd: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    has_bias: bool
    has_residual: bool
    activation: str | None
    axes: tuple[int, ...]


def layer_norm(
    x: np.ndarray,
    normalized_shape: int | tuple[int, ...],
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, Saved]:
    """y = act(weight * xhat + bias + residual), xhat = (x - mean) / sqrt(var + eps).

    x (..., *normalized_shape), weight, bias (*normalized_shape); mean and var over the last
    axes, those of normalized_shape: one pair for each index in front (Ba et al. 2016, eq. 4).
    """
    rank = 1 if isinstance(normalized_shape, int) else len(normalized_shape)
    axes = tuple(range(x.ndim - rank, x.ndim))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    rstd = 1 / np.sqrt(var + eps)
    xhat = (x - mean) * rstd
    z = xhat if weight is None else xhat * weight
    z = z if bias is None else z + bias
    z = z if residual is None else z + residual
    y = activate(z, activation)
    flags = (bias is not None, residual is not None, activation, axes)
    return y, Saved(xhat, rstd, y, weight, *flags)


def layer_norm_backward(dy: np.ndarray, saved: Saved) -> tuple[np.ndarray | None, ...]:
    """dx, dweight, dbias and, with a residual, dresidual."""
    axes = saved.axes
    lead = tuple(range(axes[0]))
    dz = activate_backward(dy, saved.y, saved.activation)
    g = dz if saved.weight is None else dz * saved.weight
    means = g.mean(axes, keepdims=True), (g * saved.xhat).mean(axes, keepdims=True)
    dx = saved.rstd * (g - means[0] - saved.xhat * means[1])
    gradients = (
        dx,
        None if saved.weight is None else (dz * saved.xhat).sum(lead),
        dz.sum(lead) if saved.has_bias else None,
    )
    return (*gradients, dz) if saved.has_residual else gradients
