"""Group and instance normalisation. Formulas and sources: ``fastnn.functional.group_norm``."""

import math
from typing import NamedTuple

import numpy as np

from .activations import activate, activate_backward
from .batch_norm import per_channel

__all__ = ["group_norm", "group_norm_backward", "instance_norm", "instance_norm_backward"]


class Saved(NamedTuple):
    xhat: np.ndarray
    rstd: np.ndarray  # (N, groups, 1)
    y: np.ndarray
    weight: np.ndarray | None
    has_bias: bool
    has_residual: bool
    use_input_stats: bool
    activation: str | None


def groups_of(x: np.ndarray, groups: int) -> np.ndarray:
    """x (N, C, ...) as (N, groups, values)."""
    return x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)


def normalise(
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    eps: float,
    use_input_stats: bool,
    activation: str | None,
    residual: np.ndarray | None,
) -> tuple[np.ndarray, Saved]:
    """The part of both ops behind the statistics, mean and var (N or 1, groups, 1)."""
    rstd = 1 / np.sqrt(var + eps)
    xhat = ((groups_of(x, mean.shape[1]) - mean) * rstd).reshape(x.shape)
    z = xhat if weight is None else xhat * per_channel(weight, x)
    z = z if bias is None else z + per_channel(bias, x)
    z = z if residual is None else z + residual
    y = activate(z, activation)
    flags = (bias is not None, residual is not None, use_input_stats, activation)
    return y, Saved(xhat, rstd, y, weight, *flags)


def group_norm(
    x: np.ndarray,
    num_groups: int,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, Saved]:
    """y = act(weight * xhat + bias + residual); mean and var of each image's groups of channels.

    x (N, C, ...), weight, bias (C,); Wu and He 2018, equations 1, 2, 3 and 7.
    """
    grouped = groups_of(x, num_groups)
    mean, var = grouped.mean(2, keepdims=True), grouped.var(2, keepdims=True)
    return normalise(x, mean, var, weight, bias, eps, True, activation, residual)


def instance_norm(
    x: np.ndarray,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, Saved]:
    """Group normalisation with one group a channel; Ulyanov et al. 2016, equation 1.

    The running statistics move towards the images' average mean and unbiased variance, or are
    what is normalised with.
    """
    if use_input_stats:
        grouped = groups_of(x, x.shape[1])
        mean, var = grouped.mean(2, keepdims=True), grouped.var(2, keepdims=True)
        n = grouped.shape[2]
        for running, batch in ((running_mean, mean), (running_var, var * n / (n - 1))):
            if running is not None and x.size:
                running[...] = (1 - momentum) * running + momentum * batch.mean(0)[:, 0]
    else:
        assert running_mean is not None and running_var is not None
        mean, var = running_mean[None, :, None], running_var[None, :, None]
    return normalise(x, mean, var, weight, bias, eps, use_input_stats, activation, residual)


def group_norm_backward(dy: np.ndarray, saved: Saved) -> tuple[np.ndarray | None, ...]:
    """dx, dweight, dbias and, with a residual, dresidual."""
    axes = (0, *range(2, dy.ndim))
    groups = saved.rstd.shape[1]
    dz = activate_backward(dy, saved.y, saved.activation)
    g = groups_of(dz if saved.weight is None else dz * per_channel(saved.weight, dz), groups)
    dx = g
    if saved.use_input_stats:
        xhat = groups_of(saved.xhat, groups)
        dx = g - g.mean(2, keepdims=True) - xhat * (g * xhat).mean(2, keepdims=True)
    gradients = (
        (saved.rstd * dx).reshape(dy.shape),
        None if saved.weight is None else (dz * saved.xhat).sum(axes),
        dz.sum(axes) if saved.has_bias else None,
    )
    return (*gradients, dz) if saved.has_residual else gradients


def instance_norm_backward(dy: np.ndarray, saved: Saved) -> tuple[np.ndarray | None, ...]:
    """dx, dweight, dbias and, with a residual, dresidual."""
    return group_norm_backward(dy, saved)
