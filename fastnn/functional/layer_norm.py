"""Layer normalisation, with optional fused residual and activation."""

import numpy as np

from .. import _core

__all__ = ["layer_norm", "layer_norm_backward"]


def layer_norm(
    x: np.ndarray,
    normalized_shape: int | tuple[int, ...],
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, object]:
    """Normalise over the last axes, those of ``normalized_shape``, for every index before them.

    y = act(weight * (x - mean) / sqrt(var + eps) + bias + residual); var divides by the number
    of values. Statistics are taken in one pass over shifted values, so that a large mean costs
    no digits; where all values are equal the result is ``bias``.

    Parameters
    ----------
    x : ndarray (..., *normalized_shape), rank 1 or more, float32 or float64
    normalized_shape : int or tuple of int
    weight, bias : ndarray (*normalized_shape), dtype of ``x``, or None for 1 and 0
    eps : float >= 0
    activation : None, "relu", "leaky_relu" (slope 0.01), "elu" (alpha 1), "sigmoid" or "tanh"
    residual : ndarray, shape and dtype of ``x``, or None
        Added before the activation.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``, C order in memory
    saved : object
        What :func:`layer_norm_backward` takes.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        ``normalized_shape`` is not the end of the shape of ``x``, or another argument does not fit.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450, 2016, equation 4.
    """
    return _core.layer_norm(x, normalized_shape, weight, bias, eps, activation, residual)


def layer_norm_backward(dy: np.ndarray, saved: object) -> tuple[np.ndarray | None, ...]:
    """Gradients of :func:`layer_norm`.

    With dz = dy * act'(y), xhat the normalised input, g = dz * weight and means over the
    normalised axes: dx = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(var + eps), and with sums
    over all other axes dweight = sum(dz * xhat), dbias = sum(dz), dresidual = dz.

    Parameters
    ----------
    dy : ndarray, shape and dtype of the output
        Gradient of the loss with respect to the output.
    saved : object
        From the forward pass.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``, C order in memory
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
    return _core.layer_norm_backward(dy, saved)
