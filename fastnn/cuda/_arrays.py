"""Arrays of NumPy and of CUDA libraries alike, for the layers, optimizers and the trainer.

Every function takes either; for NumPy's it costs one comparison of types.
"""

import importlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._graphs import refuse_in_capture
from ._libraries import LIBRARIES, Library, library_of, permuted
from ._loading import load

__all__ = [
    "Place",
    "assign",
    "clip_",
    "copied",
    "dtype_of",
    "joined",
    "like",
    "memory_order",
    "moved",
    "permute",
    "place_named",
    "place_of",
    "to_host",
]


class Place(NamedTuple):
    """A CUDA device and the library that makes arrays on it; the CPU's place is None."""

    library: Library
    device: int


def is_host(array: Any) -> bool:
    return isinstance(array, np.ndarray | np.generic) or not hasattr(
        array, "__cuda_array_interface__"
    )


def place_of(array: Any) -> Place | None:
    """Where an array lives."""
    if is_host(array):
        return None
    library = library_of(array)
    return Place(library, library.device(array))


def place_named(device: str, library: str = "cupy") -> Place | None:
    """The place called "cpu", "cuda" (the first device) or "cuda:1".

    Raises
    ------
    TypeError
        The device is not a string.
    ValueError
        The device or the library is another.
    ImportError
        The library is not installed.
    RuntimeError
        The CUDA kernels cannot be used here.
    """
    if not isinstance(device, str):
        raise TypeError(f"to: device must be a string, got {type(device).__name__}")
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", device)
    if found is None:
        raise ValueError(f'to: device must be "cpu", "cuda" or "cuda:N", got {device!r}')
    if device == "cpu":
        return None
    if library not in LIBRARIES:
        known = " or ".join(map(repr, LIBRARIES))
        raise ValueError(f"to: library must be {known}, got {library!r}")
    load()
    importlib.import_module(library)
    return Place(LIBRARIES[library], int(found[1] or 0))


def dtype_of(array: Any) -> np.dtype:
    """The dtype as NumPy knows it."""
    kind: Any = array.dtype if is_host(array) else array.__cuda_array_interface__["typestr"]
    found: np.dtype = np.dtype(kind)
    return found


def memory_order(array: Any) -> tuple[int, ...]:
    """The axes from the slowest in memory to the fastest."""
    steps = array.strides if is_host(array) else array.__cuda_array_interface__.get("strides")
    axes = range(len(array.shape))
    return tuple(axes) if steps is None else tuple(sorted(axes, key=lambda axis: -steps[axis]))


def permute(array: Any, axes: Sequence[int]) -> Any:
    """The view with the axes in this order."""
    if is_host(array):
        return array.transpose(axes)
    return library_of(array).permuted(array, tuple(axes))


def to_host(array: Any) -> np.ndarray:
    """The array itself if it is NumPy's, else a copy on the CPU, equally ordered in memory.

    It waits for the device.
    """
    if is_host(array):
        return np.asarray(array)
    refuse_in_capture(f"a read of an array of shape {tuple(array.shape)} on the CPU")
    order = memory_order(array)
    back = permuted(array.shape, order)[1]
    library = library_of(array)
    return library.to_host(library.permuted(array, order)).transpose(back)


def moved(array: Any, place: Place | None) -> Any:
    """The array at a place, equally ordered in memory; itself if it is there."""
    if place is None:
        return to_host(array)
    if place_of(array) == place:
        return array
    refuse_in_capture(
        f"an array of shape {np.shape(array)} that comes from elsewhere in every step"
    )
    host = to_host(array)
    order = memory_order(host)
    back = permuted(host.shape, order)[1]
    there = place.library.asarray(np.asarray(host.transpose(order), order="C"), place.device)
    return place.library.permuted(there, back)


def copied(array: Any) -> Any:
    """A copy at the same place."""
    return np.array(array) if is_host(array) else library_of(array).copy(array)


def like(values: Any, array: Any) -> Any:
    """Numbers as an array of another's dtype, where that is."""
    if isinstance(array, np.ndarray):
        return np.asarray(values, array.dtype)
    if is_host(values):
        values = np.asarray(values, dtype_of(array))
    return moved(values, place_of(array))


def assign(target: Any, values: Any) -> None:
    """target[...] = values, also from the CPU to the device; kinds of dtypes must agree."""
    if isinstance(target, np.ndarray):
        np.copyto(target, to_host(values), casting="same_kind")
    else:
        host = to_host(values).astype(dtype_of(target), order="K", casting="same_kind", copy=False)
        target[...] = moved(host, place_of(target))


def clip_(array: Any, bound: float) -> None:
    """Clip every value to [-bound, bound], in place."""
    if isinstance(array, np.ndarray):
        np.clip(array, -bound, bound, out=array)
    else:
        library_of(array).clip_(array, bound)


def joined(arrays: Sequence[Any]) -> Any:
    """The arrays one behind the other on axis 1, joined on the last axis of channels-last views."""
    if isinstance(arrays[0], np.ndarray):
        return np.moveaxis(np.concatenate([np.moveaxis(y, 1, -1) for y in arrays], -1), -1, 1)
    place, shape = place_of(arrays[0]), list(arrays[0].shape)
    assert place is not None
    shape[1] = sum(y.shape[1] for y in arrays)
    order = (0, *range(2, len(shape)), 1)
    made = place.library.empty(tuple(shape), order, dtype_of(arrays[0]).str[1:], place.device)
    start = 0
    for y in arrays:
        made[:, start : start + y.shape[1]] = y
        start += y.shape[1]
    return made
