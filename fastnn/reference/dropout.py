"""Dropout. Formulas and sources: ``fastnn.functional.dropout``."""

import math

import numpy as np

from .linear import linear, linear_backward
from .philox import philox_words

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

SELU_LIMIT = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


def drops(shape: tuple[int, ...], p: float, seed: int, offset: int) -> np.ndarray:
    """Which elements of an array of this shape are dropped; numbered (N, spatial axes, C)."""
    words = philox_words(seed, offset, math.prod(shape))
    if len(shape) >= 3:
        n, c, *spatial = shape
        words = np.moveaxis(words.reshape(n, *spatial, c), -1, 1)
    return words.reshape(shape) < math.floor(p * 2**32)


def drop(x: np.ndarray, dropped: np.ndarray, p: float) -> np.ndarray:
    """0 where dropped, else x / (1 - p)."""
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    return np.where(dropped, 0, x * scale).astype(x.dtype)


def dropout(
    x: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """y = 0 where the element's random word < floor(p 2^32), else x / (1 - p); any shape."""
    return drop(x, drops(x.shape, p, seed, offset), p) if training and p > 0 else x.copy()


def dropout_backward(
    dy: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """dx: the same mask and scale, applied to dy."""
    return dropout(dy, p, training, seed=seed, offset=offset)


def dropout2d(
    x: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """Dropout of whole channels: x (N, C, ...), element n C + c is channel c of image n."""
    if not training or p == 0:
        return x.copy()
    dropped = drops(x.shape[:2], p, seed, offset)
    return drop(x, dropped.reshape(*x.shape[:2], *[1] * (x.ndim - 2)), p)


def dropout2d_backward(
    dy: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """dx: the same mask and scale, applied to dy."""
    return dropout2d(dy, p, training, seed=seed, offset=offset)


def stochastic_depth(
    x: np.ndarray,
    p: float,
    mode: str = "row",
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """Dropout of whole samples (mode "row": element n) or of the batch (one element)."""
    if not training or p == 0:
        return x.copy()
    dropped = drops((len(x) if mode == "row" else 1,), p, seed, offset)
    return drop(x, dropped.reshape(-1, *[1] * (x.ndim - 1)), p)


def stochastic_depth_backward(
    dy: np.ndarray,
    p: float,
    mode: str = "row",
    training: bool = True,
    *,
    seed: int,
    offset: int = 0,
) -> np.ndarray:
    """dx: the same mask and scale, applied to dy."""
    return stochastic_depth(dy, p, mode, training, seed=seed, offset=offset)


def alpha_scale(p: float) -> float:
    """a = (q + L^2 q p)^(-1/2), which keeps the variance; q = 1 - p."""
    return 1 / math.sqrt((1 - p) * (1 + p * SELU_LIMIT * SELU_LIMIT)) if p < 1 else 0.0


def alpha_dropout(
    x: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """y = a (x or, where dropped, L) + b, L = SELU_LIMIT, b = -a p L; Klambauer et al. 2017."""
    if not training or p == 0:
        return x.copy()
    a, kind = alpha_scale(p), x.dtype.type
    y = x * kind(a) + kind(-a * p * SELU_LIMIT)
    dropped = kind(a * (1 - p) * SELU_LIMIT)
    return np.where(p == 1, kind(0), np.where(drops(x.shape, p, seed, offset), dropped, y))


def alpha_dropout_backward(
    dy: np.ndarray, p: float = 0.5, training: bool = True, *, seed: int, offset: int = 0
) -> np.ndarray:
    """dx = a dy, 0 where dropped."""
    if not training or p == 0:
        return dy.copy()
    return np.where(drops(dy.shape, p, seed, offset), 0, dy * dy.dtype.type(alpha_scale(p)))


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
    """y = x M^T + b, M = dropout(W); x (..., in), W (out, in), b (out,), y (..., out)."""
    return linear(x, dropout(weight, p, training, seed=seed, offset=offset), bias)


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
    """dx = dy M, dW = dropout(dy^T x) with the mask of the forward pass, db = sum dy."""
    masked = dropout(weight, p, training, seed=seed, offset=offset)
    dx, dw, db = linear_backward(dy, x, masked, needs=needs)
    if dw is not None:
        dw = dropout_backward(dw, p, training, seed=seed, offset=offset)
    return dx, dw, db
