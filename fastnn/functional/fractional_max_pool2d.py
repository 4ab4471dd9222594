"""Two-dimensional fractional max pooling."""

import numpy as np

from .. import _core
from ._types import Pair

__all__ = ["fractional_max_pool2d", "fractional_max_pool2d_backward"]


def fractional_max_pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    output_size: Pair | None = None,
    output_ratio: float | tuple[float, float] | None = None,
    *,
    seed: int,
    offset: int = 0,
) -> tuple[np.ndarray, object]:
    """Maximum over windows at pseudo-random distances, so that sizes shrink by any ratio.

    With alpha = (H - kh) / (P - 1), window p starts at row floor((p + u) * alpha) -
    floor(u * alpha), the last one at H - kh; columns likewise. Image n has its own u, for rows
    and for columns: random words 2 * n and 2 * n + 1 over 2^32, the word of element i being that
    of :func:`dropout`. The first maximum in row-major window order wins a tie; a NaN in the
    window makes the result NaN. At test time, average the predictions of several seeds.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32 or float64
    kernel_size : int or (kh, kw)
        Of area at most 255.
    output_size : int or (P, Q), optional
    output_ratio : float or pair of floats between 0 and 1, optional
        In place of ``output_size``: its share of (H, W), rounded down.
    seed, offset : int in [0, 2^64)
        Advance ``offset`` by 2 * N from call to call for fresh windows.

    Returns
    -------
    y : ndarray (N, C, P, Q), dtype of ``x``, channels-last in memory
    saved : object
        What :func:`fractional_max_pool2d_backward` takes.

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        The rank of ``x`` or an option does not fit, both or neither of ``output_size`` and
        ``output_ratio`` are given, or kernel size + output size - 1 exceeds the image.

    References
    ----------
    Graham, "Fractional max-pooling", arXiv:1412.6071, 2014, section 3 (pseudo-random, overlapping
    regions).
    """
    return _core.fractional_max_pool2d(x, kernel_size, output_size, output_ratio, seed, offset)


def fractional_max_pool2d_backward(dy: np.ndarray, saved: object) -> np.ndarray:
    """Gradient of :func:`fractional_max_pool2d`: each dy is added where its maximum was.

    Parameters
    ----------
    dy : ndarray (N, C, P, Q), dtype of the forward input
        Gradient of the loss with respect to the output.
    saved : object
        From the forward pass.

    Returns
    -------
    dx : ndarray (N, C, H, W), dtype of ``dy``, channels-last in memory

    Raises
    ------
    TypeError
        ``saved`` is not what the forward pass returned, or the dtypes differ.
    ValueError
        The shape of ``dy`` does not fit.
    """
    return _core.fractional_max_pool2d_backward(dy, saved)
