"""CUDA convolutions of shapes that the specs leave out."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.harness import DEVICE

from fastnn import reference

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


def check(x_shape: tuple[int, ...], weight_shape: tuple[int, ...], **options: Any) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(x_shape), rng.standard_normal(weight_shape)
    expected = reference.conv2d(x, weight, **options)
    x, weight = x.astype(np.float32), weight.astype(np.float32)
    np.testing.assert_allclose(DEVICE.conv2d(x, weight, **options), expected, rtol=0, atol=2e-5)
    dy = rng.standard_normal(expected.shape).astype(np.float32)
    got = DEVICE.conv2d_backward(dy, x, weight, **options)
    want = reference.conv2d_backward(*(a.astype(np.float64) for a in (dy, x, weight)), **options)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=0, atol=2e-5 + 1e-6 * abs(w).max(initial=0))


def test_large_tiles() -> None:
    check((1, 3, 128, 127), (120, 3, 1, 2), padding=((0, 0), (0, 1)))


def test_strides_beyond_the_image() -> None:
    check((2, 3, 4, 5), (17, 3, 2, 2), stride=(50, 3))
    check((2, 2, 4, 5), (2, 1, 2, 2), stride=(1 << 20, 1 << 20), groups=2)


@pytest.mark.parametrize("groups", [1, 2])
def test_no_outputs(groups: int) -> None:
    x, weight = np.ones((1, 2, 5, 5), np.float32), np.ones((0, 2 // groups, 3, 3), np.float32)
    assert DEVICE.conv2d(x, weight, groups=groups).shape == (1, 0, 3, 3)
    dy = np.ones((1, 0, 3, 3), np.float32)
    dx, dw, db = DEVICE.conv2d_backward(dy, x, weight, groups=groups)
    assert not dx.any() and dw.shape == weight.shape and db.shape == (0,)
