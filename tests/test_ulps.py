"""Transcendental functions over the bit patterns of float32, against float64, on every ISA."""

from functools import cache

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import reference

STEP = 16381  # a prime: every exponent, 512 mantissas of each


@cache
def patterns() -> np.ndarray:
    """About 262000 floats of both signs, denormals, infinities and NaNs among them."""
    words = np.arange(0, 1 << 32, STEP, dtype=np.uint64).astype(np.uint32)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45], np.float32)
    return np.concatenate([words.view(np.float32), special])


@cache
def truth(name: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        x = patterns().astype(np.float64)
        if name == "exp":
            return np.exp(np.minimum(x, 0))
        return np.asarray(getattr(reference, name)(x))


def ours(name: str, x: np.ndarray) -> np.ndarray:
    if name == "exp":  # the derivative of elu below 0; 1 above
        return F.elu_backward(np.ones_like(x), x)
    return np.asarray(getattr(F, name)(x))


@pytest.mark.parametrize(
    "name, ulps",
    [
        ("exp", 2),
        ("tanh", 3),
        ("elu", 2),
        ("sigmoid", 4),
        ("selu", 4),
        ("silu", 4),
        ("gelu", 4),
        ("softplus", 4),
    ],
)
def test_ulps(name: str, ulps: float, isa: str) -> None:
    x, expected = patterns(), truth(name)
    got = ours(name, x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    with np.errstate(over="ignore"):
        rounded = expected.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(got[~finite], rounded[~finite])
    unit = np.spacing(np.abs(rounded[finite])).astype(np.float64)
    error = np.abs(got[finite].astype(np.float64) - expected[finite]) / unit
    worst = int(error.argmax())
    assert error[worst] <= ulps, f"{error[worst]:.2f} ULP at {x[finite][worst]!r}"


@pytest.mark.parametrize("name", ["tanh", "selu", "silu", "gelu", "hardswish"])
def test_minus_zero(name: str, isa: str) -> None:
    y = ours(name, np.full(67, -0.0, np.float32))
    assert (y == 0).all() and np.signbit(y).all()
