"""The machine's limits, measured in the same run as what is held against them."""

import argparse
import mmap
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastnn
from fastnn import _core
from fastnn._limits import ARRAYS, Arena, copy_bandwidth, fma_peak, settle_threads

__all__ = ["add_arguments", "caches", "copy_bandwidth", "fma_peak", "limits", "main"]

ASSUMED = {"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}
"""Caches of a machine that doesn't tell."""

KINDS = [(t, s) for t in ARRAYS for s in ((False,) if t == "read" else (False, True))]
PAGE, HUGE_PAGE = 4 << 10, 2 << 20


def cpu_name() -> str:
    """The processor's own name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def caches(threads: int) -> dict[str, int]:
    """Bytes of each level of data cache that so many threads have together; {} if unknown."""
    found = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level, kind, size, shared = (
                (index / name).read_text().strip()
                for name in ("level", "type", "size", "shared_cpu_list")
            )
        except OSError:
            continue
        if kind != "Instruction":
            sharers = sum(
                int(last or first) - int(first) + 1
                for first, _, last in (part.partition("-") for part in shared.split(","))
            )
            found[f"L{level}"] = (int(size.removesuffix("K")) << 10) * -(-threads // sharers)
    return dict(sorted(found.items()))


def working_sets(threads: int) -> dict[str, int]:
    """Bytes that live in each level: half of a cache, four times the last one for the memory."""
    sizes = caches(threads) or ASSUMED
    sets = {level: size // 2 for level, size in sizes.items()}
    return sets | {"DRAM": 4 * max(sizes.values())}


def thread_counts() -> list[int]:
    """1, 2, 4, ... and the number in use."""
    most = fastnn.get_num_threads()
    return sorted({1 << i for i in range(most.bit_length()) if 1 << i <= most} | {most})


def fma_rates(counts: list[int]) -> list[dict[str, Any]]:
    """FLOP/s of every ISA, precision and number of threads."""
    before, rates = fastnn.get_isa(), {}
    for n in counts:
        with fastnn.threads(n):
            settle_threads()
            try:
                for isa in fastnn.available_isas():
                    fastnn.set_isa(isa)
                    for dtype in ("float32", "float64"):
                        rates[isa, dtype, n] = fma_peak(dtype, settle=False)
            finally:
                fastnn.set_isa(before)
    return [
        {"isa": isa, "dtype": dtype, "threads": n, "rate": rates[isa, dtype, n]}
        for isa, dtype, n in sorted(rates, key=lambda k: fastnn.available_isas().index(k[0]))
    ]


def bandwidths(counts: list[int]) -> list[dict[str, Any]]:
    """Bytes/s of every kind of traffic, level and number of threads."""
    arena, rows = Arena(max(working_sets(counts[-1]).values())), []
    for n in counts:
        with fastnn.threads(n):
            settle_threads()
            for level, nbytes in working_sets(n).items():
                for traffic, streaming in KINDS:
                    rate = arena.rate(traffic, nbytes, streaming=streaming)
                    row = {"traffic": traffic, "streaming": streaming, "level": level}
                    rows.append({**row, "bytes": nbytes, "threads": n, "rate": rate})
    return rows


def sweep(most: int, least: int = 1 << 14) -> list[dict[str, Any]]:
    """Bytes/s with all threads against the size of the working set, in steps of sqrt(2)."""
    arena, rows = Arena(most), []
    for half_octave in range(2 * (most // least).bit_length() - 1):
        nbytes = int(least * 2 ** (half_octave / 2)) // 1024 * 1024
        for traffic, streaming in (("read", False), ("copy", False), ("copy", True)):
            rate = arena.rate(traffic, nbytes, streaming=streaming)
            rows.append({"traffic": traffic, "streaming": streaming, "bytes": nbytes, "rate": rate})
    return rows


def region_latency(threads: int = 2) -> float:
    """Return seconds of a warm parallel region in which so many threads meet."""
    return min(_core.parallel_region_seconds(threads, 20_000) for _ in range(5))


def page_fault(page: int) -> float | None:
    """Seconds to touch a fresh page of 4 KB or 2 MB; None where the system doesn't give such."""
    found = [seconds for _ in range(3) if (seconds := touch(page)) is not None]
    return min(found, default=None)


def touch(page: int, nbytes: int = 1 << 26) -> float | None:
    """Touch fresh memory once; the time counts if the system took the faults that it should."""
    try:
        import resource

        who = resource.RUSAGE_THREAD
        fresh = mmap.mmap(-1, nbytes + HUGE_PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        fresh.madvise(mmap.MADV_HUGEPAGE if page == HUGE_PAGE else mmap.MADV_NOHUGEPAGE)
    except (ImportError, AttributeError, OSError):
        return None
    view = np.frombuffer(fresh, np.uint8)
    view = view[-view.ctypes.data % HUGE_PAGE :][:nbytes:PAGE]
    before = resource.getrusage(who).ru_minflt
    start = time.perf_counter()
    view[:] = 1
    seconds = time.perf_counter() - start
    faults = resource.getrusage(who).ru_minflt - before
    expected = nbytes // page
    return seconds / expected if 0.9 * expected <= faults <= 1.1 * expected + 8 else None


def limits(counts: list[int] | None = None) -> dict[str, Any]:
    """Everything about this machine that a result is held against; takes a few seconds.

    Parameters
    ----------
    counts : list of int, optional
        Numbers of threads, ascending; None: 1 and the number in use.

    Returns
    -------
    dict
        ``fma_peak`` (FLOP/s, float32, ISA and threads in use), ``copy`` (bytes/s from and to
        memory, better kind of store, threads in use), ``roofs`` (level -> bytes/s, the most that
        any kind of traffic reached there), ``fma`` and ``bandwidth`` (all rows), ``caches``,
        ``region`` and ``page_fault`` (seconds).
    """
    most = fastnn.get_num_threads()
    counts = counts or sorted({1, most})
    fma, memory = fma_rates(counts), bandwidths(counts)
    here = [row for row in memory if row["threads"] == most]
    roofs: dict[str, float] = {}
    for row in here:
        roofs[row["level"]] = max(row["rate"], roofs.get(row["level"], 0.0))
    mine = {"isa": fastnn.get_isa(), "dtype": "float32", "threads": most}
    return {
        "fma_peak": max(row["rate"] for row in fma if mine.items() <= row.items()),
        "copy": max(r["rate"] for r in here if r["level"] == "DRAM" and r["traffic"] == "copy"),
        "roofs": roofs,
        "fma": fma,
        "bandwidth": memory,
        "caches": caches(most),
        "region": {str(n): region_latency(n) for n in counts if n > 1},
        "page_fault": {"4 KB": page_fault(PAGE), "2 MB": page_fault(HUGE_PAGE)},
    }


def size(nbytes: float) -> str:
    """16 KB, 1 MB, 1.5 GB."""
    for unit in ("B", "KB", "MB", "GB"):
        if nbytes < 1024 or unit == "GB":
            return f"{nbytes:.3g} {unit}"
        nbytes /= 1024
    raise AssertionError


def show(found: dict[str, Any]) -> None:
    """Print the limits as tables."""
    counts = sorted({row["threads"] for row in found["fma"]})
    heads = [f"{n} thread{'s' * (n > 1)}" for n in counts]
    print(f"{cpu_name()}, {os.cpu_count()} CPUs; caches of {heads[-1]}: ", end="")
    print(", ".join(f"{k} {size(v)}" for k, v in found["caches"].items()) or "unknown")
    print(f"\n{'multiply-adds, GFLOP/s':28}" + "".join(f"{head:>14}" for head in heads))
    for isa in fastnn.available_isas():
        for dtype in ("float32", "float64"):
            rates = [r["rate"] for r in found["fma"] if (r["isa"], r["dtype"]) == (isa, dtype)]
            print(f"  {isa:10}{dtype:16}" + "".join(f"{rate / 1e9:14.1f}" for rate in rates))
    for n, head in zip(counts, heads, strict=True):
        rows = [row for row in found["bandwidth"] if row["threads"] == n]
        levels = {row["level"]: row["bytes"] for row in rows}
        print(f"\n{'bandwidth, GB/s, ' + head:28}", end="")
        print("".join(f"{f'{level} {size(nbytes)}':>14}" for level, nbytes in levels.items()))
        for traffic, streaming in KINDS:
            kind = {"traffic": traffic, "streaming": streaming}
            rates = [row["rate"] for row in rows if kind.items() <= row.items()]
            name = traffic + ", streaming" * streaming
            print(f"  {name:26}" + "".join(f"{rate / 1e9:14.1f}" for rate in rates))
    print()
    for n, seconds in found["region"].items():
        print(f"parallel region in which {n} threads meet  {seconds * 1e6:8.2f} us")
    for page, seconds in found["page_fault"].items():
        cost = "not available" if seconds is None else f"{seconds * 1e6:8.2f} us"
        print(f"touching a fresh page of {page}           {cost}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--png", metavar="FILE", help="draw the roofline (needs matplotlib)")


def main(args: argparse.Namespace) -> None:
    """Measure and print the limits; draw them if asked."""
    found = limits(thread_counts())
    show(found)
    if args.png:
        from .roofline import draw

        draw(found, sweep(max(working_sets(fastnn.get_num_threads()).values())), args.png)
        print(f"\n{args.png}: roofline")
