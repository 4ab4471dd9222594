"""The way to cuDNN, tested with a library of the same C functions that computes on the CPU."""

import ctypes
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from cuda_on_cpu import HERE, arrays, compile_stand_in
from cuda_on_cpu.harness import DEVICE, on_cuda

import fastnn.cuda
from fastnn import _core, functional, reference
from fastnn.cuda import _cudnn
from fastnn.specs import Case, Spec
from fastnn.specs import conv2d as conv2d_specs
from fastnn.specs import conv_transpose2d as conv_transpose2d_specs
from fastnn.specs._check import judge, problem
from fastnn.specs._layouts import LAYOUTS, channels_last
from fastnn.specs._spec import each

pytestmark = [
    pytest.mark.usefixtures("cuda_on_cpu"),
    pytest.mark.skipif(arrays.REAL, reason="pretends"),
]
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
TENSOR_CORES, WINOGRAD, FALLBACK = 0, 5, 9  # engines of the fake
PLAN, FORWARD, GRAPH, PACK, TENSOR, EXECUTION, HANDLE = 5, 10, 15, 16, 17, 1000, 1001


class State(NamedTuple):
    path: str
    version: int
    ran: int
    own: int
    problem: str


def state() -> State:
    return State(*_core.cudnn_state())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fake") / "libcudnn.so.9"
    return compile_stand_in(HERE / "fake_cudnn.cc", path, "-O2")


@pytest.fixture
def fake(library: Path, cuda_on_cpu: None) -> Iterator[ctypes.CDLL]:
    functional.relu(arrays.to_device(np.ones(1, np.float32)))  # loads the kernels
    loaded = ctypes.CDLL(str(library))
    loaded.fake_refuse(0)
    _core.offer_cudnn(["/nowhere/libcudnn.so.9", str(library)], 1)
    yield loaded
    loaded.fake_refuse(0)
    _core.offer_cudnn([], 1)


