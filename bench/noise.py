"""Is the machine quiet enough to judge by?"""

import os
import time
from pathlib import Path
from typing import Any

from . import machine

FACTOR = 1.2
"""A limit that differs by more than this before and after a run: no verdict can be trusted."""

OTHERS = 0.1
"""CPUs that other processes, or other guests of the host, may keep busy during a run."""


class Noise:
    """What changed between its making and :meth:`verdicts`."""

    def __init__(self) -> None:
        self.limits = quick_limits()
        self.start = time.perf_counter()
        self.busy, self.own = busy_seconds(), own_seconds()

    def measure(self) -> dict[str, float]:
        """Factors by which the limits changed, and CPUs that others kept busy."""
        wall = time.perf_counter() - self.start
        busy, own = busy_seconds(), own_seconds()
        after = quick_limits()
        found = {name: after[name] / value for name, value in self.limits.items()}
        if busy is not None and self.busy is not None:
            found["others"] = max(0.0, busy - self.busy - (own - self.own)) / wall
        return found


def verdicts(noise: dict[str, float]) -> list[str]:
    """Why no verdict should be based on this run; empty if it was quiet."""
    found = [
        f"the limit {name} changed by the factor {noise[name]:.2f} (up to {FACTOR} is normal)"
        for name in ("fma_peak", "copy")
        if not 1 / FACTOR <= noise[name] <= FACTOR
    ]
    if noise.get("others", 0.0) > OTHERS:
        found.append(f"other processes kept {noise['others']:.2f} CPUs busy (limit {OTHERS})")
    return found


def reasons(machine: dict[str, Any]) -> list[str]:
    """The verdicts on the run that a result was made in."""
    return verdicts(machine["noise"]) if "noise" in machine else []


def quick_limits() -> dict[str, float]:
    """The two limits that all ratios are about."""
    return {"fma_peak": machine.fma_peak(), "copy": machine.copy_bandwidth()}


def busy_seconds() -> float | None:
    """CPU seconds that anything ran, or was kept from running by the host; None if unknown."""
    try:
        first = Path("/proc/stat").read_text("utf-8").splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
