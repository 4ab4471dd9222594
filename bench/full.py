"""Everything: the ops in all suites, whole steps, scaling. The result is kept in bench/results.

The budget is shared out: 65 % for ops, 20 % for steps, 15 % for scaling. Processes for peak memory
and torch.compile come on top.
"""

import argparse
import re
import time
from pathlib import Path

from fastnn.specs import SPECS

from . import ops, scaling, steps, suites
from . import session as common
from .budget import Until
from .machine import cpu_name
from .networks import KINDS, NETWORKS
from .session import session
from .suites import SUITES

RESULTS = Path(__file__).parent / "results"
SHARES = {"ops": 0.65, "steps": 0.2, "scaling": 0.15}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--budget", type=common.seconds, default=1800.0, help="seconds in all")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: takes minutes")
    common.add_arguments(parser)
    parser.set_defaults(json=RESULTS / f"{slug(cpu_name())}.json")


def main(args: argparse.Namespace) -> int:
    work = suites.select(SUITES)
    share = {name: part * args.budget for name, part in SHARES.items()}
    with session(args) as result:
        end = time.perf_counter() + share["ops"]
        ops.measure(result, work, Until(end), compiled=args.compile)
        print()
        row = share["steps"] / (len(NETWORKS) * len(KINDS))
        steps.measure(result, [], list(KINDS), row, args.compile)
        print()
        first = {spec.name: spec.bench[0] for spec in SPECS.values()}
        scaling.measure(result, first, Until(time.perf_counter() + share["scaling"]))
    return 1 if result.failures else 0


def slug(text: str) -> str:
    """A name for a file: letters and digits, joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
