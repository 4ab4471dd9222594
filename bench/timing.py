"""Interleaved timing: contenders take turns, so that a noisy machine is equally noisy to all."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

SETTLE = 0.005  # seconds; GNU's OpenMP workers spin for about 4 ms after their work is done
WARM = 0.002
TURN = 0.004


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median and the median absolute deviation of `rounds` turns."""

    median: float
    deviation: float
    rounds: int


def interleave(
    contenders: Mapping[str, Callable[[], object]], budget: float = 1.0, least: int = 7
) -> dict[str, Timing]:
    """Time the contenders in turns, A B C A B C, for about `budget` seconds.

    A turn waits until the contender before has come to rest, warms its own caches and threads, and
    then times calls for at least 4 ms. The wait is a busy one: a core that sleeps comes back slow.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + budget
    rounds = 0
    while rounds < least or time.perf_counter() < end:
        for name, call in contenders.items():
            wait(SETTLE)
            repeat(call, WARM)
            seconds[name].append(repeat(call, TURN))
        rounds += 1
    return {name: summary(values) for name, values in seconds.items()}


def wait(seconds: float) -> None:
    """Keep this core busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def repeat(call: Callable[[], object], least: float) -> float:
    """Mean seconds of a call, over at least `least` seconds of calls."""
    start = now = time.perf_counter()
    calls = 0
    while now - start < least:
        call()
        calls += 1
        now = time.perf_counter()
    return (now - start) / calls


def summary(values: list[float]) -> Timing:
    """Median and median absolute deviation."""
    median = float(np.median(values))
    return Timing(median, float(np.median(np.abs(np.array(values) - median))), len(values))
