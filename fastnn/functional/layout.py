"""Memory layout: channels-last, and back to rows in channels-first order."""

import numpy as np

from .. import _core

__all__ = ["channels_last", "flatten", "flatten_backward", "is_channels_last"]


def channels_last(x: np.ndarray) -> np.ndarray:
    """Return ``x`` with its values channels-last in memory: axes (N, spatial, C) are contiguous.

    Parameters
    ----------
    x : ndarray (N, C, ...), any rank, float32 or float64
        Below rank 3, channels-last means C-contiguous.

    Returns
    -------
    y : ndarray, shape and dtype of ``x``
        ``x`` itself if it is channels-last already, else a copy.

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    """
    return _core.channels_last(x)


def is_channels_last(x: np.ndarray) -> bool:
    """Tell whether ``x`` is channels-last in memory: axes (N, spatial, C) are contiguous.

    Parameters
    ----------
    x : ndarray (N, C, ...), any rank, float32 or float64
        Strides of axes of length 1 do not matter; below rank 3 it means C-contiguous.

    Returns
    -------
    bool

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    """
    return _core.is_channels_last(x)


def flatten(x: np.ndarray) -> np.ndarray:
    """Reshape (N, C, ...) to (N, C * ...), in the logical order: channels first, as in PyTorch.

    Parameters
    ----------
    x : ndarray (N, ...), rank 1 or more, float32 or float64

    Returns
    -------
    y : ndarray (N, features), dtype of ``x``
        A view of ``x`` if that is C-contiguous (channels-last images of one pixel are), else a
        reordered copy.

    Raises
    ------
    TypeError
        ``x`` is no array of float32 or float64.
    ValueError
        ``x`` has no axis.
    """
    return _core.flatten(x)


def flatten_backward(dy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """Gradient of :func:`flatten`.

    Parameters
    ----------
    dy : ndarray (N, features), float32 or float64
    x_shape : tuple of int
        Shape of the forward's input.

    Returns
    -------
    dx : ndarray of shape ``x_shape``, dtype of ``dy``, channels-last in memory

    Raises
    ------
    TypeError
        ``dy`` is no array of float32 or float64, or ``x_shape`` no tuple.
    ValueError
        The shape of ``dy`` does not fit ``x_shape``.
    """
    return _core.flatten_backward(dy, x_shape)
