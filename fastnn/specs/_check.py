"""The checks that specs make possible: agreement with the reference, and numerical gradients.

Shared by the tests, the benchmark (which times no wrong result) and ``fastnn.selfcheck``.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import reference
from ._spec import Arrays, Case, Namespace, Options, Spec, each

FLOAT64 = np.dtype(np.float64)


class Mismatch(AssertionError):
    """A result that is not what the reference allows."""


class Worst(NamedTuple):
    """The largest error as a share of what is allowed, and where it is."""

    ratio: float
    where: str


class Problem(NamedTuple):
    """A case drawn in one dtype, with the answers."""

    arrays: Arrays
    options: Options
    dy: np.ndarray
    given: Arrays  # the true outputs, rounded to the dtype: what a backward is handed as y
    outputs: Arrays
    gradients: Arrays
    bound: Arrays | None  # None: the same bits
    gradient_bound: Arrays | None


class Result(NamedTuple):
    outputs: Arrays
    gradients: Arrays


def cast(arrays: Arrays, dtype: np.dtype[Any]) -> Arrays:
    """The floats among the arrays in another dtype; integers as they are."""
    return {
        name: each(lambda v: np.asarray(v, dtype) if v.dtype.kind == "f" else v, value)
        for name, value in arrays.items()
    }


def fresh(spec: Spec, arrays: Arrays) -> Arrays:
    """The arrays, with copies of those that the op updates."""
    return {
        name: each(np.copy, value) if name in spec.writes else value
        for name, value in arrays.items()
    }


def run(
    spec: Spec, ns: Namespace, arrays: Arrays, options: Options, dy: Any, given: Arrays
) -> Result:
    """Forward and backward; ``arrays`` that the op updates are copied first."""
    with np.errstate(all="ignore"):
        arrays = fresh(spec, arrays)
        outputs, saved = spec.forward(ns, arrays, options)
        gradients: Arrays = {}
        if spec.backward is not None:
            gradients = spec.backward(ns, arrays, options, dy, given, saved)
    return Result(outputs, gradients)


@lru_cache(maxsize=1024)
def problem(spec: Spec, case: Case, dtype: np.dtype[Any]) -> Problem:
    """Draw a case and compute its truth: in float64, or where bits must agree in ``dtype``."""
    arrays, options = case.arguments(spec.name, dtype)
    return solve(spec, arrays, options, dtype, np.random.default_rng(len(case.label)))


def solve(
    spec: Spec,
    arrays: Arrays,
    options: Options,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    dy: np.ndarray | None = None,
    given: Arrays | None = None,
) -> Problem:
    """Compute the truth about these arguments.

    ``dy`` is drawn and ``given`` is the true outputs unless the caller has them.
    """
    wide = cast(arrays, FLOAT64)

    def answers(values: Arrays) -> Arrays:
        return spec.forward(reference, fresh(spec, values), options)[0]

    with np.errstate(all="ignore"):
        outputs = answers(arrays if spec.bound is None else wide)
    given = cast(outputs, dtype) if given is None else given
    if dy is None:
        shape = np.shape(outputs[spec.primary]) if spec.backward else ()
        dy = np.asarray(np.ones(shape) if spec.loss else rng.standard_normal(shape), dtype)
    dy64, given64 = dy.astype(FLOAT64), cast(given, FLOAT64)
    if spec.backward_bound is None:
        gradients = run(spec, reference, arrays, options, dy, given).gradients
    else:
        gradients = run(spec, reference, wide, options, dy64, given64).gradients

    def allowed(bound: Any, *arguments: Any) -> Arrays | None:
        if bound is None:
            return None
        # The reference rounds as well; results below the normal numbers lose precision.
        with np.errstate(all="ignore"):
            own = bound(wide, options, *arguments, float(np.finfo(dtype).eps))
            truth = bound(wide, options, *arguments, float(np.finfo(FLOAT64).eps))
        tiny = float(np.finfo(dtype).tiny)
        return {name: plus(value, truth[name], tiny) for name, value in own.items()}

    return Problem(
        arrays,
        options,
        dy,
        given,
        outputs,
        gradients,
        allowed(spec.bound),
        allowed(spec.backward_bound, dy64, given64),
    )


def plus(a: Any, b: Any, tiny: float) -> Any:
    """a + b + tiny, entry by entry for lists."""
    if isinstance(a, list):
        return [plus(x, y, tiny) for x, y in zip(a, b, strict=True)]
    return np.asarray(a) + np.asarray(b) + tiny


def compare(name: str, got: Any, expected: Any, bound: Any, dtype: np.dtype[Any]) -> Worst:
    """The largest |got - expected| / bound; raises where they are not alike at all."""
    if isinstance(expected, list):
        pairs = enumerate(zip(got, expected, bound or expected, strict=True))
        found = [
            compare(f"{name}[{i}]", g, e, None if bound is None else b, dtype)
            for i, (g, e, b) in pairs
        ]
        return max(found, default=Worst(0.0, name))
    if (got is None) != (expected is None):
        raise Mismatch(f"{name}: {type(got).__name__} where the reference has {expected!r:.30}")
    if expected is None:
        return Worst(0.0, name)
    if type(expected) is float:
        if type(got) is not float:
            raise Mismatch(f"{name}: must be a Python float, got {type(got).__name__}")
    elif type(got) is not np.ndarray or got.dtype != dtype or got.shape != np.shape(expected):
        kind = getattr(got, "dtype", type(got).__name__)
        raise Mismatch(
            f"{name}: must be an array {dtype} {np.shape(expected)}, got {kind} {np.shape(got)}"
        )
    g, e = np.asarray(got, FLOAT64), np.asarray(expected, FLOAT64)
    limit = np.zeros(e.shape) if bound is None else np.broadcast_to(bound, e.shape)
    finite = np.isfinite(e)
    if not np.array_equal(g[~finite], e[~finite], equal_nan=True):
        raise Mismatch(f"{name}: NaN or infinity differs from the reference")
    if not np.isfinite(limit[finite]).all():
        raise Mismatch(f"{name}: the error bound is not finite")
    error = np.abs(g[finite] - e[finite])
    error[np.isnan(error)] = np.inf
    allowed = limit[finite]
    ratio = np.divide(error, allowed, out=np.full(error.shape, np.inf), where=allowed > 0)
    ratio[error == 0] = 0
    if ratio.size == 0:
        return Worst(0.0, name)
    at = int(ratio.argmax())
    index = tuple(int(i[at]) for i in np.nonzero(finite)) if e.ndim else ()
    text = f"{name}{list(index)}: got {g[index]!r}, expected {e[index]!r}, error {error[at]:.3g}"
    return Worst(float(ratio[at]), f"{text}, allowed {limit[index]:.3g}")


def parity(
    spec: Spec, case: Case, dtype: np.dtype[Any], ns: Namespace, result: Result | None = None
) -> Worst:
    """Compare a namespace with the reference; a ratio above 1 raises :class:`Mismatch`.

    ``result`` is a result that is there already.
    """
    p = problem(spec, case, dtype)
    if result is None:
        result = run(spec, ns, p.arrays, p.options, p.dy, p.given)
    return judge(p, result, dtype)


def judge(p: Problem, result: Result, dtype: np.dtype[Any]) -> Worst:
    """Compare a result with the truth; a ratio above 1 raises :class:`Mismatch`."""
    found = []
    for got, expected, bound in (
        (result.outputs, p.outputs, p.bound),
        (result.gradients, p.gradients, p.gradient_bound),
    ):
        if got.keys() != expected.keys():
            raise Mismatch(f"returned {list(got)}, the reference {list(expected)}")
        for name, value in expected.items():
            limit = None if bound is None else bound.get(name)
            label = name if got is result.outputs else f"gradient of {name}"
            found.append(compare(label, got[name], value, limit, dtype))
    worst = max(found)
    if worst.ratio > 1:
        raise Mismatch(f"max(error / bound) = {worst.ratio:.3g} at {worst.where}")
    return worst


def gradient_check(spec: Spec, case: Case, ns: Namespace) -> Worst:
    """Compare backward with central differences of sum(dy * y), all of it in float64.

    Each argument moves along three random directions v of +-1: (F(x + h v) - F(x - h v)) / (2 h)
    must be <dx, v>. Allowed are the rounding of F (the op's own bound) over h, and the truncation
    error, estimated by the change from step 2 h to h, which must be small itself.
    """
    assert spec.backward is not None
    p = problem(spec, case, FLOAT64)
    outputs, saved = spec.forward(ns, fresh(spec, p.arrays), p.options)
    gradients = spec.backward(ns, p.arrays, p.options, p.dy, outputs, saved)
    eps = float(np.finfo(FLOAT64).eps)
    y = np.asarray(outputs[spec.primary])
    rounding = eps * np.abs(y) if p.bound is None else p.bound[spec.primary]
    noise = float((np.abs(p.dy) * rounding).sum())
    scale = float((np.abs(p.dy) * np.abs(y)).sum())
    rng, h, worst = np.random.default_rng(1), eps ** (1 / 3), Worst(0.0, "")

    def slope(name: str, v: np.ndarray, step: float) -> float:
        ends = []
        for sign in (step, -step):
            moved = {**p.arrays, name: np.asarray(p.arrays[name] + sign * v)}
            ends.append(spec.forward(ns, fresh(spec, moved), p.options)[0][spec.primary])
        return float((p.dy * (np.asarray(ends[0]) - np.asarray(ends[1]))).sum() / (2 * step))

    for name in spec.differentiable:
        if p.arrays.get(name) is None:
            continue
        gradient = gradients[name]
        if gradient is None or gradient.shape != p.arrays[name].shape:
            raise Mismatch(f"gradient of {name} is missing or of wrong shape")
        for _ in range(3):
            v = rng.choice([-1.0, 1.0], gradient.shape)
            numeric, coarse = slope(name, v, h), slope(name, v, 2 * h)
            size = float(np.abs(gradient).sum())
            truncation = abs(coarse - numeric)
            if truncation > 1e-6 * (size + scale):
                raise Mismatch(f"{name}: not smooth here, the difference quotient is not settled")
            allowed = truncation + noise / h + 10 * eps * size + eps
            error = abs(numeric - float((gradient * v).sum()))
            text = f"gradient of {name}: numerical {numeric:.10g}, error {error:.3g}"
            worst = max(worst, Worst(error / allowed, f"{text}, allowed {allowed:.3g}"))
    if worst.ratio > 1:
        raise Mismatch(f"max(error / bound) = {worst.ratio:.3g} at {worst.where}")
    return worst
