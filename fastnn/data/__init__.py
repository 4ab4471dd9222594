"""Data sets, readers, splits, standardisation and batches."""

from .augment import RandomShift
from .idx import read_idx
from .loader import Batch, Loader
from .sets import Split, load_digits, load_mnist
from .split import TrainTest, TrainValTest, kfold, train_test_split, train_val_test_split
from .standardize import Standardize

__all__ = [
    "Batch",
    "Loader",
    "RandomShift",
    "Split",
    "Standardize",
    "TrainTest",
    "TrainValTest",
    "kfold",
    "load_digits",
    "load_mnist",
    "read_idx",
    "train_test_split",
    "train_val_test_split",
]
