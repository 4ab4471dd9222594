"""What follows from a measured row: ratios, rates and the share of the limit."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import fastnn.functional as F

from .contenders import OURS
from .record import Row, Step
from .timing import Timing

T = TypeVar("T")
NUMPY = "NumPy"


def torch_modes(contenders: Mapping[str, Timing]) -> dict[str, Timing]:
    """The contenders that are modes of PyTorch."""
    return {name: t for name, t in contenders.items() if name.startswith("torch")}


def best_torch(contenders: Mapping[str, Timing]) -> tuple[str, Timing] | None:
    """The fastest of PyTorch's modes."""
    return min(torch_modes(contenders).items(), key=lambda item: item[1].median, default=None)


def ratio(entry: Row | Step) -> float | None:
    """Time of PyTorch's best mode over ours; above 1 we are faster. None without PyTorch."""
    best = best_torch(entry.contenders)
    return None if best is None else best[1].median / entry.contenders[OURS].median


def numpy_ratio(row: Row) -> float | None:
    """NumPy's time over ours; None where NumPy did not take part."""
    theirs = row.contenders.get(NUMPY)
    return None if theirs is None else theirs.median / row.contenders[OURS].median


def percent_of_limit(row: Row, limits: Mapping[str, Any]) -> float:
    """Least time over time taken, in percent; above 100 where caches help."""
    peak = limits["fma_peak"] * (0.5 if row.dtype == "float64" else 1.0)
    least = max(row.flops / peak, row.bytes / limits["copy"])
    return 100 * least / row.contenders[OURS].median


def family(op: str) -> str:
    """The stem that an op lives under in every room of the house."""
    function = getattr(F, op, None)
    return op if function is None else str(function.__module__).rsplit(".", 1)[-1]


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def grouped(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Items by key, keys in the order of their first item."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


@dataclass(frozen=True)
class Score:
    """Rows of one kind against PyTorch's best mode."""

    name: str
    mean: float
    worst: float
    best: float
    rows: int
    losses: int


def scores(rows: Iterable[Row]) -> list[Score]:
    """A score for each op and direction that PyTorch has, the best first."""
    found = []
    for name, group in grouped(rows, lambda r: f"{r.op}, {r.direction}").items():
        ratios = [r for r in map(ratio, group) if r is not None]
        if ratios:
            losses = sum(r < 1 for r in ratios)
            mean = geometric_mean(ratios)
            found.append(Score(name, mean, min(ratios), max(ratios), len(ratios), losses))
    return sorted(found, key=lambda s: -s.mean)
