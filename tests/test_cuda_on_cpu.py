"""The CUDA kernels against the references, on a CPU that plays the GPU.

``FASTNN_TEST_CUDA=1 pytest tests/test_cuda*.py`` runs them on a GPU, with CuPy's arrays.
"""

import importlib.util
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import SOURCES as CSRC
from cuda_on_cpu import arrays
from cuda_on_cpu.harness import on_cuda

from fastnn import _core, functional
from fastnn.specs import Case, Spec
from fastnn.specs._check import judge, problem
from fastnn.specs._layouts import LAYOUTS, c_order, channels_last
from fastnn.specs._spec import each

# The ops whose stem csrc/cuda has.
OPS = {
    spec.name: spec
    for source in sorted(CSRC.glob("cuda/*.cu"))
    if importlib.util.find_spec(f"fastnn.specs.{source.stem}")
    for spec in importlib.import_module(f"fastnn.specs.{source.stem}").SPECS
}
pytestmark = pytest.mark.usefixtures("cuda_on_cpu")
DTYPES = pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)


def cases(large: bool = False) -> pytest.MarkDecorator:
    found = [
        pytest.param(spec, case, id=f"{name}: {case.label}")
        for name, spec in OPS.items()
        for case in (spec.large if large else spec.cases)
    ]
    return pytest.mark.parametrize("spec, case", found)


@DTYPES
@cases()
@pytest.mark.parametrize("layout", [c_order, channels_last, LAYOUTS["shifted"]])
def test_agrees_with_the_reference(spec: Spec, case: Case, dtype: Any, layout: Any) -> None:
    p = problem(spec, case, dtype)
    moved = {name: each(layout, value) for name, value in p.arrays.items()}
    given = {name: each(layout, value) for name, value in p.given.items()}
    before = _core.kernel_calls()
    judge(p, on_cuda(spec, p, moved, layout(p.dy), given), dtype)
    after = _core.kernel_calls()
    ran = {name for name, calls in after.items() if calls != before[name]}
    assert ran <= {"cuda"} and (ran or not case.kernel or spec.returns_input)


@cases(large=True)
def test_much_work_agrees_with_the_reference(spec: Spec, case: Case) -> None:
    p = problem(spec, case, np.dtype(np.float32))
    judge(p, on_cuda(spec, p, p.arrays, p.dy, p.given), np.dtype(np.float32))


def test_mixed_devices() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(
        ValueError, match="relu_backward: dy must be on cuda:0 like x, got an array on the CPU"
    ):
        functional.relu_backward(x, arrays.to_device(x))


def test_an_array_of_the_device_stays_there() -> None:
    y = functional.relu(arrays.to_device(np.array([-1.0, 2.0], np.float32)))
    assert type(y) is arrays.KIND
    assert y.get().tolist() == [0.0, 2.0]
