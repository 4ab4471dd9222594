"""Fixtures for the whole suite."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cuda_on_cpu import arrays, compile_kernels, compiler

import fastnn
import fastnn.cuda
from fastnn.cuda import _libraries, _loading

# bench is not installed; last, so that an installed fastnn is found before the source tree's
sys.path.append(str(Path(__file__).parent.parent))


@pytest.fixture(params=fastnn.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every instruction set that this machine has, one after the other."""
    before = fastnn.get_isa()
    fastnn.set_isa(request.param)
    yield request.param
    fastnn.set_isa(before)


@pytest.fixture(params=[1, 2, 3, 7])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Thread counts below, at and above what the machine has."""
    with fastnn.threads(request.param):
        yield request.param


@pytest.fixture(scope="session")
def cuda_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CUDA kernels, compiled for the CPU; with FASTNN_TEST_CUDA=1 those that are installed."""
    if arrays.REAL:
        assert (found := fastnn.cuda.is_available()), found
        return _loading.PATH
    if compiler() is None:
        pytest.skip("needs a C++ compiler")
    return compile_kernels(tmp_path_factory.mktemp("cuda_on_cpu"))


@pytest.fixture
def cuda_on_cpu(cuda_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU plays a CUDA device for the arrays of ``cuda_on_cpu.arrays``, or there is one."""
    monkeypatch.setattr(_loading, "PATH", cuda_library)
    if not arrays.REAL:  # what drives a real device is no use to the CPU
        monkeypatch.setattr(_loading, "candidates", list)
        monkeypatch.setenv("FASTNN_CUDNN", "0")
    monkeypatch.setitem(_libraries.LIBRARIES, arrays.NAME, arrays.LIBRARY)
