"""Data sets: the bundled digits, and MNIST from files that are already there."""

import os
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .idx import read_idx


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
        return _images_and_labels(folder, "images-idx3-ubyte", "labels-idx1-ubyte")


def load_mnist(root: str | os.PathLike[str]) -> Split:
    """MNIST from its four IDX files in ``root``, plain or with ``.gz``.

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

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """
    folder = Path(root)
    train = _images_and_labels(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    test = _images_and_labels(folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return Split(*train, *test)


def _images_and_labels(folder: Path, images: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = read_idx(_find(folder, images)), read_idx(_find(folder, labels))
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise ValueError(f"{images} and {labels} do not match: shapes {x.shape} and {y.shape}")
    return x[:, None], y.astype(np.int64)


def _find(folder: Path, stem: str) -> Path:
    for path in (folder / stem, folder / f"{stem}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder} has no file {stem} or {stem}.gz")
