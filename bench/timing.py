"""Interleaved timing: contenders take turns, so that a noisy machine is equally noisy to all."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

REST = 0.25  # seconds given to the contender before to come to rest: OpenBLAS spins for 0.1
SLICE = 0.005  # more than the 4 ms after which Linux books the time of a running thread
WARM = 0.002
TURN = 0.004
LONG = 0.1  # a call of this length needs no warming: its warm-up is its turn
LEAST = 7  # turns before a median is called settled
SPREAD = 0.02  # settled: the standard error of the median, as a share of it
FAR = 4.0  # contenders this much slower than the fastest need not settle: their place is clear

Call = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median and the median absolute deviation of `rounds` turns."""

    median: float
    deviation: float
    rounds: int

    @property
    def error(self) -> float:
        """Standard error of the median as a share of it.

        1.4826 deviations are a standard deviation of normal noise; the median of n values has
        sqrt(pi / 2) = 1.2533 times the standard error of their mean.
        """
        return 1.2533 * 1.4826 * self.deviation / (self.rounds**0.5 * self.median)

    @property
    def settled(self) -> bool:
        return self.rounds >= LEAST and self.error <= SPREAD


@dataclass(frozen=True)
class Race:
    """What the contenders took, and whether more turns would have changed it."""

    timings: dict[str, Timing]

    @property
    def settled(self) -> bool:
        """All contenders that are near the fastest have settled."""
        fastest = min(t.median for t in self.timings.values())
        return all(t.settled for t in self.timings.values() if t.median < FAR * fastest)


def interleave(
    contenders: Mapping[str, Call], budget: float = 1.0, clock: Clock = time.perf_counter
) -> Race:
    """Time the contenders in turns, A B C A B C, until the medians settle or `budget` is spent.

    A turn waits until the threads of the contender before are at rest, warms its own caches and
    threads, and then times calls for at least 4 ms. The wait is a busy one: a core that sleeps
    comes back slow.
    Each contender has the same share of the budget, so that a slow one takes fewer turns.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    share = budget / len(contenders)
    waiting = list(contenders)
    while waiting:
        for name in waiting:
            start = clock()
            seconds[name].append(turn(contenders[name], clock))
            spent[name] += clock() - start
        race = Race({name: summary(values) for name, values in seconds.items()})
        if race.settled:
            break
        waiting = [name for name in waiting if spent[name] < share]
    return race


def turn(call: Call, clock: Clock) -> float:
    """Mean seconds of a call in one turn."""
    settle(clock)
    warming = repeat(call, WARM, clock)
    return warming if warming > LONG else repeat(call, TURN, clock)


def settle(clock: Clock, cpu: Clock = time.process_time) -> None:
    """Keep this core busy until it is the only one that this process keeps busy.

    GNU's OpenMP workers spin for 4 to 10 ms after their work is done, on the core that the next
    contender needs: with a fixed wait of 5 ms, work of 0.1 ms appeared to take twice its time.
    """
    begin = clock()
    while clock() - begin < REST:
        start, used = clock(), cpu()
        while clock() - start < SLICE:
            pass
        if cpu() - used < 1.2 * (clock() - start):
            break


def repeat(call: Call, least: float, clock: Clock) -> float:
    """Mean seconds of a call, over at least `least` seconds of calls."""
    start = now = clock()
    calls = 0
    while now - start < least:
        call()
        calls += 1
        now = clock()
    return (now - start) / calls


def summary(values: list[float]) -> Timing:
    """Median and median absolute deviation."""
    median = float(np.median(values))
    return Timing(median, float(np.median(np.abs(np.array(values) - median))), len(values))
