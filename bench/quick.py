"""A look at every op in a minute: before and after a change.

Takes the specs' own cases in turns, one of each op, as many as there is time for, against PyTorch
alone. ``python -m bench compare`` tells two such runs apart.
"""

import argparse
import time

from fastnn.specs import SPECS

from . import session as common
from . import suites
from .budget import Until
from .ops import measure
from .session import session
from .suites import SPECS_OWN
from .suites.layers import Item

SECONDS = 60.0
AROUND = 5.0  # of them for imports, limits and the summary
CASE = 1.5  # seconds that a case should have


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="op", help="default: all")
    parser.add_argument("--budget", type=common.seconds, default=SECONDS, help="seconds in all")
    common.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    end = time.perf_counter() + args.budget - AROUND
    work = choose(suites.select([SPECS_OWN], args.names), args.budget - AROUND)
    with session(args, full_limits=False) as result:
        measure(result, work, Until(end), kinds=("torch",))
    return 1 if result.failures else 0


def choose(work: list[tuple[str, Item]], seconds: float) -> list[tuple[str, Item]]:
    """The first case of each op, then the second of each, for as long as they have time."""
    by_op = {op: [w for w in work if w[1].op == op] for op in SPECS}
    turns = max(map(len, by_op.values()), default=0)
    chosen = [cases[i] for i in range(turns) for cases in by_op.values() if i < len(cases)]
    first = sum(bool(cases) for cases in by_op.values())
    return chosen[: max(first, int(seconds / CASE))]
