"""What the losses do on a device in place of reading values there."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.arrays import Array, to_device

from fastnn import functional

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
BOTH = pytest.mark.parametrize(
    "loss", [functional.softmax_cross_entropy, functional.multiclass_hinge]
)


def call(loss: Any, *arrays: Any, **options: Any) -> tuple[Array, np.ndarray]:
    moved = {name: to_device(value) for name, value in options.items()}
    value, gradient = loss(*map(to_device, arrays), **moved)
    return value, gradient.get()


@BOTH
@pytest.mark.parametrize("wrong", [3, -1, 200])
def test_no_class_is_nan(loss: Any, wrong: int) -> None:
    target = np.array([0, wrong, 2, 1], np.int16)
    rows, gradient = call(loss, X, target, reduction="none")
    assert np.isnan(rows.get()).tolist() == [False, True, False, False]
    assert np.isnan(gradient).all(1).tolist() == [False, True, False, False]
    assert not np.isnan(gradient[[0, 2, 3]]).any()
    assert np.isnan(call(loss, X, target)[0].get())


@BOTH
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_integers_of_any_dtype(loss: Any, dtype: str) -> None:
    target = np.array([0, 1, 2, 1], dtype)[::-1]
    expected, gradient = loss(X, target)
    got = call(loss, X, target)
    assert got[0].get() == pytest.approx(expected, rel=1e-6)
    assert got[1] == pytest.approx(gradient, rel=1e-5)


@BOTH
def test_the_loss_is_an_array_of_no_axis(loss: Any) -> None:
    value, _ = call(loss, X, np.array([0, 1, 2, 0]))
    assert type(value) is Array and value.shape == () and value.dtype == np.float32


def test_huge_class_is_nan() -> None:
    target = np.array([0, 2**63, 1, 2], np.uint64)
    rows, _ = call(functional.softmax_cross_entropy, X, target, reduction="none")
    assert np.isnan(rows.get()).tolist() == [False, True, False, False]


def test_mean_over_ignored_rows_is_nan() -> None:
    value, gradient = call(functional.softmax_cross_entropy, X, np.full(4, -100))
    assert np.isnan(value.get()) and not gradient.any()


def test_negative_weight_is_nan() -> None:
    weight, target = np.array([1, -1, 1], np.float32), np.array([0, 1, 2, 0])
    value, gradient = call(functional.softmax_cross_entropy, X, target, weight=weight)
    assert np.isnan(value.get()) and np.isnan(gradient[1, 1])


def test_mean_over_no_rows() -> None:
    with pytest.raises(ValueError, match="mean"):
        call(functional.softmax_cross_entropy, X[:0], np.zeros(0, np.int64))


def test_target_on_the_cpu() -> None:
    with pytest.raises(ValueError, match="target must be on cuda:0 like logits"):
        functional.softmax_cross_entropy(to_device(X), np.zeros(4, np.int64))


@BOTH
def test_many_rows_for_every_team(loss: Any) -> None:
    """More rows than blocks have turns, and rows for teams of four threads to a whole block."""
    rng = np.random.default_rng(0)
    for n, c in ((9000, 3), (300, 20), (40, 300), (3, 5000)):
        x = rng.standard_normal((n, c))
        target = rng.integers(0, c, n)
        expected, gradient = loss(x, target)
        got = call(loss, x, target)
        assert got[0].get() == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(got[1], gradient, rtol=1e-10, atol=1e-16)
