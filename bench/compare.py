"""Two results, row by row: what became faster or slower by more than the measurement's own spread.

A row's change is the ratio of its medians, new over old, divided by the same ratio of the
contenders that both runs share and that did not change: interleaved in the same race, they tell
what the machine did meanwhile. Without such contenders nothing is divided out on the same machine;
on another one it is the ratio of the limits.

Its error is RELIABLE standard errors of that change: of each median, 1.86 median absolute
deviations over the root of the rounds (1.25 for a median, 1.48 for the deviation of a normal
distribution), and of each run BETWEEN, by which medians differ from run to run beyond their spread
within one, or half the drift during the run of the limit that bounds the row, if that is more; of
fewer than ROUNDS rounds nobody knows the spread, and it counts as SHAKY. The verdict is
`faster` or `slower` when the change exceeds both its error and the threshold, `too noisy` when the
error exceeds twice the threshold, else `same`.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import noise, record
from .contenders import OURS
from .table import Column, Table, seconds
from .timing import Timing

RELIABLE = 4
BETWEEN = 0.007
ROUNDS = 4
SHAKY = 0.2
THRESHOLD = 0.05

COLUMNS = (
    Column("op", 21, left=True),
    Column("case", 38, left=True, least=12),
    Column("", 8, left=True),
    Column("old", 8),
    Column("new", 8),
    Column("change", 8),
    Column("+-", 6, keep=1),
    Column("verdict", 9, left=True),
)

Key = tuple[Any, ...]
Entry = record.Row | record.Step


@dataclass(frozen=True)
class Verdict:
    """One row in both results, or in one of them."""

    key: Key
    word: str
    old: Timing | None
    new: Timing | None
    change: float = math.nan  # new over old, 1 is no change
    error: float = math.nan


def key(entry: Entry) -> Key:
    """What makes two rows the same row."""
    if isinstance(entry, record.Step):
        return (entry.network, f"batch {entry.batch}", entry.what, entry.threads)
    case = entry.case + ", hot" * entry.hot + f", {entry.dtype}" * (entry.dtype != "float32")
    return (entry.op, case, entry.direction, entry.threads, entry.suite)


def variance(timing: Timing) -> float:
    """Of the logarithm of the median."""
    relative = timing.deviation / timing.median
    if timing.rounds < ROUNDS:
        relative = max(relative, SHAKY)
    return (1.86 * relative) ** 2 / timing.rounds


def unrest(entry: Entry, machine: dict[str, Any]) -> float:
    """By how much medians of this run may be off beyond their spread."""
    names = ["fma_peak", "copy"]
    if isinstance(entry, record.Row):
        limits = machine["limits"]
        by_memory = entry.bytes / limits["copy"] > entry.flops / limits["fma_peak"]
        names = ["copy"] if by_memory else ["fma_peak"]
    factors = machine.get("noise", {})
    return max(BETWEEN, *(abs(math.log(factors.get(name, 1.0))) / 2 for name in names))


def judge(
    old: Entry,
    new: Entry,
    machines: tuple[dict[str, Any], dict[str, Any]],
    threshold: float = THRESHOLD,
) -> Verdict:
    """The verdict on a row that both results have."""
    before, after = old.contenders[OURS], new.contenders[OURS]
    log = math.log(after.median / before.median)
    spread = variance(before) + variance(after)
    spread += sum(unrest(e, m) ** 2 for e, m in zip((old, new), machines, strict=True))
    shared = [n for n in old.contenders if n in new.contenders and unchanged(n, machines)]
    if shared:
        pairs = [(old.contenders[n], new.contenders[n]) for n in shared]
        log -= sum(math.log(b.median / a.median) for a, b in pairs) / len(pairs)
        spread += sum(variance(a) + variance(b) for a, b in pairs) / len(pairs) ** 2
    elif differences(machines) and isinstance(old, record.Row):
        log -= math.log(least_seconds(old, machines[1]) / least_seconds(old, machines[0]))
    error, least = RELIABLE * math.sqrt(spread), math.log1p(threshold)
    if abs(log) > max(error, least):
        word = "slower" if log > 0 else "faster"
    else:
        word = "too noisy" if error > 2 * least else "same"
    return Verdict(key(new), word, before, after, math.exp(log), error)


def unchanged(contender: str, machines: tuple[dict[str, Any], dict[str, Any]]) -> bool:
    """Whether a contender is the same program in both runs."""
    if contender == OURS:
        return False
    package = {"NumPy": "numpy", "JAX": "jax"}.get(contender, "torch")
    return bool(machines[0].get(package) == machines[1].get(package))


def least_seconds(row: record.Row, machine: dict[str, Any]) -> float:
    """What this machine needs at least for a row."""
    limits = machine["limits"]
    return max(row.flops / limits["fma_peak"], row.bytes / limits["copy"], 1e-12)


def differences(machines: tuple[dict[str, Any], dict[str, Any]]) -> list[str]:
    """What makes times of the two runs incomparable."""
    names = ("cpu", "cores", "isa", "threads")
    a, b = machines
    return [f"{n}: {a.get(n)} and {b.get(n)}" for n in names if a.get(n) != b.get(n)]


def compare(old: record.Result, new: record.Result, threshold: float = THRESHOLD) -> list[Verdict]:
    """A verdict for every row of both results, in the order of the new one."""
    machines = (old.machine, new.machine)
    alike = not any(d.startswith("threads") for d in differences(machines))

    def keyed(entries: Iterable[Entry]) -> dict[Key, Entry]:
        # across thread counts, rows are the same whatever theirs is
        return {key(e) if alike else (*key(e)[:3], *key(e)[4:]): e for e in entries}

    before = keyed([*old.rows, *old.steps])
    after = keyed([*new.rows, *new.steps])
    verdicts = [
        judge(before[k], entry, machines, threshold)
        if k in before
        else Verdict(key(entry), "new", None, entry.contenders[OURS])
        for k, entry in after.items()
    ]
    gone = [entry for k, entry in before.items() if k not in after]
    return verdicts + [Verdict(key(e), "gone", e.contenders[OURS], None) for e in gone]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--threshold", type=percent, default=THRESHOLD, metavar="PERCENT")
    parser.add_argument("--all", action="store_true", help="also the rows that are the same")


def percent(text: str) -> float:
    """A positive number of percent, for argparse."""
    value = float(text.removesuffix("%")) / 100
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


def main(args: argparse.Namespace) -> int:
    """Print the verdicts; 1 if something became slower."""
    old, new = record.read(args.old), record.read(args.new)
    for text in warnings(old, new):
        print(f"WARNING: {text}")
    verdicts = compare(old, new, args.threshold)
    table = Table(COLUMNS)
    shown = [v for v in verdicts if args.all or v.word != "same"]
    if shown:
        print(table.header())
    for verdict in shown:
        print(table.line(cells(verdict)))
    print(summary(verdicts, args.threshold))
    return 1 if any(v.word == "slower" for v in verdicts) else 0


def warnings(old: record.Result, new: record.Result) -> list[str]:
    """What a reader must know before believing a verdict."""
    found = []
    different = differences((old.machine, new.machine))
    if different:
        found.append(
            f"not the same machine or setting ({'; '.join(different)}): rows are held against the "
            "contenders that both runs share, else against the machines' limits"
        )
    for package in ("torch", "numpy"):
        a, b = old.machine.get(package), new.machine.get(package)
        if a != b:
            found.append(f"{package} {a} and {b}: it is no yardstick between the two")
    for name, result in (("OLD", old), ("NEW", new)):
        found += [f"{name}: {reason}" for reason in noise.reasons(result.machine)]
    return found


def cells(v: Verdict) -> list[str]:
    """A row as texts."""
    name, case, direction = v.key[:3]
    known = not math.isnan(v.change)
    return [
        name,
        case,
        direction,
        seconds(v.old.median) if v.old else "-",
        seconds(v.new.median) if v.new else "-",
        f"{100 * (v.change - 1):+.1f}%" if known else "-",
        f"{100 * v.error:.1f}%" if known else "-",
        v.word,
    ]


def summary(verdicts: list[Verdict], threshold: float) -> str:
    """Counts, and the mean change."""
    words = Counter(v.word for v in verdicts)
    order = ("slower", "faster", "same", "too noisy", "new", "gone")
    counts = ", ".join(f"{words[word]} {word}" for word in order if words[word])
    text = f"{counts or 'no rows'} (threshold {100 * threshold:g} %)"
    changes = [math.log(v.change) for v in verdicts if not math.isnan(v.change)]
    if changes:
        mean = math.exp(sum(changes) / len(changes))
        text += f"; time in the geometric mean {100 * (mean - 1):+.1f} %"
    return text
