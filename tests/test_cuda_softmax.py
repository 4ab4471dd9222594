"""softmax on CUDA: rows of every length, along memory and across it."""

import numpy as np
import pytest
from cuda_on_cpu.harness import on_cuda

from fastnn.specs import Spec
from fastnn.specs._check import judge, problem
from fastnn.specs._layouts import c_order, channels_last
from fastnn.specs._spec import each
from fastnn.specs.softmax import SPECS, case

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("length", [1, 4, 6, 21, 40, 200, 500, 700, 4100])
def test_the_bits_do_not_depend_on_the_layout(spec: Spec, length: int) -> None:
    dtype = np.dtype(np.float32)
    p = problem(spec, case(f"length {length}", (2, length, 3, 3), 1), dtype)
    found = []
    for layout in (c_order, channels_last):
        moved, given = ({n: each(layout, v) for n, v in a.items()} for a in (p.arrays, p.given))
        found.append(on_cuda(spec, p, moved, layout(p.dy), given))
        judge(p, found[-1], dtype)
    for one, other in zip(found[0], found[1], strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
