"""Specs on arrays of the pretended device."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn import functional
from fastnn.specs import Arrays, Spec
from fastnn.specs._check import Problem, Result, run

from . import arrays


def on_device(f: Any) -> Any:
    """The function on arrays of the pretended device."""

    def call(*args: Any, **options: Any) -> Any:
        moved = {name: arrays.to_device(value) for name, value in options.items()}
        sent = [arrays.to_device(value) for value in args]
        result = arrays.to_host(f(*sent, **moved))
        for before, after in zip([*args, *options.values()], [*sent, *moved.values()], strict=True):
            give_back(before, after)
        arrays.check_guards()
        return result

    return call


def give_back(before: Any, after: Any) -> None:
    """What was updated in place on the device, into the arrays on the CPU."""
    if isinstance(before, (list, tuple)):
        for b, a in zip(before, after, strict=True):
            give_back(b, a)
    elif isinstance(before, np.ndarray) and before.flags.writeable:
        before[...] = arrays.to_host(after)


DEVICE = SimpleNamespace(
    **{name: on_device(f) for name, f in vars(functional).items() if callable(f)}
)


def on_cuda(spec: Spec, p: Problem, moved: Arrays, dy: np.ndarray, given: Arrays) -> Result:
    """Forward and backward; a loss comes back as an array of no axis where the CPU has a float."""
    result = run(spec, DEVICE, moved, p.options, dy, given)
    outputs = {
        name: float(value) if type(p.outputs[name]) is float else value
        for name, value in result.outputs.items()
    }
    return Result(outputs, result.gradients)
