"""Batch normalisation, with optional fused residual and activation."""

import numpy as np

from .. import _core

__all__ = ["batch_norm", "batch_norm_backward"]


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
) -> tuple[np.ndarray, object]:
    """Normalise every channel over the batch and all spatial axes.

    y = act(weight * (x - mean) / sqrt(var + eps) + bias + residual). In training, mean and var
    are those of the batch (var divides by the number of values n), and the running statistics
    are updated in place: running = (1 - momentum) * running + momentum * batch, where the
    batch variance divides by n - 1. In evaluation mean and var are the running statistics.

    Parameters
    ----------
    x : ndarray (N, C, ...), rank 2 or more, float32 or float64
    running_mean, running_var : ndarray (C,), dtype of ``x``
        Written to when ``training``; both may be None then.
    weight, bias : ndarray (C,), dtype of ``x``, or None for 1 and 0
    training : bool
    momentum : float in [0, 1]
        Weight of the new batch in the running statistics.
    eps : float > 0
    activation : None, "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "sigmoid" or "tanh"
    residual : ndarray, shape and dtype of ``x``, or None
        Added before the activation.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``, channels-last in memory
    saved : object
        What :func:`batch_norm_backward` takes.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A rank, shape or option does not fit, training sees fewer than two values per channel,
        evaluation lacks running statistics, or running statistics that training updates are
        read-only or, on a CUDA device, strided.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, algorithms 1 and 2.
    """
    return _core.batch_norm(
        x,
        running_mean,
        running_var,
        weight,
        bias,
        training,
        momentum,
        eps,
        activation,
        residual,
    )


def batch_norm_backward(dy: np.ndarray, saved: object) -> tuple[np.ndarray | None, ...]:
    """Gradients of :func:`batch_norm`.

    With dz = dy * act'(y), xhat the normalised input, and sums over all values of a channel:
    dbias = sum(dz), dweight = sum(dz * xhat), dresidual = dz, and in training
    dx = weight / sqrt(var + eps) * (dz - dbias / n - xhat * dweight / n). In evaluation the
    statistics are constants: dx = weight / sqrt(var + eps) * dz.

    Parameters
    ----------
    dy : ndarray, shape and dtype of the output
        Gradient of the loss with respect to the output.
    saved : object
        From the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``, channels-last in memory
    dweight, dbias : ndarray (C,), or None where the forward pass had None
    dresidual : ndarray, shape of ``x``
        Only if the forward pass had a residual. Without an activation, ``dy`` itself.

    Raises
    ------
    TypeError
        ``saved`` is not what the forward pass returned, or the dtypes differ.
    ValueError
        The shape of ``dy`` does not fit.
    """
    return _core.batch_norm_backward(dy, saved)
