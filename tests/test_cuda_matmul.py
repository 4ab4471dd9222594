"""The CUDA products in tiles that no spec is large enough for."""

import numpy as np
import pytest
from cuda_on_cpu.harness import DEVICE

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


@pytest.mark.parametrize("swapped", [False, True])
def test_large_tiles(swapped: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((128, 100, 19)).astype(np.float32)
    other = rng.standard_normal((128, 19, 120)).astype(np.float32)
    if swapped:
        x = np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
        other = np.ascontiguousarray(other.swapaxes(1, 2)).swapaxes(1, 2)
    expected = x.astype(np.float64) @ other
    np.testing.assert_allclose(DEVICE.matmul(x, other), expected, rtol=0, atol=2e-5)
