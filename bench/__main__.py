"""``python -m bench COMMAND``: each command is a module of this package."""

import argparse
import sys
from importlib import import_module

from . import UsageError

COMMANDS = (
    "machine",
    "quick",
    "ops",
    "steps",
    "data",
    "scaling",
    "curves",
    "cuda",
    "full",
    "compare",
    "report",
)
"""Modules with ``add_arguments(parser)`` and ``main(args)``; their docstring's line is the help."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"bench.{name}")
        text = (module.__doc__ or "").splitlines()[0]
        command = parsers.add_parser(name, help=text, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(main=module.main)
    argv = sys.argv[1:] if argv is None else argv
    args = parser.parse_args(argv, argparse.Namespace(arguments=argv))
    try:
        return int(args.main(args) or 0)
    except BrokenPipeError:  # the reader has seen enough
        return 1
    except (UsageError, OSError) as error:
        parsers.choices[args.command].error(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
