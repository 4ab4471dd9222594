"""Batch normalisation. Formulas and sources: ``fastnn.functional.batch_norm``."""

from typing import NamedTuple

import numpy as np

from .activations import activate, activate_backward

__all__ = ["batch_norm", "batch_norm_backward"]


class Saved(NamedTuple):
    xhat: np.ndarray
    rstd: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    has_bias: bool
    has_residual: bool
    training: bool
    activation: str | None


def per_channel(v: np.ndarray, like: np.ndarray) -> np.ndarray:
    """v (C,) reshaped to broadcast along axis 1."""
    return v.reshape(-1, *[1] * (like.ndim - 2))


def batch_norm(
    x: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, Saved]:
    """y = act(weight * xhat + bias + residual), xhat = (x - mean) / sqrt(var + eps).

    x (N, C, ...), weight, bias, mean, var (C,); Ioffe and Szegedy 2015, algorithm 1. In
    training the running statistics move towards the batch's (variance over n - 1) in place.
    """
    mean, var = running_mean, running_var
    if training:
        axes = (0, *range(2, x.ndim))
        mean, var = x.mean(axes), x.var(axes)
        n = x.size // x.shape[1]
        for running, batch in ((running_mean, mean), (running_var, var * n / (n - 1))):
            if running is not None:
                running[...] = (1 - momentum) * running + momentum * batch
    assert mean is not None and var is not None
    rstd = 1 / np.sqrt(var + eps)
    xhat = (x - per_channel(mean, x)) * per_channel(rstd, x)
    z = xhat if weight is None else xhat * per_channel(weight, x)
    z = z if bias is None else z + per_channel(bias, x)
    z = z if residual is None else z + residual
    y = activate(z, activation)
    flags = (bias is not None, residual is not None, training, activation)
    return y, Saved(xhat, rstd, y, weight, *flags)


def batch_norm_backward(dy: np.ndarray, saved: Saved) -> tuple[np.ndarray | None, ...]:
    """dx, dweight, dbias and, with a residual, dresidual."""
    axes = (0, *range(2, dy.ndim))
    dz = activate_backward(dy, saved.y, saved.activation)
    dbias, dweight = dz.sum(axes), (dz * saved.xhat).sum(axes)
    dx = dz
    if saved.training:
        n = dz.size // dz.shape[1]
        dx = dz - per_channel(dbias / n, dz) - saved.xhat * per_channel(dweight / n, dz)
    gain = saved.rstd if saved.weight is None else saved.rstd * saved.weight
    dx = dx * per_channel(gain, dz)
    gradients = (
        dx,
        None if saved.weight is None else dweight,
        dbias if saved.has_bias else None,
    )
    return (*gradients, dz) if saved.has_residual else gradients
