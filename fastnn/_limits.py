"""The limits of this machine, measured by the kernels' own means.

Every probe is checked for what it did before its time counts: the multiply-adds count themselves,
a read returns the sum of the bits it saw, and what was written is compared. A limit is the best of
its repeats, while timings are medians, so that a percentage of it flatters nobody.
"""

import math
import time
from typing import Literal

import numpy as np

from fastnn import _core

Traffic = Literal["read", "write", "copy", "triad"]

ARRAYS: dict[Traffic, int] = {"read": 1, "write": 1, "copy": 2, "triad": 3}
"""Arrays that a kind of traffic touches: x; y; y = x; z = x + 2 y."""

REPEATS = 7
SECONDS = 1.5e-3
"""Least time of a repeat: a thousand times what a parallel region takes."""
ROUNDS = 512
"""Of 12 * 1024 multiply-adds on vectors: one to three milliseconds."""


def settle_threads(seconds: float = 0.2) -> None:
    """Work until every thread has a core.

    A new thread shares its creator's for up to 0.1 s, and the workers of OpenMP and OpenBLAS hold
    theirs for as long after their last work.
    """
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        _core.fma_rate(64, False)


def fma_peak(dtype: np.typing.DTypeLike = np.float32, *, settle: bool = True) -> float:
    """Return FLOP/s of multiply-adds with the ISA and the threads in use."""
    if settle:
        settle_threads()
    return max(_core.fma_rate(ROUNDS, np.dtype(dtype) == np.float64) for _ in range(REPEATS))


class Arena:
    """Arrays of float32 in the pool's memory, with which every output of an op shares its pages.

    Parameters
    ----------
    nbytes : int
        The largest working set that :meth:`rate` will be asked for.
    """

    def __init__(self, nbytes: int) -> None:
        n = max(nbytes // 4, 1)
        self.x = _core.relu(np.resize(np.arange(8191, dtype=np.float32), n))
        self.y = _core.relu(np.resize(np.arange(127, dtype=np.float32), n // 3 + 1))
        self.dst = _core.relu(self.x)

    def rate(self, traffic: Traffic, nbytes: int, *, streaming: bool = False) -> float:
        """Return bytes/s, read and written, of passes over a working set of ``nbytes``.

        The set is cut into one slice a thread that stays with its thread. Writes go past the
        caches if ``streaming``; a line that is read because it is written does not count.

        Raises
        ------
        RuntimeError
            The probe did not do what it was timed for.
        """
        n = max(nbytes // (4 * ARRAYS[traffic]), 1)
        x, dst, y = self.x[:n], self.dst[:n], self.y[:n]
        if ARRAYS[traffic] < 3:
            y = x
        dst.fill(-1)

        def probe(passes: int) -> tuple[float, int]:
            return _core.memory_seconds(traffic, dst, x, y, streaming, passes)

        probe(1)
        passes = math.ceil(SECONDS / probe(3)[0])
        found = [probe(passes) for _ in range(REPEATS)]
        if not self._done(traffic, dst, x, y, passes, {bits for _, bits in found}):
            raise RuntimeError(f"the probe of {traffic} bandwidth did not do its work")
        return 4 * n * ARRAYS[traffic] / min(seconds for seconds, _ in found)

    def _done(
        self,
        traffic: Traffic,
        dst: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        passes: int,
        bits: set[int],
    ) -> bool:
        match traffic:
            case "read":
                return bits == {int(x.view(np.uint32).sum(dtype=np.uint64)) % 2**32}
            case "write":
                return bool((dst == passes).all())
            case "copy":
                return np.array_equal(dst, x)
            case "triad":
                return np.array_equal(dst, x + 2 * y)


def copy_bandwidth(nbytes: int = 1 << 26) -> float:
    """Return bytes/s (read plus written) of copying ``nbytes`` with the better kind of store."""
    arena = Arena(2 * nbytes)
    settle_threads()
    return max(arena.rate("copy", 2 * nbytes, streaming=s) for s in (False, True))
