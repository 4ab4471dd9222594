"""CIFAR-10 and CIFAR-100 from their binary files; the pickled ones are never read."""

import os
import zlib
from pathlib import Path

import numpy as np

from ..io import write_atomically
from .download import fetch
from .sets import Split

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
PIXELS = 3 * 32 * 32
MAX_FILE = 1 << 28
"""Largest member of an archive that is unpacked: the largest official one has 154 MB."""

URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR100_MD5 = "03b5dce01913d631647c71ecec9e9cb8"


def read_cifar(
    path: str | os.PathLike[str], *, label_bytes: int = 1, max_bytes: int = 1 << 32
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one binary file: records of the labels and 3072 bytes of pixels.

    Parameters
    ----------
    path : path
    label_bytes : int
        1 in CIFAR-10; 2 in CIFAR-100, the coarse class and the fine one.
    max_bytes : int
        Largest file that is accepted.

    Returns
    -------
    x : uint8 (N, 3, 32, 32), channels-last in memory
    labels : uint8 (N, label_bytes)

    Raises
    ------
    ValueError
        The file holds no whole number of records, none, or more than ``max_bytes``.
    OSError
        The file cannot be opened.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009; the format is
    described at https://www.cs.toronto.edu/~kriz/cifar.html, section "Binary version".
    """
    record, name = label_bytes + PIXELS, Path(path).name
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0 or size % record:
            raise ValueError(f"read_cifar: {name} must hold records of {record} bytes, got {size}")
        if size > max_bytes:
            raise ValueError(
                f"read_cifar: {name} has {size} bytes, more than max_bytes={max_bytes}"
            )
        data = file.read(size)
    if len(data) != size:
        raise ValueError(f"read_cifar: {name} shrank from {size} to {len(data)} bytes")
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)
    planes = rows[:, label_bytes:].reshape(-1, 3, 32, 32)
    x = np.ascontiguousarray(planes.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return x, rows[:, :label_bytes].copy()


def load_cifar10(root: str | os.PathLike[str], *, download: bool = False) -> Split:
    """CIFAR-10, small photographs of ten kinds of things, from its six binary files.

    The names of the classes are ``CIFAR10_CLASSES``.

    Parameters
    ----------
    root : path
        Folder of the ``.bin`` files, or of ``cifar-10-batches-bin`` with them, or of
        ``cifar-10-binary.tar.gz``, which is then unpacked there.
    download : bool
        Fetch the archive (162 MB) if the files are missing, and check its MD5 sum.

    Returns
    -------
    x_train : uint8 (50000, 3, 32, 32), channels-last in memory
    y_train : int64 (50000,)
    x_test : uint8 (10000, 3, 32, 32)
    y_test : int64 (10000,)

    Raises
    ------
    FileNotFoundError
        A file is missing; the message names it.
    ValueError
        A file is damaged, or a label is out of range.
    OSError
        The download failed.
    ImportError
        ``download`` is needed and pooch is not installed.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    folder = _folder(
        Path(root), "cifar-10-batches-bin", names, "cifar-10-binary.tar.gz", CIFAR10_MD5, download
    )
    return _load([folder / name for name in names], label_bytes=1, column=0, classes=10)


def load_cifar100(
    root: str | os.PathLike[str], *, coarse: bool = False, download: bool = False
) -> Split:
    """CIFAR-100: as :func:`load_cifar10`, with 100 classes in 20 superclasses.

    Returns and errors are those of :func:`load_cifar10`.

    Parameters
    ----------
    root : path
        Folder of ``train.bin`` and ``test.bin``, or of ``cifar-100-binary`` with them, or of
        ``cifar-100-binary.tar.gz``, which is then unpacked there.
    coarse : bool
        Give the 20 superclasses as labels.
    download : bool
        Fetch the archive (161 MB) if the files are missing, and check its MD5 sum.
    """
    names = ["train.bin", "test.bin"]
    folder = _folder(
        Path(root), "cifar-100-binary", names, "cifar-100-binary.tar.gz", CIFAR100_MD5, download
    )
    paths = [folder / name for name in names]
    return _load(paths, label_bytes=2, column=1 - coarse, classes=20 if coarse else 100)


def _load(paths: list[Path], label_bytes: int, column: int, classes: int) -> Split:
    """The last file is the test part, those before it the training part."""
    images, labels = [], []
    for path in paths:
        x, y = read_cifar(path, label_bytes=label_bytes)
        largest = int(y[:, column].max())
        if largest >= classes:
            raise ValueError(f"{path.name}: labels must be below {classes}, got {largest}")
        images.append(x.transpose(0, 2, 3, 1))
        labels.append(y[:, column].astype(np.int64))
    x_train = np.concatenate(images[:-1]).transpose(0, 3, 1, 2)
    return Split(x_train, np.concatenate(labels[:-1]), images[-1].transpose(0, 3, 1, 2), labels[-1])


def _folder(
    root: Path, inner: str, names: list[str], archive: str, md5: str, download: bool
) -> Path:
    """Folder that has all the files, unpacked and downloaded as need be."""
    for folder in (root, root / inner):
        if all((folder / name).is_file() for name in names):
            return folder
    packed = root / archive
    if not packed.is_file():
        if not download:
            missing = [n for n in names if not (root / inner / n).is_file()]
            raise FileNotFoundError(
                f"{root} has neither {archive} nor, in itself or in {inner}, {', '.join(missing)}; "
                "download=True fetches them"
            )
        packed = fetch(URL + archive, md5, root)
    _unpack(packed, root / inner, names)
    return root / inner


def _unpack(archive: Path, folder: Path, names: list[str]) -> None:
    """Write the members ``names``, and nothing else, whatever paths the archive has."""
    import tarfile

    folder.mkdir(exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in names:
                member = tar.getmember(f"{folder.name}/{name}")
                if not member.isreg() or member.size > MAX_FILE:
                    raise ValueError(
                        f"{archive.name}: {name} is no file of at most {MAX_FILE} bytes"
                    )
                file = tar.extractfile(member)
                assert file is not None  # a regular member has contents
                write_atomically(folder / name, file.read(member.size))
    except (tarfile.TarError, EOFError, KeyError, zlib.error) as error:
        raise ValueError(f"{archive.name} is damaged or another archive: {error}") from error
