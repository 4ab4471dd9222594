"""Inverted dropout with a mask that is a pure function of seed and offset."""

import numpy as np

from .. import _core

__all__ = ["dropout", "dropout_backward"]


def dropout(
    x: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """Drop each value with probability ``p`` and scale the rest by 1 / (1 - p).

    Element i, numbered in channels-last order (N, spatial axes, C), is dropped when its random
    32-bit word is below floor(p * 2^32). The word is word (offset + i) mod 4 of the
    Philox4x32-10 block with key ``seed`` and 128-bit counter (offset + i) div 4. Hence the mask
    is the same for any memory layout, number of threads and instruction set.

    Parameters
    ----------
    x : ndarray, any shape, float32 or float64
    p : float in [0, 1]
        Probability of dropping; 0 is the identity, 1 gives zeros.
    training : bool
        If false, the identity, as with ``p`` = 0: ``x`` itself may be returned.
    seed, offset : int in [0, 2^64)
        Advance ``offset`` by the size of ``x`` from call to call for fresh masks.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``p``, ``seed`` or ``offset`` is out of range.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR
    15, 2014, section 10 (scaling in training); Salmon et al., "Parallel random numbers: as easy
    as 1, 2, 3", SC 2011, section 4.3 (Philox).
    """
    return _core.dropout(x, p, training, seed, offset)


def dropout_backward(
    dy: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """Gradient of :func:`dropout`: the same mask and scale, applied to ``dy``.

    Parameters
    ----------
    dy : ndarray, any shape, float32 or float64
        Gradient of the loss with respect to the output.
    p, training, seed, offset : as in the forward pass
        The mask is made again from them.

    Returns
    -------
    dx : ndarray, shape and dtype of ``dy``

    Raises
    ------
    TypeError
        ``dy`` is no array of float32 or float64.
    ValueError
        ``p``, ``seed`` or ``offset`` is out of range.
    """
    return _core.dropout_backward(dy, p, training, seed, offset)
