"""The probes of the machine's limits: each must have done what it is timed for."""

import numpy as np
import pytest

from fastnn import _core, _limits


def arrays(n: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    x, y = rng.standard_normal((2, n)).astype(dtype)
    return _core.relu(np.full(n, -1, dtype)), x, y


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 63, 64, 65, 1000, 70001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_traffic_is_what_it_says(isa, threads, dtype, n):
    dst, x, y = arrays(n, dtype)
    word, most = (np.uint32, 2**32) if dtype == "float32" else (np.uint64, 2**64)
    _, bits = _core.memory_seconds("read", dst, x, y, False, 2)
    assert bits == sum(map(int, x.view(word))) % most and not dst.any()
    for streaming in (False, True):
        _core.memory_seconds("write", dst, x, y, streaming, 3)
        assert (dst == 3).all()
        _core.memory_seconds("copy", dst, x, y, streaming, 2)
        np.testing.assert_array_equal(dst, x)
        _core.memory_seconds("triad", dst, x, y, streaming, 2)
        # one rounding or two: 2 y is exact
        np.testing.assert_array_equal(dst, x + 2 * y)


@pytest.mark.parametrize("float64", [False, True])
def test_multiply_adds_count_themselves(isa, threads, float64):
    assert _core.fma_rate(1, float64) > 0
    assert _core.fma_rate(16, float64) > 0
    with pytest.raises(ValueError, match="fma_rate: rounds must be at most 16384, got 16385"):
        _core.fma_rate(1 << 14 | 1, float64)


def test_arena_refuses_a_probe_that_moved_nothing(monkeypatch):
    arena = _limits.Arena(1 << 16)
    for traffic in _limits.ARRAYS:
        assert arena.rate(traffic, 1 << 14) > 0
    monkeypatch.setattr(_core, "memory_seconds", lambda *args: (1e-3, 0))
    for traffic in _limits.ARRAYS:
        with pytest.raises(RuntimeError, match=f"{traffic} bandwidth"):
            arena.rate(traffic, 1 << 14)


def test_wrong_arguments_are_named():
    dst, x, y = arrays(64, "float32")
    for given, match in (
        (("swap", dst, x, y, False, 1), 'traffic must be "read".*got'),
        (("copy", dst[1:], x, y, False, 1), r"dst must be .*\(64,\), got"),
        (("copy", dst, x, x[::-1], False, 1), "y must be contiguous"),
        (("copy", x, x, y, False, 1), "dst"),
        (("copy", dst, x, y, False, 0), "passes must be"),
        (("copy", dst[1:33], x[:32], y[:32], True, 1), "dst must be aligned to 64 bytes"),
    ):
        with pytest.raises(ValueError, match=f"memory_seconds: .*{match}"):
            _core.memory_seconds(*given)
