"""Arrays that say they live on a CUDA device, for kernels that are emulated on the CPU.

They stand in for CuPy's: the names are CuPy's, and nothing turns one into a NumPy array by
accident. With FASTNN_TEST_CUDA=1 they are CuPy's, and the kernels run on the first CUDA device.
"""

import ctypes
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.cuda import _arrays, _graphs, _libraries, _loading

REAL = os.environ.get("FASTNN_TEST_CUDA", "0") not in ("", "0")
NAME = "cupy" if REAL else "cuda_on_cpu"
xp: Any = __import__("cupy") if REAL else np

GUARD = 256  # bytes on both sides of every array, which no kernel may touch
PATTERN = 0xA5
living: list[Any] = []
captured: list[Any] | None = None  # what the graph that is being captured keeps alive
waits: list[str] = []  # what made the CPU wait for the device


def guarded(shape: tuple[int, ...], dtype: Any, shift: int = 0) -> Any:
    """An array filled with NaN (all bits set) between two guards, ``shift`` off 64 bytes."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = xp.full(size + 2 * GUARD + 128, 0xFF, np.uint8)
    address = raw.data.ptr if REAL else raw.ctypes.data
    start = GUARD + -(address + GUARD) % 64 + shift
    raw[:start] = PATTERN
    raw[start + size :] = PATTERN
    if captured is not None:
        captured.append(raw)
    living.append(raw[:start])
    living.append(raw[start + size :])
    return raw[start : start + size].view(dtype).reshape(shape)


def check_guards() -> None:
    """Fail if a kernel wrote beside an array, and forget the arrays so far."""
    broken = sum(bool((guard != PATTERN).any()) for guard in living)
    living.clear()
    waits.clear()
    assert not broken, f"{broken} guards of arrays were written to"


def run(work: Callable[[], Any]) -> None:
    """Do something on the device: now, or whenever the graph that is being captured is launched."""
    if captured is None:
        work()
    else:
        captured.append(ctypes.CFUNCTYPE(None)(work))
        device_runtime().note(captured[-1])


def wait(what: str) -> None:
    """The CPU waits for the device."""
    if captured is not None:
        raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {what}")
    waits.append(what)


def device_runtime() -> ctypes.CDLL:
    """Functions of tests/cuda_on_cpu/graphs.cc."""
    runtime = ctypes.CDLL(str(_loading.PATH))
    runtime.end_capture.restype = ctypes.c_void_p
    return runtime


class Graph:
    """What a library's graph is; see ``fastnn.cuda._graphs``."""

    def __init__(self) -> None:
        self.runtime, self.handle, self.kept = device_runtime(), None, []

    def warm_up(self, work: Callable[[], Any]) -> Any:
        return work()

    def capture(self, work: Callable[[], Any]) -> Any:
        global captured
        captured = self.kept
        self.runtime.begin_capture()
        try:
            with _graphs.capturing():
                return work()
        finally:
            captured = None
            self.handle = ctypes.c_void_p(self.runtime.end_capture())

    def launch(self) -> None:
        self.runtime.launch_graph(self.handle)

    def __del__(self) -> None:
        if self.handle is not None:
            self.runtime.destroy_graph(self.handle)


class Array:
    """What CuPy's ndarray is to the tests."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.host.__array_interface__, "version": 3}

    def get(self) -> np.ndarray:
        """A copy on the CPU, of the same strides."""
        wait(f"get {self.shape}")
        copy = np.empty_like(self.host)
        copy[...] = self.host
        return copy

    def __float__(self) -> float:
        wait("float")
        return float(self.host)

    def __len__(self) -> int:
        return len(self.host)

    def __getitem__(self, key: Any) -> "Array":
        return Array(self.host[key])

    def __setitem__(self, key: Any, values: Any) -> None:
        given = plain(values)
        run(lambda: self.host.__setitem__(key, given))

    def __iadd__(self, other: Any) -> "Array":
        given = plain(other)
        run(lambda: np.add(self.host, given, out=self.host))
        return self

    def __add__(self, other: Any) -> "Array":
        return computed(np.add, self.host, plain(other))

    def __sub__(self, other: Any) -> "Array":
        return computed(np.subtract, self.host, plain(other))

    def __mul__(self, other: Any) -> "Array":
        return computed(np.multiply, self.host, plain(other))

    def reshape(self, *shape: Any) -> "Array":
        return Array(self.host.reshape(*shape))

    def transpose(self, *axes: Any) -> "Array":
        return Array(self.host.transpose(*axes))

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "strides", "nbytes", "flags"):
            return getattr(self.host, name)
        raise AttributeError(name)


def plain(values: Any) -> Any:
    """The elements of an array of the device, or a number; CuPy takes no NumPy arrays here."""
    if isinstance(values, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return values.host if isinstance(values, Array) else values


def computed(f: Callable[..., Any], *given: Any) -> Array:
    """A guarded array, in C order, of what the function gives."""
    like = f(*given)
    made = guarded(like.shape, like.dtype)
    run(lambda: made.__setitem__(..., f(*given)))
    return Array(made)


def new(host: np.ndarray) -> Array:
    """A guarded array of these values in C order."""
    return computed(np.array, host)


class Library:
    """What fastnn needs of an array library; see ``fastnn.cuda._libraries``."""

    def device(self, array: Array) -> int:
        return 0

    def stream(self, device: int) -> int:
        return 0

    def empty(self, shape: Any, order: Any, dtype: str, device: int) -> Array:
        inverse = np.argsort(order) if len(order) else ()
        return Array(guarded(tuple(shape[axis] for axis in order), dtype).transpose(inverse))

    def zeros(self, size: int, dtype: str, device: int) -> Array:
        return new(np.zeros(size, dtype))

    def asarray(self, host: np.ndarray, device: int) -> Array:
        assert type(host) is np.ndarray and host.flags.c_contiguous
        assert captured is None, "host memory in a graph"
        return new(host)

    def copy(self, array: Array) -> Array:
        return new(array.host)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array.get(), order="C")

    def permuted(self, array: Array, axes: tuple[int, ...]) -> Array:
        return array.transpose(axes)

    def clip_(self, array: Array, bound: float) -> None:
        run(lambda: array.host.clip(-bound, bound, out=array.host))

    def graph(self, device: int) -> Graph:
        return Graph()


class GuardedCuPy(_libraries.CuPy):
    """The real library, with guards around what kernels write."""

    def empty(self, shape: Any, order: Any, dtype: str, device: int) -> Any:
        sizes, back = _libraries.permuted(shape, order)
        with xp.cuda.Device(device):
            return guarded(sizes, dtype).transpose(back)


LIBRARY: _libraries.Library = GuardedCuPy() if REAL else Library()
KIND: type = xp.ndarray if REAL else Array


def to_device(value: Any) -> Any:
    """Arrays, also in lists, on the device, with their strides."""
    if isinstance(value, (list, tuple)):
        return type(value)(to_device(v) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    order = tuple(int(i) for i in np.argsort([-abs(s) for s in value.strides], kind="stable"))
    sizes, back = _libraries.permuted(value.shape, order)
    copy = guarded(sizes, value.dtype, value.ctypes.data % 16).transpose(back)
    steps = tuple(slice(None, None, -1) if s < 0 else slice(None) for s in value.strides)
    copy = copy[(*steps, ...)]
    copy[...] = xp.asarray(np.asarray(value, order="C"))
    return copy if REAL else Array(copy)


def to_host(value: Any) -> Any:
    """Back again."""
    if isinstance(value, (list, tuple)):
        return type(value)(to_host(v) for v in value)
    return _arrays.to_host(value) if isinstance(value, KIND) else value
