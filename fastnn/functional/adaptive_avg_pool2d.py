"""Average pooling to a given output size."""

import numpy as np

from .. import _core
from ._types import Pair

__all__ = ["adaptive_avg_pool2d", "adaptive_avg_pool2d_backward"]


def adaptive_avg_pool2d(x: np.ndarray, output_size: Pair) -> np.ndarray:
    """Mean over windows that divide the image into ``output_size`` parts.

    y[n, c, p, q] is the mean of x over rows floor(p * H / P) up to ceil((p + 1) * H / P) and
    columns floor(q * W / Q) up to ceil((q + 1) * W / Q), ends excluded.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    output_size : int or (P, Q)

    Returns
    -------
    y : ndarray (N, C, P, Q), dtype of ``x``, channels-last in memory

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        The rank of ``x`` or ``output_size`` does not fit, or the image is empty.
    """
    return _core.adaptive_avg_pool2d(x, output_size)


def adaptive_avg_pool2d_backward(dy: np.ndarray, x_shape: tuple[int, int, int, int]) -> np.ndarray:
    """Gradient of :func:`adaptive_avg_pool2d`: each dy, divided by the size of its window, is
    added to all positions of the window.

    Parameters
    ----------
    dy : ndarray (N, C, P, Q), float32 or float64
        Gradient of the loss with respect to the output.
    x_shape : (N, C, H, W)
        Shape of the forward input.

    Returns
    -------
    dx : ndarray (N, C, H, W), dtype of ``dy``, channels-last in memory

    Raises
    ------
    TypeError
        ``dy`` is no array of float32 or float64.
    ValueError
        The shapes do not fit each other.
    """
    return _core.adaptive_avg_pool2d_backward(dy, x_shape)
