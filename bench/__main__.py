"""``python -m bench machine | ops | steps``."""

import argparse
from importlib import import_module

import fastnn
from fastnn.specs import SPECS

OWN = ("machine",)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--threads", type=int, help="threads for fastnn and its peers")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in OWN:
        module = import_module(f"bench.{name}")
        module.add_arguments(commands.add_parser(name, help=module.__doc__))
    ops = commands.add_parser("ops", help="every op against PyTorch and the machine's limits")
    ops.add_argument("names", nargs="*", metavar="op", help=f"of {', '.join(SPECS)}; default: all")
    ops.add_argument("--budget", type=float, default=1.0, help="seconds a row")
    steps = commands.add_parser("steps", help="whole training steps against PyTorch's modes")
    steps.add_argument("names", nargs="*", metavar="network")
    steps.add_argument("--budget", type=float, default=10.0, help="seconds a network")
    steps.add_argument("--compile", action="store_true", help="torch.compile as a peer too")
    args = parser.parse_args()
    if args.threads:
        fastnn.set_num_threads(args.threads)
    if args.command in OWN:
        import_module(f"bench.{args.command}").main(args)
    elif args.command == "ops":
        unknown = set(args.names) - set(SPECS)
        if unknown:
            parser.error(f"unknown op {', '.join(sorted(unknown))}; known: {', '.join(SPECS)}")
        from . import ops as suite
        from .peers import torch

        if torch is not None:
            torch.set_num_threads(fastnn.get_num_threads())
        suite.report(args.names, args.budget)
    else:
        from . import steps as whole

        unknown = set(args.names) - set(whole.NETWORKS)
        if unknown:
            parser.error(f"unknown network {', '.join(sorted(unknown))}")
        whole.report(args.budget, args.compile, args.names)


main()
