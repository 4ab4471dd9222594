"""Whole training steps and inferences of networks, against PyTorch's modes."""

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fastnn

from . import UsageError, networks, peers, record, rss
from . import session as common
from .contenders import OURS
from .networks import KINDS, MODES, NETWORKS
from .progress import Progress
from .session import session
from .table import Column, Table, ratio, seconds, size, terminal_width
from .timing import Call, interleave

COLUMNS = (
    Column("network", 11, left=True),
    Column("", 5, left=True),
    Column("batch", 5),
    Column("time", 7),
    Column("+-", 5, keep=2),
    Column("images/s", 8),
    Column("vs NCHW", 8),
    Column("vs channels_last", 16),
    Column("vs compile", 10, keep=3),
    Column("peak memory", 11),
    Column("of PyTorch's", 13, keep=1),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="network", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--what", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--budget", type=common.seconds, default=10.0, help="seconds a row")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: takes minutes")
    parser.add_argument("--no-memory", action="store_true", help="no fresh processes for peak RSS")
    parser.add_argument("--accuracy", action="store_true", help="train LeNet-5 on MNIST to 99 %%")
    parser.add_argument("--root", type=Path, metavar="DIR", help="MNIST's files, for --accuracy")
    common.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    unknown = sorted(set(args.names) - set(NETWORKS))
    if unknown:
        raise UsageError(f"unknown network {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    if args.accuracy and args.root is None:
        raise UsageError("--accuracy needs --root DIR, the folder of MNIST's files")
    with session(args) as result:
        if args.accuracy:
            from .accuracy import measure as train

            train(result, args.root)
        else:
            measure(result, args.names, args.what, args.budget, args.compile, not args.no_memory)
    return 1 if result.failures else 0


def measure(
    result: record.Result,
    names: list[str],
    kinds: list[str],
    budget: float,
    compiled: bool = False,
    memory: bool = True,
) -> None:
    """Time the networks, print a line for each and add them to the result."""
    table = Table(COLUMNS)
    found = []
    work = [(name, what) for name in names or NETWORKS for what in kinds]
    with Progress(len(work)) as progress:
        progress.say(table.header())
        for name, what in work:
            progress.doing(f"{name}, {what}")
            network = NETWORKS[name]
            try:
                if peers.torch() is not None:
                    networks.check(network)
            except Exception as error:  # whatever is wrong with it, it is not timed
                message = f"{type(error).__name__}: {error}"
                result.failures.append({"op": name, "case": what, "message": message})
                progress.say(f"WRONG, not timed: {name}, {what}: {message}")
                continue
            step = one(name, what, budget, compiled, memory)
            result.steps.append(step)
            found.append(step)
            progress.say(table.line(cells(step)))
            progress.done()
    for text in shares(found):
        print(text)
    for what in kinds:
        ratios = [best(step) for step in found if step.what == what and len(step.contenders) > 1]
        if ratios:
            mean = np.exp(np.mean(np.log(ratios)))
            print(f"{what}: {mean:.2f}x PyTorch's best mode in the geometric mean")


def one(name: str, what: str, budget: float, compiled: bool, memory: bool) -> record.Step:
    """Race the contenders over one network."""
    network = NETWORKS[name]
    contenders: dict[str, Call] = {OURS: networks.ours(network, what)}
    if peers.torch() is not None:
        for mode, label in MODES.items():
            if mode == "channels_last" and len(network.shape) < 3:
                continue  # no images
            if compiled or mode != "compile":
                contenders[label] = networks.theirs(network, what, mode)
    race = interleave(contenders, budget)
    return record.Step(
        network=name,
        what=what,
        batch=network.batch,
        settled=race.settled,
        threads=fastnn.get_num_threads(),
        contenders=race.timings,
        rss={label: rss.peak(name, what, label) for label in contenders} if memory else {},
        **profiled(contenders[OURS]),
    )


def profiled(call: Call, repeats: int = 5) -> dict[str, list[dict[str, Any]]]:
    """Seconds, FLOPs and bytes of each layer and of each op in one call."""
    with fastnn.profile() as profile:
        for _ in range(repeats):
            call()

    def each(found: list[Any]) -> list[dict[str, Any]]:
        return [
            {"name": f"{r.name} {r.kind}" if r.kind else r.name}
            | {name: (getattr(r, name) or 0.0) / repeats for name in ("seconds", "flops", "bytes")}
            for r in found
        ]

    return {"layers": each(profile.layers), "ops": each(profile.ops)}


def best(step: record.Step) -> float:
    """The fastest of PyTorch's modes over our time."""
    times = [t.median for name, t in step.contenders.items() if name != OURS]
    return min(times) / step.contenders[OURS].median


def cells(step: record.Step) -> list[str]:
    """A row as texts."""
    mine = step.contenders[OURS]

    def against(label: str) -> str:
        if label in step.contenders:
            return ratio(step.contenders[label].median / mine.median)
        return "-" if peers.torch() is not None else "not installed"

    memory = [step.rss[label] for label in step.rss if label != OURS]
    return [
        step.network,
        step.what,
        str(step.batch),
        seconds(mine.median),
        f"{100 * mine.deviation / mine.median:.0f}%" + "?" * (not step.settled),
        f"{step.batch / mine.median:.0f}",
        *(against(label) for label in MODES.values()),
        size(step.rss[OURS]) if step.rss else "-",
        ratio(step.rss[OURS] / min(memory)) if memory else "-",
    ]


def shares(steps: list[record.Step]) -> Iterator[str]:
    """Where the time of each step goes: the ops that take most of it."""
    for step in steps:
        total = sum(op["seconds"] for op in step.ops)
        most = sorted(step.ops, key=lambda op: -op["seconds"])[:6]
        text = ", ".join(f"{op['name']} {100 * op['seconds'] / total:.0f}%" for op in most)
        yield from textwrap.wrap(f"{step.network}, {step.what}: {text}", terminal_width())
