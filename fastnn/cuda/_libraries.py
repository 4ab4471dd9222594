"""How fastnn works beside the array libraries of CUDA: it allocates through them, on their stream.

The extension calls :func:`describe`, :func:`capsule_of`, :func:`library_and_stream`,
:func:`reshaped` and the libraries' ``empty``. A library whose array is at hand has been imported.
"""

import importlib
import sys
from typing import Any, Protocol

import numpy as np

from ._graphs import CuPyGraph, Graph, TorchGraph
from ._loading import load

__all__ = [
    "LIBRARIES",
    "Library",
    "capsule_of",
    "describe",
    "library_and_stream",
    "library_of",
    "reshaped",
]

Shape = tuple[int, ...]


class Library(Protocol):
    """What fastnn needs of an array library."""

    def device(self, array: Any) -> int:
        """The number of the CUDA device that holds the array."""

    def stream(self, device: int) -> int:
        """The address of the current stream of a device."""

    def empty(self, shape: Shape, order: Shape, dtype: str, device: int) -> Any:
        """A new array, dense in memory in this order of its axes.

        dtype is as in NumPy's ``"f4"``; ``"V2"`` is bfloat16.
        """

    def zeros(self, size: int, dtype: str, device: int) -> Any:
        """A new array of one axis, whose memory is aligned to 64 bytes or more."""

    def asarray(self, host: np.ndarray, device: int) -> Any:
        """A copy of a C-contiguous NumPy array, in the order of the current stream."""

    def copy(self, array: Any) -> Any:
        """A copy on the same device."""

    def to_host(self, array: Any) -> np.ndarray:
        """A C-contiguous copy on the CPU, which waits for the device."""

    def permuted(self, array: Any, axes: Shape) -> Any:
        """The view that NumPy's ``transpose(axes)`` is."""

    def clip_(self, array: Any, bound: float) -> None:
        """Clip every value to [-bound, bound], in place."""

    def graph(self, device: int) -> Graph:
        """A CUDA graph that is yet to be captured."""


def permuted(shape: Shape, order: Shape) -> tuple[Shape, Shape]:
    """The shape in the order of memory, and the permutation that leads back."""
    inverse = [0] * len(order)
    for position, axis in enumerate(order):
        inverse[axis] = position
    return tuple(shape[axis] for axis in order), tuple(inverse)


TORCH_KINDS = {
    "f2": "float16",
    "V2": "bfloat16",
    "f4": "float32",
    "f8": "float64",
    "u1": "uint8",
    "i8": "int64",
}


class CuPy:
    """Arrays of CuPy, on its current stream, from its memory pool."""

    def device(self, array: Any) -> int:
        return int(array.device.id)

    def stream(self, device: int) -> int:
        cupy: Any = sys.modules["cupy"]
        with cupy.cuda.Device(device):
            return int(cupy.cuda.get_current_stream().ptr)

    def empty(self, shape: Shape, order: Shape, dtype: str, device: int) -> Any:
        cupy: Any = sys.modules["cupy"]
        sizes, back = permuted(shape, order)
        with cupy.cuda.Device(device):
            kind = importlib.import_module("ml_dtypes").bfloat16 if dtype == "V2" else dtype
            return cupy.empty(sizes, kind).transpose(back)

    def zeros(self, size: int, dtype: str, device: int) -> Any:
        cupy: Any = sys.modules["cupy"]
        with cupy.cuda.Device(device):
            return cupy.zeros(size, dtype)

    def asarray(self, host: np.ndarray, device: int) -> Any:
        cupy: Any = sys.modules["cupy"]
        with cupy.cuda.Device(device):
            return cupy.array(host)

    def copy(self, array: Any) -> Any:
        with array.device:
            return array.copy()

    def to_host(self, array: Any) -> np.ndarray:
        return np.asarray(array.get())

    def permuted(self, array: Any, axes: Shape) -> Any:
        return array.transpose(axes)

    def clip_(self, array: Any, bound: float) -> None:
        array.clip(-bound, bound, out=array)

    def graph(self, device: int) -> Graph:
        return CuPyGraph(device)


