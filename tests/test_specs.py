"""Every op, case by case: right, and the same bits whatever the layout and the threads."""

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _core, functional, reference
from fastnn.specs import SPECS, Arrays, Case, Spec
from fastnn.specs._check import Result, fresh, gradient_check, parity, problem, run
from fastnn.specs._layouts import LAYOUTS, c_order, channels_last
from fastnn.specs._spec import each

DTYPES = pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)


def cases(
    which: Callable[[Spec, Case], bool] = lambda spec, case: True, large: bool = False
) -> pytest.MarkDecorator:
    """Parametrise over spec and case."""
    found = [
        pytest.param(spec, case, id=f"{name}: {case.label}")
        for name, spec in SPECS.items()
        for case in (spec.large if large else spec.cases)
        if which(spec, case)
    ]
    return pytest.mark.parametrize("spec, case", found)


def specs(which: Callable[[Spec], object] = lambda spec: True) -> pytest.MarkDecorator:
    found = [pytest.param(spec, id=name) for name, spec in SPECS.items() if which(spec)]
    return pytest.mark.parametrize("spec", found)


def leaves(values: Any) -> list[np.ndarray]:
    """All arrays in a dict or list."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return [leaf for value in values for leaf in leaves(value)]
    return [values] if isinstance(values, np.ndarray) else []


def bits(result: Any) -> list[Any]:
    """Shapes, dtypes and bytes of all that a result holds."""
    if isinstance(result, dict):
        return [(name, bits(value)) for name, value in result.items()]
    if isinstance(result, (list, tuple)):
        return [bits(value) for value in result]
    if isinstance(result, np.ndarray):
        return [result.shape, result.dtype, result.tobytes()]
    return [repr(result)]


def laid_out(spec: Spec, arrays: Arrays, layout: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    """The arrays that are only read, in another layout."""
    return {
        name: value if name in spec.writes else each(layout, value)
        for name, value in arrays.items()
    }


def fast_layout(spec: Spec) -> Callable[[np.ndarray], np.ndarray]:
    """The layout in which a kernel needs no copy."""
    return c_order if spec.layout == "c" or spec.returns_input else channels_last


def compute(
    spec: Spec, case: Case, dtype: Any, layout: Callable[[np.ndarray], np.ndarray]
) -> Result:
    p = problem(spec, case, dtype)
    given = {name: each(layout, value) for name, value in p.given.items()}
    arrays = laid_out(spec, p.arrays, layout)
    return run(spec, functional, arrays, p.options, layout(p.dy), given)


@contextmanager
def runs_on(isa: str, needed: bool) -> Iterator[None]:
    """Fail unless kernels ran on this instruction set and on no other."""
    before = _core.kernel_calls()
    yield
    ran = {name for name, calls in _core.kernel_calls().items() if calls != before[name]}
    assert ran <= {isa}, f"kernels ran on {ran}, not on {isa}"
    assert ran or not needed, f"no kernel ran on {isa}"


# ---- the record itself ----


def test_every_public_function_has_one_spec() -> None:
    public = [name for name, f in vars(functional).items() if inspect.isfunction(f)]
    covered = [name for spec in SPECS.values() for name in spec.covers]
    assert sorted(covered) == sorted(public)


@pytest.mark.parametrize("name", [name for spec in SPECS.values() for name in spec.covers])
def test_reference_has_the_same_signature(name: str) -> None:
    ours, twin = (inspect.signature(getattr(ns, name)) for ns in (functional, reference))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in twin.parameters.values()
    ]
    assert getattr(functional, name).__doc__


@specs()
def test_the_record_is_complete(spec: Spec) -> None:
    for listed in (spec.cases, spec.large, spec.bench):
        assert len({case.label for case in listed}) == len(listed)
    assert spec.large and spec.bench and spec.errors
    assert len({error.label for error in spec.errors}) == len(spec.errors)
    assert (spec.backward is None) == (not spec.differentiable)
    p = problem(spec, spec.cases[0], np.dtype(np.float32))
    assert p.arrays.keys() >= set(spec.differentiable) - {"residual"}
    for cost in (spec.cost, spec.backward_cost):
        if cost is not None:
            work = cost(p.arrays, p.options, p.outputs)
            assert work.bytes >= sum(v.nbytes for v in leaves(p.arrays)) / 2
            assert work.flops > 0 or spec.returns_input


# ---- right ----


@DTYPES
@cases()
def test_agrees_with_the_reference(spec: Spec, case: Case, dtype: Any, isa: str) -> None:
    p = problem(spec, case, dtype)
    layout = fast_layout(spec)
    arrays, dy = laid_out(spec, p.arrays, layout), layout(p.dy)
    before = bits([arrays, dy])
    with runs_on(isa, case.kernel):
        outputs, saved = spec.forward(functional, fresh(spec, arrays), p.options)
    given = {name: each(layout, value) for name, value in p.given.items()}
    gradients: Arrays = {}
    if spec.backward is not None:
        with runs_on(isa, case.kernel and not spec.loss):
            gradients = spec.backward(functional, arrays, p.options, dy, given, saved)
    parity(spec, case, dtype, functional, Result(outputs, gradients))
    assert bits([arrays, dy]) == before, "an input was written to"
    made = [(name, v) for name, v in outputs.items() if name not in spec.writes]
    inputs = [*leaves(arrays), dy, *leaves(given)]
    for name, value in (*made, *gradients.items()):
        if isinstance(value, np.ndarray) and not same_array(value, dy) and case.kernel:
            check_output(spec, name, value, arrays)
            if not spec.returns_input:
                assert not any(np.shares_memory(value, other) for other in inputs)


def same_array(a: np.ndarray, b: np.ndarray) -> bool:
    """One array handed through, as dy is when it is a gradient already."""
    return (a.ctypes.data, a.shape, a.strides) == (b.ctypes.data, b.shape, b.strides)


def check_output(spec: Spec, name: str, value: np.ndarray, arrays: Arrays) -> None:
    assert value.flags.writeable
    if value.size == 0:
        return
    if not spec.returns_input:
        assert value.ctypes.data % 64 == 0, "an output is not aligned to 64 bytes"
    if name == "weight" and reference.is_channels_last(arrays["weight"]):
        assert reference.is_channels_last(value), "a gradient lies as its parameter does"
    elif spec.layout == "c" or name == "weight":
        assert value.flags.c_contiguous
    elif spec.layout == "own" and arrays["x"].flags.c_contiguous and value.flags.c_contiguous:
        return
    else:
        assert reference.is_channels_last(value), f"an output has strides {value.strides}"


@cases(lambda spec, case: spec.backward is not None and case.smooth)
def test_gradient(spec: Spec, case: Case, isa: str) -> None:
    with runs_on(isa, case.kernel):
        gradient_check(spec, case, functional)


@specs(lambda spec: spec.needs)
def test_needs(spec: Spec, isa: str) -> None:
    case, dtype = spec.cases[0], np.dtype(np.float32)
    p = problem(spec, case, dtype)
    _, saved = spec.forward(functional, p.arrays, p.options)
    names = spec.differentiable
    every = spec.backward(functional, p.arrays, p.options, p.dy, p.given, saved)  # type: ignore[misc]
    for mask in range(1 << len(names)):
        needs = tuple(name for i, name in enumerate(names) if mask >> i & 1)
        got = spec.backward(  # type: ignore[misc]
            functional, p.arrays, p.options, p.dy, p.given, saved, needs=needs
        )
        wanted = {name: value if name in needs else None for name, value in every.items()}
        assert bits(got) == bits(wanted), needs


# ---- the same bits ----


@DTYPES
@cases()
def test_layouts(spec: Spec, case: Case, dtype: Any, isa: str) -> None:
    expected = bits(compute(spec, case, dtype, c_order))
    for name, layout in LAYOUTS.items():
        assert bits(compute(spec, case, dtype, layout)) == expected, name


@DTYPES
@specs()
def test_one_layout_each(spec: Spec, dtype: Any, isa: str) -> None:
    """Every argument in a layout of its own."""
    turn = iter(list(LAYOUTS.values()) * 100)
    for case in spec.cases:
        expected = bits(compute(spec, case, dtype, c_order))
        assert bits(compute(spec, case, dtype, lambda v: next(turn)(v))) == expected, case.label


@DTYPES
@specs()
def test_zero_strides(spec: Spec, dtype: Any, isa: str) -> None:
    """An input that repeats one row without copies of it."""

    def repeated(v: np.ndarray) -> np.ndarray:
        return np.broadcast_to(v[:1], v.shape) if v.ndim and len(v) > 1 else v

    for case in spec.cases:
        p = problem(spec, case, dtype)
        arrays = laid_out(spec, p.arrays, repeated)
        results = []
        for layout in (lambda v: v, c_order):
            given = {name: each(layout, each(repeated, v)) for name, v in p.given.items()}
            dy = layout(repeated(p.dy))
            made = laid_out(spec, arrays, layout)
            results.append(run(spec, functional, made, p.options, dy, given))
        assert bits(results[0]) == bits(results[1]), case.label


@DTYPES
@specs(lambda spec: spec.writes)
@pytest.mark.parametrize("layout", set(LAYOUTS) - {"read-only"})
def test_layouts_of_what_is_written(spec: Spec, dtype: Any, layout: str, isa: str) -> None:
    """Updated in place in any layout, or refused; never the wrong values."""
    for case in spec.cases:
        p = problem(spec, case, dtype)
        arrays = {
            name: each(LAYOUTS[layout], value) if name in spec.writes else value
            for name, value in p.arrays.items()
        }
        before = bits(arrays)
        try:
            outputs, _ = spec.forward(functional, arrays, p.options)
        except ValueError as refusal:
            assert layout not in ("C", "shifted", "unaligned"), "plain memory must do"
            assert "must be" in str(refusal)
            assert bits(arrays) == before, "arrays were written to before the error"
        else:
            plain = run(spec, functional, p.arrays, p.options, p.dy, p.given).outputs
            assert bits(outputs) == bits(plain), case.label


@DTYPES
@cases()
def test_thread_counts(spec: Spec, case: Case, dtype: Any, isa: str) -> None:
    same_for_any_number_of_threads(spec, case, dtype)


@DTYPES
@cases(large=True)
def test_thread_counts_on_much_work(spec: Spec, case: Case, dtype: Any, isa: str) -> None:
    before = _core.parallel_regions()
    same_for_any_number_of_threads(spec, case, dtype)
    assert _core.parallel_regions() > before, "nothing ran in parallel"


def same_for_any_number_of_threads(spec: Spec, case: Case, dtype: Any) -> None:
    arrays, options = case.arguments(spec.name, dtype)
    with fastnn.threads(1):
        alone, _ = spec.forward(functional, fresh(spec, arrays), options)
    shape = np.shape(alone[spec.primary]) if spec.backward else ()
    dy = np.asarray(np.random.default_rng(0).standard_normal(shape), dtype)
    arguments = functional, arrays, options, dy, alone
    with fastnn.threads(1):
        expected = bits(run(spec, *arguments))
    for n in (2, 3, 7):
        with fastnn.threads(n):
            assert bits(run(spec, *arguments)) == expected, f"{n} threads"
    with fastnn.threads(7):
        assert bits(run(spec, *arguments)) == expected, "run after run"


@cases(large=True)
def test_much_work_agrees_with_the_reference(spec: Spec, case: Case, isa: str) -> None:
    parity(spec, case, np.dtype(np.float32), functional)


class Foreign:
    """An array of another library: nothing but DLPack."""

    def __init__(self, v: np.ndarray) -> None:
        self.v, self.shape = v, v.shape

    def __dlpack__(self, **options: Any) -> Any:
        return self.v.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.v.__dlpack_device__()


@DTYPES
@specs(lambda spec: not spec.returns_input)
@pytest.mark.parametrize("kind", [memoryview, Foreign])
def test_arrays_of_other_libraries(spec: Spec, dtype: Any, kind: Any) -> None:
    case = spec.cases[0]
    expected = bits(compute(spec, case, dtype, c_order))
    assert bits(compute(spec, case, dtype, lambda v: kind(c_order(v)))) == expected


@specs()
def test_several_python_threads_at_once(spec: Spec, threads: int) -> None:
    arrays, options = spec.large[0].arguments(spec.name, np.dtype(np.float32))

    def call(_: int) -> list[Any]:
        return bits(spec.forward(functional, fresh(spec, arrays), options)[0])

    expected = call(0)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(call, range(8)):
            assert got == expected


def test_is_channels_last() -> None:
    rng = np.random.default_rng(0)
    for shape in ((), (3,), (4, 5), (2, 3, 4), (2, 1, 4), (2, 3, 1, 1), (2, 3, 4, 5), (0, 3, 2, 2)):
        for name, layout in LAYOUTS.items():
            x = layout(np.asarray(rng.standard_normal(shape)))
            expected = reference.is_channels_last(x) and x.flags.aligned
            assert functional.is_channels_last(x) is expected, (shape, name)
            assert functional.is_channels_last(functional.channels_last(x)), (shape, name)
