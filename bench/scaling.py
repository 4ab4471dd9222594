"""Cost against size and against threads: does it grow as its work grows, where are the cliffs.

The first case of each op in its spec, with a batch that grows by factors of four. A cliff is a
size at which a unit of work costs 1.5 times what it cost at a quarter of it, and more than at any
smaller size: work being the time that the machine's limits allow for its FLOPs and bytes.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import fastnn
from fastnn.specs import SPECS, Arrays, Case, Options, Spec
from fastnn.specs._spec import each

from . import record, suites
from . import session as common
from .budget import PerRow, Until
from .contenders import OURS, enter
from .progress import Progress
from .session import DTYPES, session
from .suites import SPECS_OWN
from .table import Column, Table, ratio, seconds, size
from .timing import interleave
from .verify import follows, length

CLIFF = 1.5
SMALLEST, LARGEST = 1 << 14, 1 << 28  # bytes of a call
MOST_WORK = 2e10  # FLOPs of a call
FACTOR = 4
SIZED = ", batch of "

COLUMNS = (
    Column("op", 21, left=True, least=14),
    Column("case", 24, left=True, least=10),
    Column("", 8, left=True),
    Column("threads", 7),
    Column("bytes", 8),
    Column("time", 7),
    Column("+-", 4, keep=2),
    Column("GFLOP/s", 7, keep=1),
    Column("GB/s", 5),
    Column("", 20, left=True, least=14),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="op", help="default: all")
    parser.add_argument("--budget", type=common.seconds, default=0.2, help="seconds a point")
    common.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    work = suites.select([SPECS_OWN], args.names)
    first = {item.op: item.case for _, item in reversed(work)}
    with session(args, full_limits=False) as result:
        cases = {op: first[op] for op in SPECS if op in first}
        measure(result, cases, PerRow(args.budget))
    return 1 if result.failures else 0


def measure(result: record.Result, cases: dict[str, Case], budget: PerRow | Until) -> None:
    """Time each op at all sizes, and at its own size on 1 to N threads."""
    table, limits = Table(COLUMNS), result.machine["limits"]
    with Progress(len(cases)) as progress:
        progress.say(table.header())
        for i, (op, case) in enumerate(cases.items()):
            if not budget.begin(len(cases) - i):
                progress.say(f"OUT OF TIME: {len(cases) - i} ops were not measured")
                break
            progress.doing(op)
            try:
                found = list(points(SPECS[op], case, budget))
            except Exception as error:  # whatever an op does wrong is reported, never timed
                message = f"{type(error).__name__}: {error}"
                result.failures.append({"op": op, "case": case.label, "message": message})
                progress.say(f"WRONG, not timed: {op}, {case.label}: {message}")
                continue
            for point, remark in remarks(found, limits):
                result.scaling.append(point)
                progress.say(table.line(cells(point, remark)))
            progress.done()


def grown(spec: Spec, case: Case) -> Iterator[Case]:
    """The case with batches of 1, 4, 16, ... samples, within the bounds on bytes and FLOPs."""
    dtype = DTYPES["float32"]
    arrays, options = case.arguments(spec.name, dtype)
    outputs, _ = spec.forward(fastnn.functional, {**arrays}, options)
    cost = spec.cost(arrays, options, outputs)
    batch = length(arrays)
    if any(isinstance(value, list) for value in arrays.values()):
        batch = 1 << 20  # arrays in a list grow each by itself
    n = 1
    while n <= batch * LARGEST / cost.bytes and n * cost.flops <= batch * MOST_WORK:
        if n * cost.bytes >= batch * SMALLEST:
            yield resized(case, spec.name, n, batch)
        n *= FACTOR


def resized(case: Case, op: str, samples: int, batch: int) -> Case:
    """The case with another batch, made of repeats of its own."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        arrays, options = case.make(rng, dtype)

        def fit(v: np.ndarray) -> np.ndarray:
            rows = max(1, len(v) * samples // batch)
            return np.resize(v, (rows, *v.shape[1:]))

        return {
            name: each(fit, value)
            if isinstance(value, list) or follows(name, value, batch)
            else value
            for name, value in arrays.items()
        }, options

    return Case(f"{case.label}{SIZED}{samples}", make)


def points(spec: Spec, case: Case, budget: PerRow | Until) -> Iterator[record.Point]:
    """All sizes on all threads, then the case itself on 1, 2, 4, ... and all threads."""
    most = fastnn.get_num_threads()
    counts = sorted({1 << i for i in range(most.bit_length())} | {most})
    work = [*((sized, most) for sized in grown(spec, case)), *((case, n) for n in counts)]
    for i, (sized, threads) in enumerate(work):
        with fastnn.threads(threads):
            entry = enter(spec, sized, DTYPES["float32"], effort=0.2, kinds=())
            share = budget.row(len(work) - i) / len(entry.calls)
            for direction, contenders in entry.calls.items():
                timing = interleave(contenders, share).timings[OURS]
                yield record.Point(
                    op=spec.name,
                    case=sized.label,
                    direction=direction,
                    threads=threads,
                    bytes=float(entry.cost[direction].bytes),
                    flops=float(entry.cost[direction].flops),
                    median=timing.median,
                    deviation=timing.deviation,
                )


def remarks(
    points: list[record.Point], limits: dict[str, Any]
) -> Iterator[tuple[record.Point, str]]:
    """Each point with what is to say about it: speed-up by threads, cliffs."""
    for direction in dict.fromkeys(point.direction for point in points):
        mine = [point for point in points if point.direction == direction]
        single: record.Point | None = None
        costs: list[float] = []
        for point in mine:
            if SIZED in point.case:
                least = max(point.flops / limits["fma_peak"], point.bytes / limits["copy"])
                costs.append(point.median / least)
                jump = costs[-1] / costs[-2] if len(costs) > 1 else 0.0
                cliff = jump > CLIFF and costs[-1] == max(costs)
                yield point, f"CLIFF {ratio(jump)} a unit" if cliff else ""
            else:
                single = single or point
                gain = single.median / point.median
                yield point, f"{ratio(gain)} of 1 thread" if point is not single else ""


def cells(point: record.Point, remark: str) -> list[str]:
    _, found, sized = point.case.partition(SIZED)
    return [
        point.op,
        f"batch of {sized}" if found else point.case,
        point.direction,
        str(point.threads),
        size(point.bytes),
        seconds(point.median),
        f"{100 * point.deviation / point.median:.0f}%",
        f"{point.flops / point.median / 1e9:.1f}",
        f"{point.bytes / point.median / 1e9:.1f}",
        remark,
    ]
