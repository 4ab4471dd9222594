"""Data sets, readers, splits, preprocessing and batches."""

from .augment import RandomShift
from .cifar import CIFAR10_CLASSES, load_cifar10, load_cifar100, read_cifar
from .folder import ImageFolder
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
from .mapped import open_npy, write_npy
from .sets import FASHION_MNIST_CLASSES, Split, load_digits, load_fashion_mnist, load_mnist
from .split import TrainTest, TrainValTest, kfold, train_test_split, train_val_test_split
from .standardize import Standardize
from .transforms import Compose

__all__ = [
    "CIFAR10_CLASSES",
    "FASHION_MNIST_CLASSES",
    "Batch",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "GaussianNoise",
    "ImageFolder",
    "Loader",
    "Normalize",
    "PCAColor",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomShift",
    "RandomVerticalFlip",
    "Resize",
    "Split",
    "Standardize",
    "TrainTest",
    "TrainValTest",
    "kfold",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "open_npy",
    "read_cifar",
    "read_idx",
    "train_test_split",
    "train_val_test_split",
    "write_npy",
]
