"""Maxout and its gradient."""

from typing import Any

import numpy as np

from .. import _core

__all__ = [
    "maxout",
    "maxout_backward",
]


def maxout(x: np.ndarray, pieces: int) -> tuple[np.ndarray, Any]:
    """Maximum of each ``pieces`` neighbouring channels.

    y[:, c] is the maximum of x[:, c * pieces], ..., x[:, c * pieces + pieces - 1]; NaN propagates.

    Parameters
    ----------
    x : ndarray (N, C, ...), rank 2 or more, float32 or float64
        C is a multiple of ``pieces``.
    pieces : int
        1 to 256.

    Returns
    -------
    y : ndarray (N, C / pieces, ...), dtype of ``x``
    saved : object
        What :func:`maxout_backward` takes.

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64, or ``pieces`` no integer.
    ValueError
        ``pieces`` is out of range or does not divide the number of channels.

    References
    ----------
    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout networks", ICML 2013, section 3.
    """
    return _core.maxout(x, pieces)


def maxout_backward(dy: np.ndarray, saved: Any) -> np.ndarray:
    """Gradient of :func:`maxout`: dx = dy for the input that was the maximum, else 0.

    In a tie it is the first.

    Parameters
    ----------
    dy : ndarray, shape and dtype of the output
        Gradient of the loss with respect to the output.
    saved : object
        The second result of :func:`maxout`.

    Returns
    -------
    dx : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        An argument has the wrong type or dtype.
    ValueError
        ``dy`` has another shape.
    """
    return _core.maxout_backward(dy, saved)
