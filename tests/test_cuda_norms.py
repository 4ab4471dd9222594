"""What the specs do not say of the normalisations on a CUDA device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.arrays import to_device, to_host

from fastnn import functional
from fastnn.specs._layouts import channels_last, shifted

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")

NORMS: dict[str, Callable[..., Any]] = {
    "batch_norm": lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True),
    "group_norm": lambda x, w, b: functional.group_norm(x, 4, w, b),
    "instance_norm": lambda x, w, b: functional.instance_norm(x, None, None, w, b),
    "layer_norm": lambda x, w, b: functional.layer_norm(x, 8, w, b),
}
EACH_NORM = pytest.mark.parametrize("name", NORMS)


def shape_of(name: str) -> tuple[int, ...]:
    """300 rows of 8 channels, the last axis for layer_norm: packs of 16 bytes fit."""
    return (300, 8) if name == "layer_norm" else (3, 8, 10, 10)


@EACH_NORM
def test_no_bit_depends_on_the_address(name: str) -> None:
    rng = np.random.default_rng(3)
    x, dy = rng.standard_normal((2, *shape_of(name))).astype(np.float32)
    affine = rng.standard_normal((2, 8)).astype(np.float32)
    found = []
    for move in (np.array, shifted):
        # channels-last memory that starts where `move` puts it
        inputs = (np.moveaxis(move(np.moveaxis(v, 1, -1)), -1, 1) for v in (x, dy))
        there, gradient = (to_device(v) for v in inputs)
        weight, bias = (to_device(move(v)) for v in affine)
        y, saved = NORMS[name](there, weight, bias)
        found.append([y, *getattr(functional, f"{name}_backward")(gradient, saved)])
    for one, other in zip(*(map(to_host, results) for results in found), strict=True):
        np.testing.assert_array_equal(one, other)


@EACH_NORM
def test_what_is_constant_gives_the_bias(name: str) -> None:
    x = channels_last(np.full(shape_of(name), 3.1, np.float32))
    weight, bias = np.random.default_rng(4).standard_normal((2, 8)).astype(np.float32)
    y = to_host(NORMS[name](*map(to_device, (x, weight, bias)))[0])
    expected = bias if name == "layer_norm" else bias.reshape(8, 1, 1)
    np.testing.assert_array_equal(y, np.broadcast_to(expected, y.shape))


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_strided_running_statistics_are_refused(name: str) -> None:
    x = to_device(np.ones((2, 3, 4), np.float32))
    dense, strided = np.zeros(3, np.float32), np.zeros(6, np.float32)[::2]
    mean = to_device(dense)
    options = {"training": True} if name == "batch_norm" else {}
    var = to_device(np.zeros(6, np.float32))
    var.host = var.host[::2]
    assert var.strides == strided.strides
    with pytest.raises(
        ValueError, match=f"^{name}: running_var must be contiguous on a CUDA device.*strided"
    ):
        getattr(functional, name)(x, mean, var, **options)
    assert not mean.host.any() and not var.host.any()


def test_no_pixels_give_parameters_no_gradient() -> None:
    x, ones = np.ones((2, 4, 0), np.float32), np.ones(4, np.float32)
    saved = functional.group_norm(to_device(x), 2, to_device(ones), to_device(ones))[1]
    for gradient in functional.group_norm_backward(to_device(x), saved)[1:]:
        assert to_host(gradient).tolist() == [0, 0, 0, 0]
