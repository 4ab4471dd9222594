"""How fastnn works beside the array libraries of CUDA: it allocates through them, on their stream.

The extension calls :func:`describe`, :func:`library_and_stream`, :func:`reshaped` and the
libraries' ``empty``. A library whose array is at hand has been imported.
"""

import sys
from typing import Any, Protocol

from ._loading import load

__all__ = ["LIBRARIES", "Library", "describe", "library_and_stream", "library_of", "reshaped"]

Shape = tuple[int, ...]


class Library(Protocol):
    """What fastnn needs of an array library."""

    def device(self, array: Any) -> int:
        """The number of the CUDA device that holds the array."""

    def stream(self, device: int) -> int:
        """The address of the current stream of a device."""

    def empty(self, shape: Shape, order: Shape, dtype: str, device: int) -> Any:
        """A new array, dense in memory in this order of its axes; dtype as in NumPy's ``"f4"``."""


def permuted(shape: Shape, order: Shape) -> tuple[Shape, Shape]:
    """The shape in the order of memory, and the permutation that leads back."""
    inverse = [0] * len(order)
    for position, axis in enumerate(order):
        inverse[axis] = position
    return tuple(shape[axis] for axis in order), tuple(inverse)


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
            return cupy.empty(sizes, dtype).transpose(back)


class Torch:
    """Tensors of PyTorch, on its current stream, from its caching allocator."""

    def device(self, array: Any) -> int:
        return int(array.device.index)

    def stream(self, device: int) -> int:
        torch: Any = sys.modules["torch"]
        return int(torch.cuda.current_stream(device).cuda_stream)

    def empty(self, shape: Shape, order: Shape, dtype: str, device: int) -> Any:
        torch: Any = sys.modules["torch"]
        kinds = {"f2": "float16", "f4": "float32", "f8": "float64", "u1": "uint8", "i8": "int64"}
        sizes, back = permuted(shape, order)
        kind = getattr(torch, kinds[dtype])
        return torch.empty(sizes, dtype=kind, device=f"cuda:{device}").permute(back)


LIBRARIES: dict[str, Library] = {"cupy": CuPy(), "torch": Torch()}


def library_of(array: Any) -> Library:
    """The library that an array comes from."""
    name = type(array).__module__.partition(".")[0]
    if name not in LIBRARIES:
        known = " or ".join(sorted(LIBRARIES))
        raise TypeError(f"CUDA arrays must come from {known}, got {name}.{type(array).__name__}")
    return LIBRARIES[name]


def describe(array: Any) -> tuple[str, Shape, Shape | None, int, bool, int] | None:
    """dtype, shape, strides in bytes, address, writable and device of a CUDA array.

    None for whatever has no ``__cuda_array_interface__``.
    """
    if isinstance(array, type):
        return None
    interface = getattr(array, "__cuda_array_interface__", None)
    if interface is None:
        return None
    pointer, read_only = interface["data"]
    device = library_of(array).device(array)
    strides = interface.get("strides")
    return interface["typestr"], tuple(interface["shape"]), strides, pointer, not read_only, device


def library_and_stream(array: Any, device: int) -> tuple[Library, int]:
    """The library of a CUDA array and the address of its current stream."""
    load()
    library = library_of(array)
    return library, library.stream(device)


def reshaped(array: Any, shape: Shape) -> Any:
    """A view of the array's elements in C order."""
    return array.reshape(shape)
