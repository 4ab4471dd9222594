"""PReLU on CUDA: channels beyond a block's threads, rows beyond a block's chunk."""

import numpy as np
import pytest
from cuda_on_cpu.harness import on_cuda

from fastnn.specs._check import judge, problem
from fastnn.specs.prelu import SPECS, case

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


@pytest.mark.parametrize("shape", [(3, 255), (70, 257), (5, 600), (300, 130)], ids=str)
def test_tiles_of_channels_and_chunks_of_rows(shape: tuple[int, int]) -> None:
    dtype = np.dtype(np.float32)
    p = problem(SPECS[0], case(f"{shape}", shape, shape[1]), dtype)
    judge(p, on_cuda(SPECS[0], p, p.arrays, p.dy, p.given), dtype)
