"""The machine's limits, measured in the same run as what is held against them."""

import numpy as np

import fastnn
import fastnn.functional as F
from fastnn import _core


def fma_peak() -> float:
    """Return FLOP/s of float32 multiply-adds on all threads."""
    return max(_core.fma_rate(200_000) for _ in range(5))


def copy_bandwidth(nbytes: int = 1 << 26) -> float:
    """Return bytes/s (read plus written) of a threaded copy with the better kind of store."""
    src = np.ones(nbytes // 4, np.float32)
    dst = F.relu(src)  # aligned memory of the pool
    seconds = {s: [_core.copy_seconds(src, dst, s) for _ in range(15)] for s in (False, True)}
    return 2 * nbytes / min(float(np.median(v[3:])) for v in seconds.values())


def region_latency() -> float:
    """Return seconds of a warm parallel region in which two threads meet."""
    return min(_core.parallel_region_seconds(2, 20_000) for _ in range(5))


def report() -> None:
    """Print the limits."""
    fastnn.show_config()
    print(f"FMA peak            {fma_peak() / 1e9:8.1f} GFLOP/s (float32, {fastnn.get_isa()})")
    for size in (1 << 16, 1 << 20, 1 << 23, 1 << 26, 1 << 28):
        print(f"copy {size / 2**20:8.2f} MB    {copy_bandwidth(size) / 1e9:8.1f} GB/s")
    print(f"region of 2 threads {region_latency() * 1e6:8.2f} us")
