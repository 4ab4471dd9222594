"""Reader of IDX files, the format of MNIST."""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 8


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 1 << 32) -> np.ndarray:
    """Array of an IDX file, plain or gzip-compressed.

    Parameters
    ----------
    path : path
    max_bytes : int
        Largest array that is accepted. It is checked against the header before anything of that
        size is allocated, and no more than the header announces is ever decompressed.

    Returns
    -------
    array : ndarray
        uint8, int8, int16, int32, float32 or float64, C-contiguous, native byte order.

    Raises
    ------
    ValueError
        The file is not IDX, is truncated, has bytes left over or is too large.
    OSError
        The file cannot be opened.

    References
    ----------
    LeCun, Cortes and Burges, "The MNIST database", section on file formats.
    """
    name = Path(path).name
    with open(path, "rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            if not compressed:
                return _read(raw, name, max_bytes)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _read(cast(BinaryIO, unpacked), name, max_bytes)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"read_idx: {name} is a damaged gzip file: {error}") from error


def _read(file: BinaryIO, name: str, max_bytes: int) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise ValueError(
            f"read_idx: {name} is no IDX file, it starts with {magic.hex() or 'nothing'}"
        )
    dtype, rank = np.dtype(_DTYPES[magic[2]]), magic[3]
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"read_idx: {name} must have rank 1 to {MAX_RANK}, got {rank}")
    header = file.read(4 * rank)
    if len(header) < 4 * rank:
        raise ValueError(f"read_idx: {name} ends within its header")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    size = math.prod(shape) * dtype.itemsize
    if size > max_bytes:
        raise ValueError(
            f"read_idx: {name} announces {size} bytes, more than max_bytes={max_bytes}"
        )
    data = _read_up_to(file, size + 1)
    if len(data) != size:
        got = "more" if len(data) > size else len(data)
        raise ValueError(f"read_idx: {name} must hold {size} bytes of shape {shape}, got {got}")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_up_to(file: BinaryIO, size: int) -> bytearray:
    """At most ``size`` bytes, grown as they come: a small file cannot claim a large buffer."""
    data = bytearray()
    while len(data) < size and (chunk := file.read(min(1 << 20, size - len(data)))):
        data += chunk
    return data
