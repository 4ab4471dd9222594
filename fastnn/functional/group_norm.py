"""Group and instance normalisation, with optional fused residual and activation."""

import numpy as np

from .. import _core

__all__ = ["group_norm", "group_norm_backward", "instance_norm", "instance_norm_backward"]


def group_norm(
    x: np.ndarray,
    num_groups: int,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, object]:
    """Normalise every image's groups of channels, over the channels of a group and all pixels.

    y = act(weight * (x - mean) / sqrt(var + eps) + bias + residual); var divides by the number
    of values. Channel c is in group c // (C / num_groups). Training and evaluation are alike.

    Parameters
    ----------
    x : ndarray (N, C, ...), rank 2 or more, float32 or float64
    num_groups : int
        A divisor of C.
    weight, bias : ndarray (C,), dtype of ``x``, or None for 1 and 0
    eps : float >= 0
    activation : None, "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "sigmoid" or "tanh"
    residual : ndarray, shape and dtype of ``x``, or None
        Added before the activation.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``, channels-last in memory
    saved : object
        What :func:`group_norm_backward` takes.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        ``num_groups`` does not divide the channels, or a shape or option does not fit.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018, equations 1, 2, 3 and 7.
    """
    return _core.group_norm(x, num_groups, weight, bias, eps, activation, residual)


def group_norm_backward(dy: np.ndarray, saved: object) -> tuple[np.ndarray | None, ...]:
    """Gradients of :func:`group_norm`.

    With dz = dy * act'(y), xhat the normalised input, g = dz * weight and means over the values
    of a group: dx = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(var + eps), and with sums over
    batch and pixels dweight = sum(dz * xhat), dbias = sum(dz), dresidual = dz.

    Parameters
    ----------
    dy : ndarray, shape and dtype of the output
        Gradient of the loss with respect to the output.
    saved : object
        From the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``, channels-last in memory
    dweight, dbias : ndarray, or None where the forward pass had None
    dresidual : ndarray, shape of ``x``
        Only if the forward pass had a residual. Without an activation, ``dy`` itself.

    Raises
    ------
    TypeError
        ``saved`` is not what the forward pass returned, or the dtypes differ.
    ValueError
        The shape of ``dy`` does not fit.
    """
    return _core.group_norm_backward(dy, saved)


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
) -> tuple[np.ndarray, object]:
    """Normalise every channel of every image over its pixels.

    y = act(weight * (x - mean) / sqrt(var + eps) + bias + residual). With ``use_input_stats``
    mean and var (over n values, divided by n) are those of x, and running statistics that are
    given are updated in place: running = (1 - momentum) * running + momentum * batch, batch
    being the average over the images of mean and of var * n / (n - 1). Without, the running
    statistics are what is normalised with.

    Parameters
    ----------
    x : ndarray (N, C, ...), rank 3 or more, float32 or float64
    running_mean, running_var : ndarray (C,), dtype of ``x``, or None
        Written to when ``use_input_stats``.
    weight, bias : ndarray (C,), dtype of ``x``, or None for 1 and 0
    use_input_stats : bool
    momentum : float in [0, 1]
        Weight of the new batch in the running statistics.
    eps : float >= 0
    activation : None, "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "sigmoid" or "tanh"
    residual : ndarray, shape and dtype of ``x``, or None
        Added before the activation.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``, channels-last in memory
    saved : object
        What :func:`instance_norm_backward` takes.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        A shape or option does not fit, an image has one pixel only, or running statistics are
        missing, or to be updated and read-only or, on a CUDA device, strided.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast
    stylization", arXiv:1607.08022, 2016, equation 1.
    """
    return _core.instance_norm(
        x,
        running_mean,
        running_var,
        weight,
        bias,
        use_input_stats,
        momentum,
        eps,
        activation,
        residual,
    )


def instance_norm_backward(dy: np.ndarray, saved: object) -> tuple[np.ndarray | None, ...]:
    """Gradients of :func:`instance_norm`.

    As those of :func:`group_norm` with one group a channel; without ``use_input_stats`` the
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
    dweight, dbias : ndarray, or None where the forward pass had None
    dresidual : ndarray, shape of ``x``
        Only if the forward pass had a residual. Without an activation, ``dy`` itself.

    Raises
    ------
    TypeError
        ``saved`` is not what the forward pass returned, or the dtypes differ.
    ValueError
        The shape of ``dy`` does not fit.
    """
    return _core.instance_norm_backward(dy, saved)
