"""Weights on disk: safetensors with strict caps, written atomically. Nothing is ever unpickled."""

import json
import math
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from .cuda._arrays import to_host

__all__ = ["load_safetensors", "read_metadata", "save_safetensors", "write_atomically"]

MAX_HEADER = 1 << 20
MAX_TENSORS = 100_000
MAX_RANK = 8
MAX_NAME = 512
_ITEMSIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "BOOL": 1,
}

StrPath = str | os.PathLike[str]


def write_atomically(path: StrPath, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either its old content or all of the new.

    The bytes go to a temporary file in the same folder, reach the disk (fsync) and take the name
    in one step (rename).
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_safetensors(
    tensors: Mapping[str, np.ndarray], path: StrPath, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays to a safetensors file, atomically.

    Parameters
    ----------
    tensors : mapping of str to ndarray
    path : path
    metadata : mapping of str to str, optional

    Raises
    ------
    ValueError
        The file would not pass :func:`load_safetensors`.
    """
    from safetensors.numpy import save

    arrays = {
        name: np.array(to_host(array), order="C", copy=None) for name, array in tensors.items()
    }
    data = save(arrays, dict(metadata) if metadata else None)
    _header(data, len(data), Path(path).name)
    write_atomically(path, data)


def load_safetensors(path: StrPath, *, max_bytes: int = 1 << 34) -> dict[str, np.ndarray]:
    """Arrays of a safetensors file.

    Parameters
    ----------
    path : path
    max_bytes : int
        Largest file that is accepted.

    Raises
    ------
    ValueError
        The file is damaged or hostile: header over 1 MiB, more than 100,000 tensors, rank over 8,
        names over 512 bytes or not printable, duplicate names, bytes missing, shared or left
        over, or a dtype that NumPy lacks.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with open(path, "rb") as file:
        head, size, _ = _read_header(file, max_bytes)
        try:
            arrays: dict[str, np.ndarray] = load(head + file.read(size - len(head)))
        except SafetensorError as error:
            raise ValueError(f"{Path(path).name}: {error}") from error
    return arrays


def read_metadata(path: StrPath, *, max_bytes: int = 1 << 34) -> dict[str, str]:
    """Metadata of a safetensors file; same checks as :func:`load_safetensors`."""
    with open(path, "rb") as file:
        _, _, header = _read_header(file, max_bytes)
    return cast(dict[str, str], header.get("__metadata__", {}))


def _read_header(file: BinaryIO, max_bytes: int) -> tuple[bytes, int, dict[str, Any]]:
    """First bytes, size and header, checked before more is read: a bad file costs 1 MiB."""
    name, size = Path(file.name).name, os.fstat(file.fileno()).st_size
    if size > max_bytes:
        raise ValueError(f"{name}: {size} bytes, more than max_bytes={max_bytes}")
    head = file.read(8)
    head += file.read(min(int.from_bytes(head, "little"), MAX_HEADER))
    return head, size, _header(head, size, name)


def _header(data: bytes, size: int, name: str) -> dict[str, Any]:
    """Header of a file of ``size`` bytes, checked; ``data``: its first bytes, at least these."""

    def refuse(reason: str) -> ValueError:
        return ValueError(f"{name} is no safetensors file that fastnn accepts: {reason}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("duplicate names")
        return dict(pairs)

    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER, len(data) - 8):
        if data.startswith((b"PK", b"\x80")):
            raise refuse(
                "it looks like a pickle (torch.save), which is never read; convert it where it "
                "was made: safetensors.torch.save_file(model.state_dict(), path)"
            )
        raise refuse(f"its header of {length} bytes is over {MAX_HEADER} or beyond the end")
    try:
        header = json.loads(data[8 : 8 + length].decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise refuse(f"its header is not JSON: {error}") from error
    if not isinstance(header, dict) or len(header) > MAX_TENSORS + 1:
        raise refuse(f"its header is not an object of at most {MAX_TENSORS} tensors")
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise refuse("its metadata are not strings")
    spans = []
    for key, info in header.items():
        if key != "__metadata__":
            problem, span = _check_tensor(key, info)
            if problem:
                raise refuse(f"tensor {key[:80]!r}: {problem}")
            spans.append(span)
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise refuse(f"bytes {min(start, end)} to {max(start, end)} are shared or unused")
        end = stop
    if end != size - 8 - length:
        raise refuse(f"its tensors take {end} bytes, the file has {size - 8 - length}")
    return header


def _check_tensor(key: str, info: Any) -> tuple[str, tuple[int, int]]:
    """What is wrong with a tensor's entry (empty: nothing), and its span of bytes."""
    if len(key.encode("utf-8", "replace")) > MAX_NAME or not key.isprintable():
        return f"its name is over {MAX_NAME} bytes or not printable", (0, 0)
    if not isinstance(info, dict) or info.keys() != {"dtype", "shape", "data_offsets"}:
        return "needs dtype, shape and data_offsets, no more", (0, 0)
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEMSIZES:
        return f"dtype {repr(dtype)[:40]} is not one of {', '.join(_ITEMSIZES)}", (0, 0)
    if not _sizes(shape) or len(shape) > MAX_RANK:
        return f"shape must be at most {MAX_RANK} sizes, got {shape!r}"[:200], (0, 0)
    if not _sizes(offsets) or len(offsets) != 2:
        return f"data_offsets must be two numbers, got {offsets!r}"[:200], (0, 0)
    size = math.prod(shape) * _ITEMSIZES[dtype]
    if offsets[1] - offsets[0] != size:
        return f"its shape takes {size} bytes, data_offsets {offsets}"[:200], (0, 0)
    return "", (offsets[0], offsets[1])


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 63 for v in values)
