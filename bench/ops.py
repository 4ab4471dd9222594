"""Every op from its spec, against NumPy, PyTorch and the machine's limits."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import fastnn
from fastnn.specs import SPECS, Spec

from . import jax_peer, peers, record, suites
from . import session as common
from .budget import PerRow, Until
from .contenders import OURS, PEERS, Entry, enter
from .progress import Progress
from .session import DTYPES, session
from .suites import SPECS_OWN, SUITES
from .suites.layers import Item
from .table import Column, Table, ratio, seconds
from .timing import interleave

COLUMNS = (
    Column("op", 21, left=True, least=14),
    Column("case", 34, left=True, least=10),
    Column("", 8, left=True),
    Column("time", 7),
    Column("+-", 5, keep=3),
    Column("data", 6, keep=2),
    Column("of limit", 8, keep=1),
    Column("vs PyTorch", 20, left=True, least=13),
)
OTHERS = {"NumPy": Column("vs NumPy", 8), "JAX": Column("vs JAX", 13)}

MEANS = (
    Column("geometric mean", 32, left=True),
    Column("rows", 5),
    Column("vs PyTorch", 10),
    Column("its lowest", 10),
    Column("vs NumPy", 9),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="op", help="default: all")
    parser.add_argument(
        "--suite",
        nargs="+",
        default=[SPECS_OWN],
        metavar="NAME",
        help=f"of {', '.join(SUITES)}; default: {SPECS_OWN}, the cases of the specs",
    )
    parser.add_argument("--budget", type=common.seconds, default=1.0, help="seconds a row")
    parser.add_argument("--hot", action="store_true", help="one set of arguments, warm in caches")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: takes minutes")
    parser.add_argument("--jax", action="store_true", help="JAX as a peer too")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32")
    common.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    work = suites.select(args.suite, args.names)
    kinds = (*PEERS, "JAX") if args.jax else PEERS
    options = {"hot": args.hot, "compiled": args.compile, "kinds": kinds}
    with session(args) as result:
        measure(result, work, PerRow(args.budget), dtype=DTYPES[args.dtype], **options)
    return 1 if result.failures else 0


def measure(
    result: record.Result,
    work: list[tuple[str, Item]],
    budget: PerRow | Until,
    *,
    dtype: np.dtype[Any] = DTYPES["float32"],
    specs: Mapping[str, Spec] = SPECS,
    **options: Any,
) -> None:
    """Verify and time each case, print a line a row, and add the rows to the result."""
    others = [kind for kind in options.get("kinds", PEERS) if kind in OTHERS]
    table = Table([*COLUMNS, *(OTHERS[kind] for kind in others)])
    before = len(result.rows)
    with Progress(len(work)) as progress:
        progress.say(table.header())
        for i, (suite, (op, case)) in enumerate(work):
            if not budget.begin(len(work) - i):
                progress.say(f"OUT OF TIME: {len(work) - i} cases were not measured")
                break
            progress.doing(f"{op}, {case.label}")
            try:
                entry = enter(specs[op], case, dtype, effort=budget.effort, **options)
            except Exception as error:  # whatever an op does wrong is reported, never timed
                message = f"{type(error).__name__}: {error}"
                result.failures.append({"op": op, "case": case.label, "message": message})
                progress.say(f"WRONG, not timed: {op}, {case.label}: {message}")
                continue
            for row in rows(op, case.label, suite, entry, budget, dtype):
                result.rows.append(row)
                progress.say(table.line(cells(row, result.machine["limits"], others)))
            progress.done()
    found = result.rows[before:]
    for line in (*(means(found) if others else ()), *summary(found, result.failures)):
        print(line)


def rows(
    op: str, case: str, suite: str, entry: Entry, budget: PerRow | Until, dtype: np.dtype[Any]
) -> Iterator[record.Row]:
    """Race the contenders of each direction."""
    for i, (direction, contenders) in enumerate(entry.calls.items()):
        race = interleave(contenders, budget.row(len(entry.calls) - i))
        cost = entry.cost[direction]
        yield record.Row(
            op=op,
            case=case,
            suite=suite,
            direction=direction,
            dtype=str(dtype),
            hot=entry.hot,
            flops=float(cost.flops),
            bytes=float(cost.bytes),
            verified=True,
            checked=entry.checked,
            settled=race.settled,
            threads=fastnn.get_num_threads(),
            contenders=race.timings,
        )


def best(row: record.Row, kind: str) -> tuple[str, float] | None:
    """The fastest contender of a kind and how many times our time it takes."""
    times = {name: t.median for name, t in row.contenders.items() if name.split()[0] == kind}
    if not times:
        return None
    name = min(times, key=times.__getitem__)
    return name, times[name] / row.contenders[OURS].median


def cells(row: record.Row, limits: dict[str, Any], others: Sequence[str]) -> list[str]:
    """A row as texts; `others` are the peers that have a column beside PyTorch's."""
    mine = row.contenders[OURS]

    def against(kind: str, installed: bool) -> str:
        found = best(row, kind)
        if found is None:
            return "-" if installed else "not installed"
        mode = found[0].removeprefix(kind).strip()
        return f"{ratio(found[1]):>6} {mode}".rstrip()

    return [
        row.op,
        row.case,
        row.direction,
        seconds(mine.median),
        f"{100 * mine.deviation / mine.median:.0f}%" + "?" * (not row.settled),
        "cache" if row.hot else "memory",
        limit(row, limits),
        against("torch", peers.torch() is not None),
        *(against(kind, kind != "JAX" or jax_peer.jax() is not None) for kind in others),
    ]


