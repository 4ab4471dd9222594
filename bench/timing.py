"""Interleaved timing: contenders take turns, so that a noisy machine is equally noisy to all."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


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

    A turn repeats a short call until it lasts 0.2 ms, so that the clock does not show. The first
    two rounds warm caches, pools and just-in-time compilers and are not counted.
    """
    repeats: dict[str, int] = {}
    for name, call in contenders.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(2e-4 / max(1e-7, time.perf_counter() - start)))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + budget
    rounds = 0
    while rounds < least + 2 or time.perf_counter() < end:
        for name, call in contenders.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.perf_counter() - start) / repeats[name])
        rounds += 1
    return {name: summary(values[2:]) for name, values in seconds.items()}


def summary(values: list[float]) -> Timing:
    """Median and median absolute deviation."""
    median = float(np.median(values))
    return Timing(median, float(np.median(np.abs(np.array(values) - median))), len(values))
