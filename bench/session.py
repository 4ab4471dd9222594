"""What every command of the runner does around its measurements."""

import argparse
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import fastnn

from . import machine, peers, record
from .noise import Noise, verdicts
from .table import terminal_width

DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that the measuring commands share."""
    parser.add_argument("--threads", type=positive, help="threads for fastnn and its peers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result here, too")


def positive(text: str) -> int:
    """A positive integer, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def seconds(text: str) -> float:
    """A positive number of seconds, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


def use_threads(threads: int | None) -> None:
    """Give fastnn and every peer the same number of threads."""
    if threads:
        fastnn.set_num_threads(threads)
    threads = fastnn.get_num_threads()
    if peers.torch() is not None:
        peers.torch().set_num_threads(threads)
    try:
        import threadpoolctl
    except ImportError:
        note = "threadpoolctl is not installed: NumPy's OpenBLAS keeps its own number of threads"
        print(note, file=sys.stderr)
    else:
        threadpoolctl.threadpool_limits(threads, "blas")


@contextmanager
def session(args: argparse.Namespace, full_limits: bool = True) -> Iterator[record.Result]:
    """A result to fill: limits are measured before and after, and the file is written at the end.

    Also written when the run breaks off: what was measured is kept.
    """
    start = time.perf_counter()
    use_threads(args.threads)
    noise = Noise()
    limits = {**noise.limits, **machine.limits()} if full_limits else noise.limits
    result = record.begin(limits, args.arguments)
    print(heading(result))
    try:
        yield result
    finally:
        result.machine["noise"] = noise.measure()
        result.seconds = time.perf_counter() - start
        if args.json is not None:
            result.write(args.json)
            print(f"written: {args.json}")
        for reason in verdicts(result.machine["noise"]):
            print(textwrap.fill(f"TOO NOISY TO JUDGE: {reason}", terminal_width()))


def heading(result: record.Result) -> str:
    """The machine in two or three lines."""
    m = result.machine
    limits = m["limits"]
    state = f", commit {m['commit'][:7]}" + " with changes" * m["dirty"] if m["commit"] else ""
    parts = [
        f"{m['cpu']}, {m['isa']}, {m['threads']} of {m['cores']} threads",
        f"{limits['fma_peak'] / 1e9:.0f} GFLOP/s, copy {limits['copy'] / 1e9:.1f} GB/s",
        f"fastnn {m['fastnn']} ({m['compiler']}{state})",
        f"NumPy {m['numpy']}",
        f"PyTorch {m['torch'] or 'not installed'}",
    ]
    lines, width = [""], terminal_width()
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) + 2 > width:
            lines.append("")
        lines[-1] += f"; {part}" if lines[-1] else part
    return "\n".join(lines)