class Torch:
    """Tensors of PyTorch, on its current stream, from its caching allocator."""

    def name(self, device: int) -> str:
        return f"cuda:{device}"

    def device(self, array: Any) -> int:
        return int(array.device.index)

    def stream(self, device: int) -> int:
        torch: Any = sys.modules["torch"]
        return int(torch.cuda.current_stream(device).cuda_stream)

    def empty(self, shape: Shape, order: Shape, dtype: str, device: int) -> Any:
        torch: Any = sys.modules["torch"]
        sizes, back = permuted(shape, order)
        kind = getattr(torch, TORCH_KINDS[dtype])
        return torch.empty(sizes, dtype=kind, device=self.name(device)).permute(back)

    def zeros(self, size: int, dtype: str, device: int) -> Any:
        torch: Any = sys.modules["torch"]
        return torch.zeros(size, dtype=getattr(torch, TORCH_KINDS[dtype]), device=self.name(device))

    def asarray(self, host: np.ndarray, device: int) -> Any:
        torch: Any = sys.modules["torch"]
        return torch.tensor(host, device=self.name(device))

    def copy(self, array: Any) -> Any:
        return array.clone()

    def to_host(self, array: Any) -> np.ndarray:
        return np.asarray(array.detach().cpu().numpy(), order="C")

    def permuted(self, array: Any, axes: Shape) -> Any:
        return array.permute(axes)

    def clip_(self, array: Any, bound: float) -> None:
        array.clamp_(-bound, bound)

    def graph(self, device: int) -> Graph:
        return TorchGraph(device)


LIBRARIES: dict[str, Library] = {"cupy": CuPy(), "torch": Torch()}


CUDA_KINDS = (2, 13)  # DLPack's device types: CUDA, CUDA's managed memory


def module_of(array: Any) -> str:
    return type(array).__module__.partition(".")[0]


def library_of(array: Any) -> Library:
    """The library that an array comes from."""
    name = module_of(array)
    if name not in LIBRARIES:
        known = " or ".join(sorted(LIBRARIES))
        raise TypeError(
            f"the first CUDA array must come from {known}, whose arrays can be made here, "
            f"got {name}.{type(array).__name__}"
        )
    return LIBRARIES[name]


def describe(array: Any) -> tuple[str, Shape, Shape | None, int, bool, int] | None:
    """dtype, shape, strides in bytes, address, writable and device of a CUDA array.

    None for whatever has no ``__cuda_array_interface__``, or one that cannot name the dtype, and
    for what DLPack describes better: arrays of a library that is not known here.
    """
    if isinstance(array, type):
        return None
    if module_of(array) not in LIBRARIES and hasattr(array, "__dlpack_device__"):
        return None
    try:
        interface = getattr(array, "__cuda_array_interface__", None)
    except (KeyError, TypeError):
        return None
    if interface is None:
        return None
    pointer, read_only = interface["data"]
    device = library_of(array).device(array)
    strides = interface.get("strides")
    return interface["typestr"], tuple(interface["shape"]), strides, pointer, not read_only, device


def capsule_of(array: Any, stream: int | None) -> tuple[Any, int, bool] | None:
    """The DLPack capsule of a CUDA array, its device, and whether it may be written to.

    None for whatever is not on a CUDA device. ``stream`` is the one that will use the memory, None
    the current one of the array's library.
    """
    if isinstance(array, type) or not hasattr(array, "__dlpack_device__"):
        return None
    kind, device = array.__dlpack_device__()
    if int(kind) not in CUDA_KINDS:
        return None
    if stream is None:
        stream = library_of(array).stream(device)
    stream = stream or 1  # the default stream, in DLPack's numbers
    try:
        capsule = array.__dlpack__(stream=stream, max_version=(1, 0))
    except TypeError:  # from before versions
        capsule = array.__dlpack__(stream=stream)
    return capsule, int(device), module_of(array) in LIBRARIES


def library_and_stream(array: Any, device: int) -> tuple[Library, int]:
    """The library of a CUDA array and the address of its current stream."""
    load()
    library = library_of(array)
    return library, library.stream(device)


def reshaped(array: Any, shape: Shape) -> Any:
    """A view of the array's elements in C order."""
    return array.reshape(shape)
