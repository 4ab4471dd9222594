"""The way to cuBLASLt, tested with a library of the same C functions."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cuda_on_cpu import HERE, arrays, compile_stand_in
from cuda_on_cpu.harness import DEVICE

from fastnn import _core, functional, reference
from fastnn.cuda import _cublas

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fake") / "libcublasLt.so.13"
    return compile_stand_in(HERE / "fake_cublas_lt.cc", path)


@pytest.fixture
def fake(library: Path, cuda_on_cpu: None) -> Iterator[ctypes.CDLL]:
    functional.relu(arrays.to_device(np.ones(1, np.float32)))  # loads the kernels
    _core.offer_cublas_lt(["/nowhere/libcublasLt.so", str(library)])
    yield ctypes.CDLL(str(library))
    _core.offer_cublas_lt([])


def normal(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def agree(result: np.ndarray, expected: np.ndarray, terms: int) -> None:
    assert result.shape == expected.shape
    eps = np.finfo(result.dtype).eps
    np.testing.assert_allclose(result, expected, rtol=0, atol=eps * 16 * terms)


def in_64_bits(*values: np.ndarray) -> list[np.ndarray]:
    return [value.astype(np.float64) for value in values]


@BOTH
def test_linear_and_its_gradients(fake: ctypes.CDLL, dtype: type) -> None:
    x, weight = normal(70, 90, dtype=dtype), normal(80, 90, dtype=dtype)
    bias, dy = normal(80, dtype=dtype), normal(70, 80, dtype=dtype)
    before = fake.fake_calls()
    y = DEVICE.linear(x, weight, bias, activation="tanh")
    assert fake.fake_calls() == before + 1
    agree(y, reference.linear(*in_64_bits(x, weight, bias), activation="tanh"), 90)
    gradients = DEVICE.linear_backward(dy, x, weight)
    assert fake.fake_calls() == before + 3
    for got, expected in zip(
        gradients, reference.linear_backward(*in_64_bits(dy, x, weight)), strict=True
    ):
        agree(got, expected, 90)


@BOTH
@pytest.mark.parametrize(
    "x, other, calls",
    [
        ((70, 80), (80, 90), 1),
        ((3, 50, 60), (3, 60, 70), 1),
        ((2, 3, 40, 50), (2, 3, 50, 60), 1),
        ((50, 60), (3, 60, 70), 1),
        ((3, 50, 60), (60, 70), 1),
        ((600, 500), (500,), 1),
        ((500,), (500, 600), 1),
        ((2, 1, 40, 50), (3, 50, 60), 0),  # no one stride steps through this batch
        ((9, 8), (8, 7), 0),  # too small
    ],
)
def test_matmul(
    fake: ctypes.CDLL, x: tuple[int, ...], other: tuple[int, ...], calls: int, dtype: type
) -> None:
    a, b = normal(*x, dtype=dtype), normal(*other, dtype=dtype)
    before = fake.fake_calls()
    y = DEVICE.matmul(a, b)
    assert fake.fake_calls() - before == calls
    agree(y, np.matmul(*in_64_bits(a, b)), x[-1])
    got = DEVICE.matmul_backward(y, a, b)
    for g, expected in zip(got, reference.matmul_backward(*in_64_bits(y, a, b)), strict=True):
        agree(g, expected, 100 * x[-1])


def test_convolutions_of_one_pixel(fake: ctypes.CDLL) -> None:
    x, weight, dy = normal(3, 40, 9, 8), normal(50, 40, 1, 1), normal(3, 50, 9, 8)
    before = fake.fake_calls()
    y = DEVICE.conv2d(x, weight, normal(50), activation="relu")
    agree(y, reference.conv2d(*in_64_bits(x, weight, normal(50)), activation="relu"), 40)
    got = DEVICE.conv2d_backward(dy, x, weight)
    assert fake.fake_calls() == before + 3
    for g, expected in zip(got, reference.conv2d_backward(*in_64_bits(dy, x, weight)), strict=True):
        agree(g, expected, 216)


def test_strides_change_no_bit(fake: ctypes.CDLL) -> None:
    a, b = normal(70, 80), normal(80, 90)
    before = fake.fake_calls()
    y = DEVICE.matmul(a, b)
    assert (DEVICE.matmul(np.asfortranarray(a), np.asfortranarray(b)) == y).all()
    assert fake.fake_calls() == before + 2


def test_unaligned_arrays(fake: ctypes.CDLL) -> None:
    a, b = normal(70 * 80 + 1)[1:].reshape(70, 80), normal(80, 90)
    assert a.ctypes.data % 16
    before = fake.fake_calls()
    agree(DEVICE.matmul(a, b), np.matmul(*in_64_bits(a, b)), 80)
    assert fake.fake_calls() == before + 1


def test_what_it_refuses_is_ours(fake: ctypes.CDLL) -> None:
    a, b = normal(71, 81), normal(81, 91)
    before = fake.fake_calls()
    fake.fake_refuse(1)
    try:
        agree(DEVICE.matmul(a, b), np.matmul(*in_64_bits(a, b)), 81)
    finally:
        fake.fake_refuse(0)
    assert fake.fake_calls() == before


def test_without_the_library() -> None:
    a, b = normal(70, 80), normal(80, 90)
    agree(DEVICE.matmul(a, b), np.matmul(*in_64_bits(a, b)), 80)


def test_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "nvidia" / "cu13" / "lib"
    wheel.mkdir(parents=True)
    (wheel / "libcublasLt.so.13").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "nvidia", raising=False)
    found = _cublas.candidates()
    assert str(wheel / "libcublasLt.so.13") in found
    assert found[-2:] == ["libcublasLt.so.13", "libcublasLt.so.12"]
