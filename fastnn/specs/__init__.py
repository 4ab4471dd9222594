"""What is known of every public op: cases, error bounds, costs, errors and benchmark shapes.

One module an op, found by name; each lists its ``SPECS``. They drive the tests, the gradient
checks, the benchmark and ``python -m fastnn.selfcheck``, and never import the compiled core.
"""

import pkgutil
from importlib import import_module

from ._spec import Arrays, Case, Cost, Error, Options, Spec

__all__ = ["SPECS", "Arrays", "Case", "Cost", "Error", "Options", "Spec"]

SPECS: dict[str, Spec] = {
    spec.name: spec
    for info in pkgutil.iter_modules(__path__)
    if not info.name.startswith("_")
    for spec in import_module(f"{__name__}.{info.name}").SPECS
}
