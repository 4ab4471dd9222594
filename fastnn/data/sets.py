"""Data sets in IDX files: the bundled digits, MNIST and Fashion-MNIST."""

import os
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .download import fetch
from .idx import read_idx

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_MD5 = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
FASHION_MNIST_URL = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
)
FASHION_MNIST_MD5 = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}


class Split(NamedTuple):
    """A data set in two parts."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """The bundled handwritten digits: 1,797 images of 8 x 8 pixels, ten classes.

    Returns
    -------
    x : uint8 (1797, 1, 8, 8), values 0 to 16
    y : int64 (1797,), values 0 to 9

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0.
    """
    with as_file(files(__package__) / "digits") as folder:
        return _images_and_labels(folder / "images-idx3-ubyte.gz", folder / "labels-idx1-ubyte.gz")


def load_mnist(root: str | os.PathLike[str], *, download: bool = False) -> Split:
    """MNIST, handwritten digits, from its four IDX files in ``root``, plain or with ``.gz``.

    Parameters
    ----------
    root : path
        Folder of the files.
    download : bool
        Fetch the files that are missing (11 MB) and check their MD5 sums.

    Returns
    -------
    x_train : uint8 (60000, 1, 28, 28)
    y_train : int64 (60000,)
    x_test : uint8 (10000, 1, 28, 28)
    y_test : int64 (10000,)

    Raises
    ------
    FileNotFoundError
        A file is missing; the message names it.
    ValueError
        A file is damaged, or images and labels do not belong together.
    OSError
        The download failed.
    ImportError
        ``download`` is needed and pooch is not installed.

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """
    return _load(Path(root), MNIST_URL if download else None, MNIST_MD5)


def load_fashion_mnist(root: str | os.PathLike[str], *, download: bool = False) -> Split:
    """Fashion-MNIST, clothes in MNIST's format, as :func:`load_mnist` reads it.

    The names of the ten classes are ``FASHION_MNIST_CLASSES``. Its files are named as MNIST's:
    keep them in a folder of their own. Parameters, results and errors are those of
    :func:`load_mnist`; the download is 31 MB.

    References
    ----------
    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", 2017.
    """
    return _load(Path(root), FASHION_MNIST_URL if download else None, FASHION_MNIST_MD5)


def _load(folder: Path, url: str | None, md5: Mapping[str, str]) -> Split:
    train_x, train_y, test_x, test_y = (
        _find(folder, stem, url, sum_) for stem, sum_ in md5.items()
    )
    return Split(*_images_and_labels(train_x, train_y), *_images_and_labels(test_x, test_y))


def _find(folder: Path, stem: str, url: str | None, md5: str) -> Path:
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_file():
            return path
    if url is None:
        raise FileNotFoundError(
            f"{folder} has no file {stem} or {stem}.gz; download=True fetches what is missing"
        )
    return fetch(f"{url}{stem}.gz", md5, folder)


def _images_and_labels(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    x, y = read_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise ValueError(
            f"{images.name} and {labels.name} do not match: shapes {x.shape} and {y.shape}"
        )
    return x[:, None], y.astype(np.int64)
