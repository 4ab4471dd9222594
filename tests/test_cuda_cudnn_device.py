"""cuDNN itself on a GPU: every convolution of the specs, however small (FASTNN_TEST_CUDA=1)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import arrays
from cuda_on_cpu.harness import on_cuda

from fastnn import _core, functional
from fastnn.cuda import _cudnn
from fastnn.specs import Case, Spec
from fastnn.specs import conv2d as conv2d_specs
from fastnn.specs import conv_transpose2d as conv_transpose2d_specs
from fastnn.specs._check import judge, problem
from fastnn.specs._layouts import channels_last
from fastnn.specs._spec import each

pytestmark = [
    pytest.mark.usefixtures("cuda_on_cpu"),
    pytest.mark.skipif(not arrays.REAL, reason="needs a GPU"),
]
SPECS = [
    pytest.param(spec, case, id=f"{spec.name}: {case.label}")
    for module in (conv2d_specs, conv_transpose2d_specs)
    for spec in module.SPECS
    for case in (*spec.cases, *spec.large)
]


@pytest.fixture
def cudnn() -> Iterator[None]:
    functional.relu(arrays.to_device(np.ones(1, np.float32)))  # loads the kernels
    _core.offer_cudnn(_cudnn.candidates(), 1)
    yield
    _core.offer_cudnn(_cudnn.candidates(), _cudnn.LEAST_WORK)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spec, case", SPECS)
def test_specs(cudnn: None, spec: Spec, case: Case, dtype: type) -> None:
    p = problem(spec, case, np.dtype(dtype))
    moved = {name: each(channels_last, value) for name, value in p.arrays.items()}
    given = {name: each(channels_last, value) for name, value in p.given.items()}
    first, second = (on_cuda(spec, p, moved, p.dy, given) for _ in range(2))
    judge(p, first, np.dtype(dtype))
    for a, b in zip(first.outputs.values(), second.outputs.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    for name, gradient in first.gradients.items():
        np.testing.assert_array_equal(gradient, second.gradients[name])


def test_it_runs_large_float32(cudnn: None) -> None:
    rng = np.random.default_rng(0)
    x, weight = (
        arrays.to_device(rng.standard_normal(shape).astype(np.float32))
        for shape in ((8, 64, 32, 32), (64, 64, 3, 3))
    )
    y = functional.conv2d(x, weight, padding=1)
    functional.conv2d_backward(y, x, weight, padding=1)
    state: tuple[Any, ...] = _core.cudnn_state()
    assert state[1] >= 90000 and state[2:4] == (3, 0), state
