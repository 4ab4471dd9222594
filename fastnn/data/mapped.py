"""Arrays larger than memory: ``.npy`` files that are written batch by batch and mapped."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy


def write_npy(path: str | os.PathLike[str], batches: Iterable[np.ndarray]) -> int:
    """Write ``batches`` one after the other as a single array; returns its length.

    Images, (N, C, H, W), are written channels-last, as (N, H, W, C), which is how the
    :class:`Loader` reads them. Any NumPy reads the file.

    Parameters
    ----------
    path : path
        A ``.npy`` file; it takes this name when it is complete.
    batches : iterable of ndarray (n, ...)
        One shape but for n, and one dtype. Only one of them is in memory at a time.

    Raises
    ------
    ValueError
        There is no batch, or a batch has another shape.
    TypeError
        A batch has another dtype, or one of objects.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.part")
    first, count = None, 0
    try:
        with open(temporary, "wb") as file:
            for batch in batches:
                if batch.ndim == 0 or batch.dtype.hasobject:
                    raise TypeError(
                        "write_npy: batches must be (n, ...) of numbers, "
                        f"got {batch.dtype} {batch.shape}"
                    )
                rows = np.ascontiguousarray(np.moveaxis(batch, 1, -1) if batch.ndim > 2 else batch)
                if first is None:
                    first = rows[:0]
                    _header(file, first, 0)
                if rows.shape[1:] != first.shape[1:]:
                    raise ValueError(
                        "write_npy: batches must agree in all axes but the first, "
                        f"got {first.shape[1:]} and then {rows.shape[1:]} (channels last)"
                    )
                if rows.dtype != first.dtype:
                    raise TypeError(
                        f"write_npy: batches must be of one dtype, got {first.dtype} "
                        f"and then {rows.dtype}"
                    )
                rows.tofile(file)
                count += len(rows)
            if first is None:
                raise ValueError("write_npy: batches must be at least one, got none")
            file.seek(0)
            _header(file, first, count)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _header(file: BinaryIO, like: np.ndarray, count: int) -> None:
    """NumPy leaves room for the largest count in the first axis, so all are of one size."""
    fields = {
        "descr": npy.dtype_to_descr(like.dtype),
        "fortran_order": False,
        "shape": (count, *like.shape[1:]),
    }
    npy.write_array_header_1_0(file, fields)


def open_npy(path: str | os.PathLike[str], *, channels_last: bool = True) -> np.ndarray:
    """A ``.npy`` file as an array that stays on disk: the system reads the pages that are used.

    The :class:`Loader` takes such an array as it is and copies no more than the samples of a
    batch, so that a data set may be larger than memory.

    Parameters
    ----------
    path : path
    channels_last : bool
        The file holds images as (N, H, W, C), as :func:`write_npy` leaves them. The array is then
        a view (N, C, H, W) of them; so for any rank above 2. False: the axes as they are.

    Returns
    -------
    array : ndarray, read-only

    Raises
    ------
    ValueError
        The file is no ``.npy`` file, is truncated, or holds pickled objects, which are never
        loaded.
    OSError
        The file cannot be opened.
    """
    try:
        mapped: np.ndarray = npy.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # NumPy parses the header as Python and raises what that meets
        raise ValueError(f"open_npy: {Path(path).name} is no array to map: {error}") from error
    array = mapped.view(np.ndarray)
    return np.moveaxis(array, -1, 1) if channels_last and array.ndim > 2 else array