def normal(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def agree(results: Any, expected: Any) -> None:
    for got, want in zip(results, expected, strict=True):
        bound = 64 * np.finfo(got.dtype).eps * max(1.0, abs(want).max(initial=0))
        np.testing.assert_allclose(got, want, rtol=0, atol=bound)


def in_64_bits(*values: np.ndarray) -> list[np.ndarray]:
    return [value.astype(np.float64) for value in values]


def check(x: np.ndarray, weight: np.ndarray, **options: Any) -> None:
    y = DEVICE.conv2d(x, weight, **options)
    agree([y], [reference.conv2d(*in_64_bits(x, weight), **options)])
    dy = normal(*y.shape, dtype=x.dtype.type)
    expected = reference.conv2d_backward(*in_64_bits(dy, x, weight), **options)
    agree(DEVICE.conv2d_backward(dy, x, weight, **options), expected)


SPECS = [
    pytest.param(spec, case, id=f"{spec.name}: {case.label}")
    for module in (conv2d_specs, conv_transpose2d_specs)
    for spec in module.SPECS
    for case in spec.cases
]


@BOTH
@pytest.mark.parametrize("layout", [channels_last, LAYOUTS["shifted"]])
@pytest.mark.parametrize("spec, case", SPECS)
def test_specs(fake: ctypes.CDLL, spec: Spec, case: Case, dtype: type, layout: Any) -> None:
    p = problem(spec, case, np.dtype(dtype))
    moved = {name: each(layout, value) for name, value in p.arrays.items()}
    given = {name: each(layout, value) for name, value in p.given.items()}
    before = fake.fake_calls()
    judge(p, on_cuda(spec, p, moved, layout(p.dy), given), np.dtype(dtype))
    calls = fake.fake_calls() - before
    assert state()[2:] == (calls, 0, "")
    if calls and p.options.get("algorithm") != "winograd":
        assert fake.fake_engine() == (FALLBACK if dtype is np.float32 else TENSOR_CORES)


CASES = [
    ((2, 3, 9, 8), (4, 3, 3, 3), {"padding": 1}),
    ((2, 3, 9, 8), (4, 3, 3, 2), {"stride": 2, "padding": ((1, 0), (0, 2))}),
    ((2, 3, 12, 11), (4, 3, 3, 3), {"stride": 3, "padding": 1}),  # rows that no output needs
    ((2, 3, 9, 9), (4, 3, 2, 3), {"dilation": (3, 2), "padding": "same"}),
    ((2, 18, 7, 7), (36, 9, 3, 3), {"groups": 2}),
    ((2, 5, 8, 8), (4, 5, 1, 1), {"stride": 2}),
    ((2, 5, 8, 8), (4, 5, 1, 1), {"padding": 1}),
    ((1, 1, 6, 6), (2, 1, 3, 3), {}),
]


@BOTH
@pytest.mark.parametrize("x, weight, options", CASES)
def test_conv2d(
    fake: ctypes.CDLL, x: tuple[int, ...], weight: tuple[int, ...], options: Any, dtype: type
) -> None:
    a, w = normal(*x, dtype=dtype), normal(*weight, dtype=dtype)
    check(a, w, **options)
    check(a, channels_last(w), **options)
    assert state().ran == 6 and state().own == 0


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("channels", [8, 7])
@pytest.mark.parametrize("with_bias", [True, False])
def test_bias_and_activation(
    fake: ctypes.CDLL, activation: str | None, channels: int, with_bias: bool
) -> None:
    x, weight = normal(2, 3, 9, 8), normal(channels, 3, 3, 3)
    bias = normal(channels) if with_bias else None
    y = DEVICE.conv2d(x, weight, bias, activation=activation)
    wide = None if bias is None else bias.astype(np.float64)
    agree([y], [reference.conv2d(*in_64_bits(x, weight), wide, activation=activation)])
    assert state().ran == 1


@pytest.mark.parametrize("options", [{"stride": 2, "output_padding": 1}, {"padding": 1}])
def test_conv_transpose2d(fake: ctypes.CDLL, options: Any) -> None:
    x, weight, bias = normal(2, 4, 5, 6), normal(4, 3, 3, 3), normal(3)
    y = DEVICE.conv_transpose2d(x, weight, bias, **options)
    agree([y], [reference.conv_transpose2d(*in_64_bits(x, weight, bias), **options)])
    dy = normal(*y.shape)
    expected = reference.conv_transpose2d_backward(*in_64_bits(dy, x, weight), **options)
    agree(DEVICE.conv_transpose2d_backward(dy, x, weight, **options), expected)
    assert state().ran == 3


def test_winograd_where_it_is_asked_for(fake: ctypes.CDLL) -> None:
    x, weight = normal(2, 3, 9, 8), normal(4, 3, 3, 3)
    DEVICE.conv2d(x, weight)
    assert fake.fake_engine() == FALLBACK
    DEVICE.conv2d(x, weight, algorithm="winograd")
    assert fake.fake_engine() == WINOGRAD


def test_strides_change_no_bit(fake: ctypes.CDLL) -> None:
    x, weight = normal(2, 3, 9, 8), normal(4, 3, 3, 3)
    y = DEVICE.conv2d(x, weight)
    assert (DEVICE.conv2d(channels_last(x), channels_last(weight)) == y).all()
    assert state().ran == 2


@pytest.mark.parametrize("step", [PLAN, FORWARD, GRAPH, PACK, TENSOR, EXECUTION, HANDLE])
def test_what_it_refuses_is_ours(fake: ctypes.CDLL, step: int) -> None:
    x, weight, bias = normal(2, 3, 9, 8), normal(4, 3, 3, 3), normal(4)
    fake.fake_refuse(step)
    y = DEVICE.conv2d(x, weight, bias, activation="relu")
    agree([y], [reference.conv2d(*in_64_bits(x, weight, bias), activation="relu")])
    assert state()[2:4] == (0, 1)
    assert "as asked" in state().problem or "no engine" in state().problem


def test_plans_and_handles_are_kept(fake: ctypes.CDLL) -> None:
    def call() -> None:
        DEVICE.conv2d(normal(2, 3, 9, 8), normal(4, 3, 3, 3))

    alive, handles, of_a_plan = fake.fake_alive(), fake.fake_handles(), 8
    call()
    call()
    assert fake.fake_alive() == alive + of_a_plan and fake.fake_handles() == handles + 1
    for _ in range(10):  # one after the other; the last may not have given its handle back yet
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        time.sleep(0.01)
    made = fake.fake_handles() - handles
    assert 2 <= made < 11 and fake.fake_alive() == alive + made * of_a_plan
    assert state().ran == 12


def test_small_work_few_channels_and_products_are_ours(fake: ctypes.CDLL) -> None:
    DEVICE.conv2d(normal(2, 4, 6, 6), normal(8, 1, 3, 3), groups=4)
    DEVICE.conv2d(normal(2, 4, 6, 6), normal(8, 4, 1, 1))
    _core.offer_cudnn([str(fake._name)], 1 << 20)
    check(normal(2, 3, 9, 8), normal(4, 3, 3, 3))
    assert state()[2:4] == (0, 0)


def test_show_config(fake: ctypes.CDLL, capsys: pytest.CaptureFixture[str]) -> None:
    DEVICE.conv2d(normal(2, 3, 9, 8), normal(4, 3, 3, 3))
    fastnn.cuda.show_config()
    assert f"cuDNN: 9.19.0 ({fake._name}), 1 convolutions; 0 left" in capsys.readouterr().out
    _core.offer_cudnn([], 1)
    DEVICE.conv2d(normal(2, 3, 9, 8), normal(4, 3, 3, 3))
    fastnn.cuda.show_config()
    assert "cuDNN: not in use: switched off" in capsys.readouterr().out


def test_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "nvidia" / "cudnn" / "lib"
    wheel.mkdir(parents=True)
    (wheel / "libcudnn.so.9").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "nvidia", raising=False)
    monkeypatch.delenv("FASTNN_CUDNN", raising=False)
    found = _cudnn.candidates()
    assert str(wheel / "libcudnn.so.9") in found and found[-1] == "libcudnn.so.9"
    monkeypatch.setenv("FASTNN_CUDNN", "0")
    assert _cudnn.candidates() == []
