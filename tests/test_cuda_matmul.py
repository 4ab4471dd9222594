"""The CUDA products in the tiles that no spec is large enough for."""

import numpy as np
import pytest
from cuda_on_cpu.harness import DEVICE

from fastnn import reference

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


def agree(result: np.ndarray, expected: np.ndarray, terms: int) -> None:
    bound = np.finfo(np.float32).eps * (2 + terms**0.5) * terms**0.5 * 16
    assert abs(result - expected).max() < bound


@pytest.mark.parametrize("swapped", [False, True])
def test_large_tiles(swapped: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((128, 100, 19)).astype(np.float32)
    other = rng.standard_normal((128, 19, 120)).astype(np.float32)
    if swapped:
        x = np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2)
        other = np.ascontiguousarray(other.swapaxes(1, 2)).swapaxes(1, 2)
    agree(DEVICE.matmul(x, other), x.astype(np.float64) @ other, 19)


def test_large_tiles_of_a_convolution() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 3, 128, 127)).astype(np.float32)
    weight = rng.standard_normal((120, 3, 1, 2)).astype(np.float32)
    y = DEVICE.conv2d(x, weight, padding=((0, 0), (0, 1)))
    agree(y, reference.conv2d(x.astype(np.float64), weight, padding=((0, 0), (0, 1))), 6)
