"""No result is timed before it was held to its reference."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

import fastnn.functional as F
from fastnn import reference
from fastnn.specs import Arrays, Options, Spec
from fastnn.specs._check import Mismatch, Result, fresh, judge, solve

# What the float64 reference does in a second, with the evaluation of its error bounds.
REFERENCE_FLOPS = 3e8
REFERENCE_BYTES = 5e7
PARAMETERS = {"weight", "bias", "running_mean", "running_var"}  # arrays without a batch axis


def check(spec: Spec, arrays: Arrays, options: Options, effort: float = 2.0) -> str:
    """Run the op on these arguments and compare with the reference; say what was compared.

    A reference that would take longer than about `effort` seconds sees the first samples of the
    batch. The op still runs on the whole where a sample does not depend on the others: what must
    be right is the call that will be timed, with a gradient dy of 0 beyond those samples.

    Raises
    ------
    Mismatch
        The result is not what the reference allows.
    """
    outputs, _ = spec.forward(F, fresh(spec, arrays), options)
    cost = spec.cost(arrays, options, outputs)
    share = effort / (cost.flops / REFERENCE_FLOPS + cost.bytes / REFERENCE_BYTES + 1e-9)
    if share < 1:
        try:
            return compare(spec, arrays, head(arrays, share, 1 if by_sample(spec) else 2), options)
        except ValueError:
            pass  # arrays that cannot be cut, as those of a square matrix product
    return compare(spec, arrays, arrays, options)


def compare(spec: Spec, arrays: Arrays, part: Arrays, options: Options) -> str:
    """Compare on a part of the arrays, which may be all of them."""
    given = options.get("dtype", "float32")  # of an op on integers
    dtype = next((v.dtype for v in flat(arrays) if v.dtype.kind == "f"), np.dtype(given))
    rng, batch, samples = np.random.default_rng(1), length(arrays), length(part)
    lists = any(isinstance(value, list) for value in arrays.values())
    at_once = part is arrays or (by_sample(spec) and not lists)
    called = fresh(spec, arrays if at_once else part)
    outputs, saved = spec.forward(F, called, options)
    gradients: Arrays = {}
    dy = None
    if spec.backward is not None:
        y = outputs[spec.primary]
        dy = np.asarray(np.ones_like(y) if spec.loss else rng.standard_normal(np.shape(y)), dtype)
        if at_once and part is not arrays:
            dy[samples:] = 0
        gradients = spec.backward(F, called, options, dy, outputs, saved)
    if at_once and part is not arrays:
        for name, value in gradients.items():
            if follows(name, value, batch) and np.any(value[samples:]):
                raise Mismatch(f"gradient of {name}: not 0 where dy is 0")
        outputs, gradients = cut(outputs, batch, samples), cut(gradients, batch, samples)
        dy = None if dy is None else dy[:samples]
    given = None if spec.loss else outputs
    judge(solve(spec, part, options, dtype, rng, dy, given), Result(outputs, gradients), dtype)
    if part is arrays:
        return "whole"
    return f"{samples} of {batch}" + ("" if at_once else ", called alone")


def head(arrays: Arrays, share: float, least: int) -> Arrays:
    """The first samples of the batch; of lists, the first rows of each array."""
    samples = max(least, round(share * length(arrays)))
    if any(isinstance(value, list) for value in arrays.values()):
        return {
            name: [v[: max(1, round(share * len(v)))] for v in values]
            for name, values in arrays.items()
        }
    return cut(arrays, length(arrays), samples)


def length(arrays: Arrays) -> int:
    """Samples of the batch: the first axis of the first array, or the arrays in a list."""
    first = arrays["index"] if "index" in arrays else next(iter(arrays.values()))
    return 1 if not isinstance(first, list) and np.ndim(first) == 0 else len(first)


def cut(arrays: Arrays, batch: int, samples: int) -> Arrays:
    """The first samples of the arrays that have a batch axis."""
    drawn_from = {"x"} if "index" in arrays else set()  # a data set, whatever its length
    return {
        name: value[:samples] if name not in drawn_from and follows(name, value, batch) else value
        for name, value in arrays.items()
    }


def follows(name: str, value: Any, batch: int) -> bool:
    """The first axis is the batch."""
    array = isinstance(value, np.ndarray) and name not in PARAMETERS
    return array and value.ndim > 0 and len(value) == batch


def flat(arrays: Arrays) -> Iterator[np.ndarray]:
    for value in arrays.values():
        found = value if isinstance(value, list) else [value]
        yield from (v for v in found if isinstance(v, np.ndarray))


@lru_cache
def by_sample(spec: Spec) -> bool:
    """The first samples of the outputs depend on the first samples of the inputs alone.

    Found by trying it on the reference.
    """
    tried = 0
    for case in spec.cases:
        arrays, options = case.arguments(spec.name, np.dtype(np.float64))
        first = next(iter(arrays.values()))
        if case.smooth and isinstance(first, np.ndarray) and first.ndim > 1 and len(first) > 2:
            few = cut(arrays, len(first), 2)
            whole, _ = spec.forward(reference, fresh(spec, arrays), options)
            try:
                part, _ = spec.forward(reference, fresh(spec, few), options)
            except ValueError:
                return False
            expected = cut(whole, len(first), 2)
            tried += 1
            if not all(same(v, expected[name]) for name, v in part.items()):
                return False
    return tried > 0


def same(part: Any, whole: Any) -> bool:
    if part is None or whole is None:
        return part is whole
    return np.shape(part) == np.shape(whole) and np.allclose(part, whole)
