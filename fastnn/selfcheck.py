"""Check every op on this machine: ``python -m fastnn.selfcheck``.

Each op runs its cases in float32 and float64 on every instruction set that the CPU has and is
compared with its NumPy reference; each backward is compared with numerical gradients. The table
shows the largest error as a share of what rounding allows. Exit status 1 if any op fails.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import fastnn
from fastnn import functional
from fastnn.specs import SPECS, Spec
from fastnn.specs._check import Worst, gradient_check, parity

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def checks(spec: Spec) -> Iterator[tuple[str, Callable[[], Worst]]]:
    """All checks of one op, on the active instruction set."""
    for case in spec.cases:
        for dtype in DTYPES:
            yield f"{case.label}, {dtype}", partial(parity, spec, case, dtype, functional)
        if spec.backward is not None and case.smooth:
            yield f"{case.label}, gradient", partial(gradient_check, spec, case, functional)


def check(spec: Spec) -> tuple[int, float, list[str]]:
    """Number of checks, largest error / bound, failures."""
    done, worst, failures = 0, 0.0, []
    for label, run in checks(spec):
        done += 1
        try:
            worst = max(worst, run().ratio)
        except Exception as error:  # whatever an op does wrong goes into the table
            failures.append(f"{label}: {type(error).__name__}: {error}")
    return done, worst, failures


def main(arguments: list[str] | None = None) -> int:
    """Run all checks, print the table; 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m fastnn.selfcheck", description=__doc__)
    parser.add_argument("ops", nargs="*", help="ops to check (default: all)")
    names = parser.parse_args(arguments).ops or list(SPECS)
    unknown = sorted(set(names) - SPECS.keys())
    if unknown:
        parser.error(f"unknown op {unknown[0]!r}, known are {', '.join(SPECS)}")
    before, start, failed = fastnn.get_isa(), time.perf_counter(), 0
    print(f"{'op':24}{'isa':10}{'checks':>8}{'error/bound':>13}  result")
    for name in names:
        for isa in fastnn.available_isas():
            fastnn.set_isa(isa)
            done, worst, failures = check(SPECS[name])
            verdict = f"FAILED ({len(failures)})" if failures else "ok"
            print(f"{name:24}{isa:10}{done:8}{worst:13.3f}  {verdict}")
            for failure in failures:
                print(f"    {failure}")
            failed += len(failures)
    fastnn.set_isa(before)
    print(f"{failed} failures, {time.perf_counter() - start:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
