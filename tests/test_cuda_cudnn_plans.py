"""The real cuDNN plans our convolutions, without a device: ``pip install nvidia-cudnn-cu13``."""

import ctypes
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import HERE, arrays, compile_stand_in
from cuda_on_cpu.harness import DEVICE

from fastnn import _core, functional
from fastnn.cuda._cublas import in_wheels

pytestmark = [
    pytest.mark.usefixtures("cuda_on_cpu"),
    pytest.mark.skipif(arrays.REAL, reason="plans without a device"),
]
# What plans are for: cuDNN's names of a card's properties, here an H100's.
CARD = {
    "deviceVer": 900,
    "multiProcessorCount": 132,
    "smCountOrigin": 0,
    "driverVer": 13000,
    "runtimeVer": 13000,
    "cudaDeviceId": 0,
    "deviceName": "NVIDIA H100",
    "pciDeviceId": 1,
    "isTccDriver": 0,
    "supportCoopLaunch": 1,
    "warpSize": 32,
    "maxGridSize": [2147483647, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64],
    "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 2048,
    "maxCtasPerSM": 32,
    "regsPerBlock": 65536,
    "maxRegistersPerSM": 65536,
    "maxSharedMemoryPerBlock": 49152,
    "maxSharedMemoryPerBlockOptin": 232448,
    "oversizedSharedMemoryPerBlock": 0,
    "reservedSharedMemoryPerBlock": 1024,
    "totalGlobalMem": 80 << 30,
    "l2CacheSize": 50 << 20,
    "smClockRateKHz": 1980000,
    "memClockRateKHz": 2619000,
    "memoryBusWidth": 5120,
}
# cuDNN's engines are linked against the driver's library; planning needs nothing of it.
DRIVER = (
    "cuGetErrorString",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuTensorMapEncodeIm2col",
    "cuTensorMapEncodeTiled",
)


def load_driver(folder: Path) -> None:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        source = folder / "driver.cc"
        source.write_text(
            "".join(f'extern "C" int {name}() {{ return 100; }}\n' for name in DRIVER)
        )
        stub = compile_stand_in(source, folder / "libcuda.so.1", "-Wl,-soname,libcuda.so.1")
        ctypes.CDLL(str(stub), ctypes.RTLD_GLOBAL)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    found = in_wheels([("nvidia.cudnn", "libcudnn.so.9")])
    if not found:
        pytest.skip("needs cuDNN's wheel: pip install nvidia-cudnn-cu13")
    folder = tmp_path_factory.mktemp("planned")
    load_driver(folder)
    library = ctypes.CDLL(
        str(compile_stand_in(HERE / "planned_cudnn.cc", folder / "libcudnn.so.9"))
    )
    library.planned_executed.restype = ctypes.POINTER(ctypes.c_int64)
    if status := library.planned_open(found[0].encode(), json.dumps(CARD).encode()):
        pytest.skip(f"this cuDNN does not plan without a device: {status}")
    return library


@pytest.fixture
def offered(planned: ctypes.CDLL, cuda_on_cpu: None) -> Iterator[ctypes.CDLL]:
    functional.relu(arrays.to_device(np.ones(1, np.float32)))  # loads the kernels
    _core.offer_cudnn([planned._name], 1)
    yield planned
    _core.offer_cudnn([], 1)


def check(planned: ctypes.CDLL, runs: int, dtype: type) -> None:
    _, version, ran, own, problem = _core.cudnn_state()
    assert version >= 90000 and (ran, own, problem) == (runs, 0, "")
    _, _, workspace, notes = planned.planned_executed()[:4]
    assert 0 <= workspace <= 256 << 20
    rounds_or_varies = 0b11110 | (dtype is np.float32) | 0b111100000
    assert notes & rounds_or_varies == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "x, weight, options",
    [
        ((4, 32, 16, 16), (32, 32, 3, 3), {"padding": 1}),
        ((4, 3, 16, 16), (16, 3, 3, 3), {"padding": 1}),
        ((4, 32, 16, 16), (64, 32, 3, 3), {"padding": 1, "stride": 2}),
        ((4, 32, 17, 16), (64, 32, 5, 3), {"padding": ((1, 2), (0, 1)), "stride": (2, 1)}),
        ((4, 32, 16, 16), (32, 16, 3, 3), {"padding": 2, "dilation": 2, "groups": 2}),
        ((4, 5, 15, 15), (7, 5, 3, 3), {"padding": "same"}),
        ((4, 32, 16, 16), (64, 32, 1, 1), {"stride": 2}),
    ],
)
def test_conv2d(
    offered: ctypes.CDLL,
    x: tuple[int, ...],
    weight: tuple[int, ...],
    options: Any,
    dtype: type,
) -> None:
    a, w = np.ones(x, dtype), np.ones(weight, dtype)
    y = DEVICE.conv2d(a, w, **options)
    check(offered, 1, dtype)
    for runs, need in ((2, "x"), (3, "weight")):
        DEVICE.conv2d_backward(y, a, w, needs=(need,), **options)
        check(offered, runs, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conv_transpose2d(offered: ctypes.CDLL, dtype: type) -> None:
    x, weight = np.ones((4, 32, 8, 8), dtype), np.ones((32, 16, 3, 3), dtype)
    options = {"stride": 2, "padding": 1, "output_padding": 1}
    y = DEVICE.conv_transpose2d(x, weight, **options)
    check(offered, 1, dtype)
    for runs, need in ((2, "x"), (3, "weight")):
        DEVICE.conv_transpose2d_backward(y, x, weight, needs=(need,), **options)
        check(offered, runs, dtype)
