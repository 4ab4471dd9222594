"""Sum of two arrays, as a residual connection needs it."""

import numpy as np

from .. import _core

__all__ = ["add"]


def add(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """y = x + other, element by element. Its gradient is ``dy`` itself, for both.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    other : ndarray, shape and dtype of ``x``

    Returns
    -------
    y : ndarray, shape and dtype of ``x``
        C-contiguous if ``x`` is, else channels-last in memory.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        The shapes differ: there is no broadcasting.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016, equation 1.
    """
    return _core.add(x, other)
