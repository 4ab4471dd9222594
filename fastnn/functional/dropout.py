"""Inverted dropout and its relatives, with masks that are pure functions of seed and offset."""

import numpy as np

from .. import _core

__all__ = [
    "alpha_dropout",
    "alpha_dropout_backward",
    "dropconnect",
    "dropconnect_backward",
    "dropout",
    "dropout2d",
    "dropout2d_backward",
    "dropout_backward",
    "stochastic_depth",
    "stochastic_depth_backward",
]


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


def dropout2d(
    x: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Drop whole channels with probability ``p`` and scale the rest by 1 / (1 - p).

    Channel c of image n is element n * C + c of the stream of random words.


    Parameters
    ----------
    x : ndarray (N, C, ...), rank 3 or more, float32 or float64
    p : float in [0, 1]
        Probability of dropping; 0 is the identity, 1 gives zeros.
    training : bool
        If false, the identity, as with ``p`` = 0: ``x`` itself may be returned.
    seed, offset : int in [0, 2^64)
        Of the random words, as in :func:`dropout`.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``p``, ``seed`` or ``offset`` is out of range, or the rank does not fit.

    References
    ----------
    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.
    """
    return _core.dropout2d(x, p, training, seed, offset)


def dropout2d_backward(
    dy: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Gradient of :func:`dropout2d`: the same mask and scale, applied to ``dy``.

    Parameters
    ----------
    dy : ndarray, float32 or float64
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
        ``p``, ``seed`` or ``offset`` is out of range, or the rank does not fit.
    """
    return _core.dropout2d_backward(dy, p, training, seed, offset)


def alpha_dropout(
    x: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Dropout that keeps mean and variance of what SELU gives.

    Dropped values become L = -1.0507 * 1.6733, the limit of SELU, instead of 0, and then
    y = a * x + b with q = 1 - p, a = 1 / sqrt(q + L^2 * q * p), b = -a * p * L.


    Parameters
    ----------
    x : ndarray any shape, float32 or float64
    p : float in [0, 1]
        Probability of dropping; 0 is the identity, 1 gives zeros.
    training : bool
        If false, the identity, as with ``p`` = 0: ``x`` itself may be returned.
    seed, offset : int in [0, 2^64)
        Of the random words, as in :func:`dropout`.

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
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017,
    section "New dropout technique".
    """
    return _core.alpha_dropout(x, p, training, seed, offset)


def alpha_dropout_backward(
    dy: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Gradient of :func:`alpha_dropout`: a * dy, 0 where dropped.

    Parameters
    ----------
    dy : ndarray, float32 or float64
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
    return _core.alpha_dropout_backward(dy, p, training, seed, offset)


def stochastic_depth(
    x: np.ndarray,
    p: float,
    mode: str = "row",
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Drop whole samples, or the batch, with probability ``p`` and scale the rest by 1 / (1 - p).

    For the branch of a residual block: what is dropped leaves the shortcut alone. Sample n is
    element n of the stream of random words, the batch is element 0.


    Parameters
    ----------
    x : ndarray (N, ...), rank 1 or more, float32 or float64
    p : float in [0, 1]
        Probability of dropping; 0 is the identity, 1 gives zeros.
    mode : "row" or "batch"
        Whether every sample is drawn for, or the batch as one.
    training : bool
        If false, the identity, as with ``p`` = 0: ``x`` itself may be returned.
    seed, offset : int in [0, 2^64)
        Of the random words, as in :func:`dropout`.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``p``, ``mode``, ``seed`` or ``offset`` is out of range, or the rank does not fit.

    References
    ----------
    Huang, Sun, Liu, Sedra and Weinberger, "Deep networks with stochastic depth", ECCV 2016,
    equation 2; scaled in training.
    """
    return _core.stochastic_depth(x, p, mode, training, seed, offset)


def stochastic_depth_backward(
    dy: np.ndarray,
    p: float,
    mode: str = "row",
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Gradient of :func:`stochastic_depth`: the same mask and scale, applied to ``dy``.

    Parameters
    ----------
    dy : ndarray, float32 or float64
        Gradient of the loss with respect to the output.
    p, mode, training, seed, offset : as in the forward pass
        The mask is made again from them.

    Returns
    -------
    dx : ndarray, shape and dtype of ``dy``

    Raises
    ------
    TypeError
        ``dy`` is no array of float32 or float64.
    ValueError
        ``p``, ``mode``, ``seed`` or ``offset`` is out of range, or the rank does not fit.
    """
    return _core.stochastic_depth_backward(dy, p, mode, training, seed, offset)


def dropconnect(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Affine map of the last axis with entries of the weight dropped: y = x M^T + b.

    M is ``weight`` with each entry dropped with probability ``p`` and the rest scaled by
    1 / (1 - p); entry (i, j) is element i * in + j of the stream of random words. All rows of
    x share one mask, which is made again in the backward pass and stored nowhere.

    Parameters
    ----------
    x : ndarray (..., in), rank 1 or more, float32 or float64
    weight : ndarray (out, in), dtype of ``x``
    bias : ndarray (out,), dtype of ``x``, or None
    p : float in [0, 1]
        Probability of dropping; 0 is the identity, 1 gives zeros.
    training : bool
        If false, the identity, as with ``p`` = 0.
    seed, offset : int in [0, 2^64)
        Of the random words, as in :func:`dropout`.

    Returns
    -------
    y : ndarray (..., out), dtype of ``x``

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``p``, ``seed`` or ``offset`` is out of range, or the shapes do not fit each other.

    References
    ----------
    Wan, Zeiler, Zhang, LeCun and Fergus, "Regularization of neural networks using DropConnect",
    ICML 2013, equation 4; one mask a batch, scaled in training.
    """
    return _core.dropconnect(x, weight, bias, p, training, seed, offset)


def dropconnect_backward(
    dy: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
    needs: tuple[str, ...] = ("x", "weight", "bias"),
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Gradients of :func:`dropconnect`: dx = dy M, dweight = mask(dy^T x), dbias = sum of dy.

    Parameters
    ----------
    dy : ndarray (..., out), dtype of ``x``
        Gradient of the loss with respect to the output.
    x, weight : as in the forward pass
    p, training, seed, offset : as in the forward pass
        The mask is made again from them.
    needs : tuple of "x", "weight" and "bias"
        Which gradients to compute.

    Returns
    -------
    dx, dweight, dbias : ndarray, or None for what is not needed

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``p``, ``seed`` or ``offset`` is out of range, or the shapes do not fit each other.
    """
    return _core.dropconnect_backward(dy, x, weight, p, training, seed, offset, needs)
