"""The same values in other memory: layouts that no result may depend on."""

from collections.abc import Callable
from typing import Any

import numpy as np


def c_order(v: np.ndarray) -> np.ndarray:
    return np.array(v, order="C")


def fortran(v: np.ndarray) -> np.ndarray:
    return np.array(v, order="F")


def channels_last(v: np.ndarray) -> np.ndarray:
    """Axes (N, spatial, C) contiguous; below rank 3 the C order."""
    return np.moveaxis(np.moveaxis(v, 1, -1).copy(), -1, 1) if v.ndim >= 3 else c_order(v)


def stepped(v: np.ndarray) -> np.ndarray:
    """Every second element along each axis of a larger array of other values."""
    larger = np.full([2 * n + 1 for n in v.shape], 77, v.dtype)
    odd: Any = (..., *(slice(1, 2 * n + 1, 2) for n in v.shape))
    view: np.ndarray = larger[odd]
    view[...] = v
    return view


def reversed_axes(v: np.ndarray) -> np.ndarray:
    """Negative strides along each axis."""
    flip: Any = (..., *[slice(None, None, -1)] * v.ndim)
    view: np.ndarray = np.array(v[flip], order="C")[flip]
    return view


def shifted(v: np.ndarray) -> np.ndarray:
    """C order, one element off the start of a buffer."""
    buffer = np.zeros(v.size + 1, v.dtype)
    buffer[1:] = v.reshape(-1)
    return buffer[1:].reshape(v.shape)


def unaligned(v: np.ndarray) -> np.ndarray:
    """C order, one byte off the alignment of the elements."""
    buffer = np.zeros(v.nbytes + 1, np.uint8)
    view = buffer[1:].view(v.dtype).reshape(v.shape)
    view[...] = v
    return view


def read_only(v: np.ndarray) -> np.ndarray:
    view = c_order(v)
    view.flags.writeable = False
    return view


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": c_order,
    "channels-last": channels_last,
    "Fortran": fortran,
    "stepped": stepped,
    "reversed": reversed_axes,
    "shifted": shifted,
    "unaligned": unaligned,
    "read-only": read_only,
}
