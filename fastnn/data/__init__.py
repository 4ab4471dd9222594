"""Data sets, readers, splits, standardisation and batches."""

from .fused import (
    CenterCrop,
    ColorJitter,
    Cutout,
    GaussianNoise,
    Normalize,
    PCAColor,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from .idx import read_idx
from .loader import Batch, Loader
from .mix import CutMix, Mixup
from .sets import Split, load_digits, load_mnist
from .split import TrainTest, train_test_split
from .standardize import Standardize
from .transforms import Compose

__all__ = [
    "Batch",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "CutMix",
    "Cutout",
    "GaussianNoise",
    "Loader",
    "Mixup",
    "Normalize",
    "PCAColor",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "Split",
    "Standardize",
    "TrainTest",
    "load_digits",
    "load_mnist",
    "read_idx",
    "train_test_split",
]
