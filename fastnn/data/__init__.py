"""Data sets, readers, splits, standardisation and batches."""

from . import color, geometry
from .augment import RandomShift
from .idx import read_idx
from .loader import Batch, Loader
from .sets import Split, load_digits, load_mnist
from .split import TrainTest, train_test_split
from .standardize import Standardize

__all__ = [
    "Batch",
    "Loader",
    "RandomShift",
    "Split",
    "Standardize",
    "TrainTest",
    "color",
    "geometry",
    "load_digits",
    "load_mnist",
    "read_idx",
    "train_test_split",
]
