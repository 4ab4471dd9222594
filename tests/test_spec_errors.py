"""Every op refuses what it cannot take: by name, with what it needs and what it got."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastnn import functional
from fastnn.specs import SPECS, Arrays, Case, Error, Options, Spec

F32 = np.dtype(np.float32)

# What is no array of float32 or float64, made from one that is.
NOT_FLOATS: dict[str, Callable[[np.ndarray], Any]] = {
    "int64": lambda v: v.astype(np.int64),
    "uint8": lambda v: v.astype(np.uint8),
    "bool": lambda v: v.astype(bool),
    "float16": lambda v: v.astype(np.float16),
    "longdouble": lambda v: v.astype(np.longdouble),
    "complex64": lambda v: v.astype(np.complex64),
    "object": lambda v: v.astype(object),
    "string": lambda v: v.astype("U4"),
    "structured": lambda v: np.zeros(v.shape, [("a", "f4")]),
    "byte-swapped": lambda v: v.astype(v.dtype.newbyteorder()),
    "masked": lambda v: np.ma.masked_array(v),
    "list": lambda v: v.tolist(),
    "number": lambda v: 1.0,
    "NumPy scalar": lambda v: np.float32(1),
    "text": lambda v: "x",
    "bytes": lambda v: v.tobytes(),
    "a class": lambda v: np.ndarray,
}  # fmt: skip


def float_arguments() -> list[Any]:
    """(spec, case, argument) for each float array that an op takes, from the first such case."""
    found: dict[tuple[str, str], Any] = {}
    for name, spec in SPECS.items():
        for case in spec.cases:
            arrays, _ = case.arguments(name, F32)
            for argument, value in arrays.items():
                leaf = value[0] if isinstance(value, list) else value
                if leaf is not None and leaf.size and leaf.dtype == F32:
                    key = (name, argument)
                    found.setdefault(key, pytest.param(spec, case, argument, id=": ".join(key)))
    return list(found.values())


ARGUMENTS = pytest.mark.parametrize("spec, case, argument", float_arguments())
WRITERS = pytest.mark.parametrize(
    "spec, case, argument",
    [p for p in float_arguments() if p.values[2] in p.values[0].writes],
)


def change(value: Any, f: Callable[[np.ndarray], Any]) -> Any:
    """f of an array, or of the last array in a list."""
    return [*value[:-1], f(value[-1])] if isinstance(value, list) else f(value)


def call(spec: Spec, arrays: Arrays, options: Options) -> None:
    spec.forward(functional, arrays, options)


def copies(arrays: Arrays) -> dict[str, list[bytes]]:
    lists = {n: v if isinstance(v, list) else [v] for n, v in arrays.items()}
    return {n: [x.tobytes() for x in v if isinstance(x, np.ndarray)] for n, v in lists.items()}


@pytest.mark.parametrize(
    "error",
    [pytest.param(e, id=f"{spec.name}: {e.label}") for spec in SPECS.values() for e in spec.errors],
)
def test_raises(error: Error) -> None:
    with pytest.raises(error.type, match=error.match) as raised:
        error.call(functional)
    assert type(raised.value) in (TypeError, ValueError)


@pytest.mark.parametrize("kind", NOT_FLOATS)
@ARGUMENTS
def test_not_floats(spec: Spec, case: Case, argument: str, kind: str) -> None:
    arrays, options = case.arguments(spec.name, F32)
    arrays[argument] = change(arrays[argument], NOT_FLOATS[kind])
    before = copies(arrays)
    # A target may be integers too: then it is their shape that is wrong.
    error = (TypeError, ValueError) if argument == "target" else TypeError
    with pytest.raises(error, match=rf"^{spec.name}: {argument}\b.* must be .*got"):
        call(spec, arrays, options)
    assert copies(arrays) == before


@ARGUMENTS
def test_no_silent_cast(spec: Spec, case: Case, argument: str) -> None:
    arrays, options = case.arguments(spec.name, F32)
    if len(arrays) < 2:
        pytest.skip("the op takes one array")
    arrays[argument] = change(arrays[argument], lambda v: v.astype(np.float64))
    if [n for n, v in arrays.items() if getattr(v, "dtype", F32).kind == "f"] == [argument]:
        call(spec, arrays, options)  # the other arrays are integers: nothing is mixed
        return
    before = copies(arrays)
    with pytest.raises(TypeError, match=rf"^{spec.name}: .*must be float(32|64).*got float"):
        call(spec, arrays, options)
    assert copies(arrays) == before


# Their backward takes dy alone, of any shape and either dtype.
MASKS = ("dropout", "dropout2d", "alpha_dropout", "stochastic_depth")


@pytest.mark.parametrize("kind", [*NOT_FLOATS, "None", "float64"])
@pytest.mark.parametrize(
    "spec", [pytest.param(s, id=n) for n, s in SPECS.items() if s.backward and not s.loss]
)
def test_wrong_dy(spec: Spec, kind: str) -> None:
    case = spec.cases[0]
    arrays, options = case.arguments(spec.name, F32)
    outputs, saved = spec.forward(functional, arrays, options)
    dy: Any = np.ones_like(outputs["y"])
    gradients = spec.backward(functional, arrays, options, dy, outputs, saved)  # type: ignore[misc]
    assert gradients["x"].shape == arrays["x"].shape, "a right dy must do"
    more = {"None": lambda v: None, "float64": lambda v: v.astype(np.float64)}
    wrong = {**NOT_FLOATS, **more}[kind](dy)
    free = (*MASKS, "adaptive_avg_pool2d", "avg_pool2d", "flatten", "maxout")
    if kind == "float64" and spec.name in free:
        pytest.skip("dy is the only array")
    with pytest.raises(TypeError, match=rf"^{spec.name}_backward: (dy|x|y)\b.* must be .*got"):
        spec.backward(functional, arrays, options, wrong, outputs, saved)  # type: ignore[misc]


@pytest.mark.parametrize(
    "spec", [pytest.param(s, id=n) for n, s in SPECS.items() if s.backward and not s.loss]
)
def test_dy_of_wrong_shape(spec: Spec) -> None:
    if spec.name in (*MASKS, "adaptive_avg_pool2d"):
        pytest.skip("the shape of dy is free, or tested with the spec's errors")
    case = spec.cases[0]
    arrays, options = case.arguments(spec.name, F32)
    outputs, saved = spec.forward(functional, arrays, options)
    right = np.ones_like(outputs["y"])
    for wrong in (right[1:], right[..., 1:], right[0], right[None], right[:, :0], right.T):
        with pytest.raises(ValueError, match=rf"^{spec.name}_backward: .*must be .*got"):
            spec.backward(functional, arrays, options, wrong, outputs, saved)  # type: ignore[misc]


@WRITERS
def test_read_only(spec: Spec, case: Case, argument: str) -> None:
    arrays, options = case.arguments(spec.name, F32)

    def freeze(v: np.ndarray) -> np.ndarray:
        v.flags.writeable = False
        return v

    arrays[argument] = change(arrays[argument], freeze)
    before = copies(arrays)
    with pytest.raises(ValueError, match=rf"^{spec.name}: {argument}\b.* must be .*read-only"):
        call(spec, arrays, options)
    assert copies(arrays) == before


@WRITERS
def test_overlap(spec: Spec, case: Case, argument: str) -> None:
    """An array that is updated shares memory with another one."""
    arrays, options = case.arguments(spec.name, F32)
    last = arrays[argument][-1] if isinstance(arrays[argument], list) else arrays[argument]
    for other, value in arrays.items():
        theirs = value[-1] if isinstance(value, list) else value
        if other == argument or theirs is None or theirs.shape != last.shape:
            continue
        shared = np.zeros(last.size + 1, F32)
        mine = shared[: last.size].reshape(last.shape)
        for start in (0, 1):
            alias = shared[start : start + last.size].reshape(last.shape)
            given = {
                **arrays,
                argument: change(arrays[argument], lambda v, mine=mine: mine),
                other: change(value, lambda v, alias=alias: alias),
            }
            before = copies(given)
            with pytest.raises(ValueError, match=rf"^{spec.name}: .*must be .*overlap"):
                call(spec, given, options)
            assert copies(given) == before


@WRITERS
def test_overlap_within_a_list(spec: Spec, case: Case, argument: str) -> None:
    arrays, options = case.arguments(spec.name, F32)
    if not isinstance(arrays[argument], list):
        pytest.skip("this role is one array")
    lists: Arrays = {n: [np.ones(4, F32) for _ in range(3)] for n in arrays}
    call(spec, lists, options)
    shared = np.ones(8, F32)
    lists[argument] = [shared[:4], np.ones(4, F32), shared[3:7]]
    with pytest.raises(ValueError, match=rf"^{spec.name}: .*must be .*overlap"):
        call(spec, lists, options)


@pytest.mark.parametrize("spec", [pytest.param(s, id=n) for n, s in SPECS.items() if s.writes])
def test_nothing_is_done_before_an_error(spec: Spec) -> None:
    for case in spec.cases:
        if not case.kernel:
            continue
        arrays, options = case.arguments(spec.name, F32)
        for name in [n for n, v in arrays.items() if n not in spec.writes and v is not None]:
            given = {**arrays, name: change(arrays[name], lambda v: v[None])}
            before = copies(given)
            with pytest.raises(ValueError, match=rf"^{spec.name}: .*must be .*got"):
                call(spec, given, options)
            assert copies(given) == before, case.label


@pytest.mark.parametrize("spec", [pytest.param(s, id=n) for n, s in SPECS.items() if s.needs])
@pytest.mark.parametrize("needs", ["x", None, 3, (1,), ("x", None)])
def test_needs_that_are_no_names(spec: Spec, needs: Any) -> None:
    case = spec.cases[0]
    arrays, options = case.arguments(spec.name, F32)
    outputs, saved = spec.forward(functional, arrays, options)
    with pytest.raises((TypeError, ValueError), match=rf"^{spec.name}_backward: needs must be"):
        spec.backward(  # type: ignore[misc]
            functional, arrays, options, outputs["y"], outputs, saved, needs=needs
        )


@pytest.mark.parametrize("spec", [pytest.param(s, id=n) for n, s in SPECS.items()])
def test_first_case_is_right(spec: Spec) -> None:
    """The errors above are due to what is changed: unchanged, the calls succeed."""
    for argument in float_arguments():
        if argument.values[0] is spec:
            arrays, options = argument.values[1].arguments(spec.name, F32)
            call(spec, arrays, options)
