"""Weight initialisation: pure functions from a shape and a seed to an array.

``fan_in`` of a weight of shape (out, in, *kernel) is in * prod(kernel), ``fan_out`` is
out * prod(kernel). ``rng`` is an integer seed or a ``numpy.random.Generator``; there is no global
generator.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

__all__ = [
    "calculate_gain",
    "constant",
    "derive_seed",
    "fans",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Rng = int | np.random.Generator
"""An integer seed or a generator."""

_defaults = itertools.count()


def next_default_seed() -> int:
    """Seed of a layer that was given none: 0, 1, 2, ... in order of construction."""
    return derive_seed(0, next(_defaults))


def derive_seed(seed: int, index: int) -> int:
    """Seed of child ``index``, a 64-bit number; children and levels never share a stream."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in, *kernel).

    Raises
    ------
    ValueError
        ``shape`` has fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"fans: shape must have at least two axes, got {tuple(shape)}")
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor that keeps the variance of a signal through a nonlinearity.

    1 for "linear", "conv2d", "sigmoid" and "elu"; 5/3 for "tanh"; sqrt(2) for "relu";
    sqrt(2 / (1 + slope^2)) for "leaky_relu", whose slope is ``param`` (default 0.01).

    Raises
    ------
    ValueError
        The nonlinearity is not one of these.

    References
    ----------
    He et al., "Delving deep into rectifiers", ICCV 2015, equations 10 and 15; the values for
    tanh and sigmoid are PyTorch's.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope * slope))
    gains = {
        "linear": 1.0,
        "conv2d": 1.0,
        "sigmoid": 1.0,
        "elu": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
    }
    if nonlinearity not in gains:
        known = ", ".join([*gains, "leaky_relu"])
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of {known}, got {nonlinearity!r}"
        )
    return gains[nonlinearity]


def zeros(shape: Sequence[int], *, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Array of zeros, the start of a bias."""
    return np.zeros(tuple(shape), dtype)


def constant(shape: Sequence[int], value: float, *, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Array filled with ``value``."""
    return np.full(tuple(shape), value, dtype)


def normal(
    shape: Sequence[int], std: float = 0.01, *, rng: Rng, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Gaussian of mean 0 and standard deviation ``std``: "small random numbers"."""
    return (np.random.default_rng(rng).standard_normal(tuple(shape)) * std).astype(dtype)


def _uniform(shape: Sequence[int], bound: float, rng: Rng, dtype: DTypeLike) -> np.ndarray:
    return np.random.default_rng(rng).uniform(-bound, bound, tuple(shape)).astype(dtype)


def _kaiming_std(shape: Sequence[int], mode: str, nonlinearity: str, a: float | None) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(shape)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_normal(
    shape: Sequence[int],
    *,
    rng: Rng,
    mode: str = "fan_in",
    nonlinearity: str = "relu",
    a: float | None = None,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Gaussian with std = gain / sqrt(fan): the default of every weight in ``fastnn.nn``.

    Parameters
    ----------
    shape : sequence of int
        (out, in, *kernel).
    rng : int or numpy.random.Generator
    mode : "fan_in" or "fan_out"
        Keeps the variance of the forward or of the backward signal.
    nonlinearity, a : str, float
        Arguments of :func:`calculate_gain`: the activation that follows and its slope.
    dtype : float32 or float64

    Raises
    ------
    ValueError
        Unknown ``mode`` or ``nonlinearity``, or fewer than two axes.

    References
    ----------
    He et al., "Delving deep into rectifiers", ICCV 2015, equation 10.
    """
    return normal(shape, _kaiming_std(shape, mode, nonlinearity, a), rng=rng, dtype=dtype)


def kaiming_uniform(
    shape: Sequence[int],
    *,
    rng: Rng,
    mode: str = "fan_in",
    nonlinearity: str = "relu",
    a: float | None = None,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Uniform on +-gain * sqrt(3 / fan); otherwise as :func:`kaiming_normal`."""
    bound = math.sqrt(3) * _kaiming_std(shape, mode, nonlinearity, a)
    return _uniform(shape, bound, rng, dtype)


def _xavier_std(shape: Sequence[int], gain: float) -> float:
    return gain * math.sqrt(2 / sum(fans(shape)))


def xavier_normal(
    shape: Sequence[int], *, rng: Rng, gain: float = 1.0, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Gaussian with std = gain * sqrt(2 / (fan_in + fan_out)).

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 12.
    """
    return normal(shape, _xavier_std(shape, gain), rng=rng, dtype=dtype)


def xavier_uniform(
    shape: Sequence[int], *, rng: Rng, gain: float = 1.0, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Uniform on +-gain * sqrt(6 / (fan_in + fan_out)).

    References
    ----------
    Glorot and Bengio, AISTATS 2010, equation 16.
    """
    return _uniform(shape, math.sqrt(3) * _xavier_std(shape, gain), rng, dtype)
