"""Constants and random weights of a given scale."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from .gains import calculate_gain, fans
from .seeds import Rng


def constant(
    shape: Sequence[int],
    value: float,
    *,
    rng: Rng | None = None,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Array filled with ``value``; ``rng`` is taken, as by all initialisers, and not used."""
    return np.full(tuple(shape), value, dtype)


def zeros(
    shape: Sequence[int], *, rng: Rng | None = None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Array of zeros, the start of a bias; for a weight, all units then learn the same."""
    return constant(shape, 0, dtype=dtype)


def ones(
    shape: Sequence[int], *, rng: Rng | None = None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Array of ones, the start of a norm's weight."""
    return constant(shape, 1, dtype=dtype)


def normal(
    shape: Sequence[int], std: float = 0.01, *, rng: Rng, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Gaussian of mean 0 and standard deviation ``std``: "small random numbers"."""
    return (np.random.default_rng(rng).standard_normal(tuple(shape)) * std).astype(dtype)


def uniform(
    shape: Sequence[int],
    a: float = 0.0,
    b: float = 1.0,
    *,
    rng: Rng,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Uniform on [a, b)."""
    return np.random.default_rng(rng).uniform(a, b, tuple(shape)).astype(dtype)


def truncated_normal(
    shape: Sequence[int],
    std: float = 1.0,
    *,
    rng: Rng,
    mean: float = 0.0,
    a: float = -2.0,
    b: float = 2.0,
    dtype: DTypeLike = np.float32,
) -> np.ndarray:
    """Gaussian whose values outside [a, b] are drawn again.

    Parameters
    ----------
    shape : sequence of int
    std, mean : float
        Of the Gaussian before it is cut.
    rng : int or numpy.random.Generator
    a, b : float
        The ends themselves, not multiples of ``std``, as in PyTorch: with ``std=0.02`` the
        defaults cut nothing; give ``a=-0.04, b=0.04`` for two standard deviations.
    dtype : float32 or float64

    Raises
    ------
    ValueError
        [a, b] holds less than 1 % of the Gaussian, or ``std`` is not above 0.
    """
    if not std > 0:
        raise ValueError(f"truncated_normal: std must be above 0, got {std}")
    low, high = (math.erf((end - mean) / (std * math.sqrt(2))) / 2 for end in (a, b))
    if not high - low > 0.01:
        raise ValueError(
            f"truncated_normal: [a, b] must hold more than 1 % of the Gaussian of mean {mean} "
            f"and std {std}, got [{a}, {b}]"
        )
    generator = np.random.default_rng(rng)
    values = mean + std * generator.standard_normal(tuple(shape))
    while (outside := (values < a) | (values > b)).any():
        values[outside] = mean + std * generator.standard_normal(int(outside.sum()))
    return values.astype(dtype)


def _kaiming_std(shape: Sequence[int], mode: str, nonlinearity: str, a: float | None) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(shape)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))  # an empty weight has fan 0


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
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def _xavier_std(shape: Sequence[int], gain: float) -> float:
    return gain * math.sqrt(2 / max(sum(fans(shape)), 1))


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
    bound = math.sqrt(3) * _xavier_std(shape, gain)
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)