def limit(row: record.Row, limits: dict[str, Any]) -> str:
    """Share of the limit that binds: multiply-adds, or a copy of as many bytes."""
    bandwidth = limits["copy"]
    levels = [level for level in limits.get("bandwidth", []) if level["threads"] == row.threads]
    if row.hot and levels:  # the most of any kind of traffic where the data is
        near = min((r["bytes"] for r in levels if r["bytes"] >= row.bytes), default=None)
        bandwidth = max((r["rate"] for r in levels if r["bytes"] == near), default=bandwidth)
    time = row.contenders[OURS].median
    compute, memory = row.flops / limits["fma_peak"], row.bytes / bandwidth
    return f"{100 * max(compute, memory) / time:.0f}% {'fma' if compute > memory else 'mem'}"


def means(found: list[record.Row]) -> Iterator[str]:
    """Geometric means of the ratios of each op and direction."""
    table = Table(MEANS)
    yield ""
    yield table.header()
    for op, direction in dict.fromkeys((row.op, row.direction) for row in found):
        mine = [row for row in found if (row.op, row.direction) == (op, direction)]
        torch, plain = ratios(mine, "torch"), ratios(mine, "NumPy")
        texts = [
            ratio(float(np.exp(np.mean(np.log(values))))) if values else "-"
            for values in (torch, plain)
        ]
        slowest = ratio(min(torch)) if torch else "-"
        yield table.line([f"{op} {direction}", str(len(mine)), texts[0], slowest, texts[1]])


def ratios(found: list[record.Row], kind: str) -> list[float]:
    """What the fastest contender of a kind takes over what we take, row by row."""
    return [against[1] for against in (best(row, kind) for row in found) if against is not None]


def summary(found: list[record.Row], failures: list[dict[str, str]]) -> Iterator[str]:
    """What to know about the rows as a whole."""
    yield ""
    restless = sum(not row.settled for row in found)
    yield f"{len(found)} rows, {restless} not settled within their budget (marked ?)"
    against = ratios(found, "torch")
    if against:
        slower = sum(value < 1 for value in against)
        mean = ratio(float(np.exp(np.mean(np.log(against)))))
        yield f"{mean} PyTorch's best in the geometric mean; slower than it in {slower} rows"
    if failures:
        yield f"{len(failures)} WRONG results"
