"""float16 and bfloat16 in NumPy: rounding to them, storing them, and specs on arrays of them."""

from typing import Any, NamedTuple

import numpy as np

from fastnn.specs import Arrays, Case, Spec
from fastnn.specs._check import Mismatch, Problem, Result, compare, solve
from fastnn.specs._layouts import channels_last
from fastnn.specs._spec import each

from .harness import on_cuda

FLOAT32 = np.dtype(np.float32)


class Format(NamedTuple):
    """A type for storage; NumPy has no bfloat16, two bytes without a meaning stand for it."""

    name: str
    dtype: np.dtype[Any]
    eps: float  # from 1 to the next number
    step: float  # between the numbers next to 0

    def stored(self, values: np.ndarray) -> np.ndarray:
        """The values rounded to the nearest even, in two bytes each."""
        values = np.asarray(values, np.float32)
        with np.errstate(over="ignore"):
            if self.name == "float16":
                return values.astype(np.float16)
        bits = values.view(np.uint32).astype(np.uint64)
        bits = np.where(np.isnan(values), 0x7FFF, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
        return np.asarray(bits, np.uint16).view(self.dtype)

    def widened(self, stored: np.ndarray) -> np.ndarray:
        if self.name == "float16":
            return stored.astype(np.float32)
        return np.asarray(np.asarray(stored.view(np.uint16), np.uint32) << 16).view(np.float32)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        return self.widened(self.stored(values))

    def allowed(self, exact: Any, bound: Any) -> Any:
        """Half a unit of the format beside what float32 is allowed."""
        return bound + np.maximum(self.eps / 2 * (np.abs(exact) + bound), self.step / 2)


FORMATS = (
    Format("float16", np.dtype("f2"), 2.0**-10, 2.0**-24),
    Format("bfloat16", np.dtype("V2"), 2.0**-7, 2.0**-133),
)

# What stays float32 beside half: parameters, statistics and losses.
SINGLE = {"weight", "bias", "running_mean", "running_var", "loss"}


def is_single(spec: Spec, name: str) -> bool:
    return name in SINGLE and (spec.name, name) != ("binary_cross_entropy_with_logits", "weight")


def check(spec: Spec, case: Case, form: Format) -> None:
    """A spec on half precision: the reference in float64 sees the rounded arguments."""

    def round_all(values: Arrays) -> Arrays:
        def round_one(v: np.ndarray) -> np.ndarray:
            return form.rounded(v) if v.dtype.kind == "f" else v

        return {n: v if is_single(spec, n) else each(round_one, v) for n, v in values.items()}

    def store(values: Arrays) -> Arrays:
        def store_one(v: np.ndarray) -> np.ndarray:
            return channels_last(form.stored(v) if v.dtype.kind == "f" else v)

        return {
            n: each(channels_last if is_single(spec, n) else store_one, v)
            for n, v in values.items()
        }

    drawn, options = case.arguments(spec.name, FLOAT32)
    drawn = round_all(drawn)
    rng = np.random.default_rng(len(case.label))
    first = solve(spec, drawn, options, FLOAT32, rng)
    dy = form.rounded(first.dy)
    p = solve(spec, drawn, options, FLOAT32, rng, dy, round_all(first.given))
    got = on_cuda(spec, p, store(p.arrays), channels_last(form.stored(dy)), store(p.given))
    judge(spec, p, got, form)


def judge(spec: Spec, p: Problem, got: Result, form: Format) -> None:
    own_rounding = p.options.get("activation") in ("elu", "sigmoid", "tanh")
    for outputs, exact, bounds in (
        (got.outputs, p.outputs, p.bound),
        (got.gradients, p.gradients, p.gradient_bound),
    ):
        assert outputs.keys() == exact.keys()
        for name, value in outputs.items():
            e, bound = exact[name], None if bounds is None else bounds.get(name)
            if value is None or type(value) is float:
                compare(name, value, e, bound, FLOAT32)
                continue
            if own_rounding and outputs is got.gradients and bound is not None:
                # The slope follows from y, which is kept rounded.
                bound = bound * (1 + form.eps / 2**-23)
            if is_single(spec, name):
                assert value.dtype == FLOAT32, name
            else:
                assert value.dtype == form.dtype, name
                value = form.widened(value)
                finite = np.isfinite(form.rounded(e))
                bound = None if bound is None else form.allowed(e, bound)
                e = form.rounded(e) if bound is None else np.where(finite, e, form.rounded(e))
            worst = compare(name, value, e, bound, FLOAT32)
            if worst.ratio > 1:
                raise Mismatch(f"max(error / bound) = {worst.ratio:.3g} at {worst.where}")


def patterns(form: Format) -> np.ndarray:
    """All 65536 of them."""
    return np.arange(1 << 16, dtype=np.uint16).view(form.dtype)
