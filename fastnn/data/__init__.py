"""Data sets, readers, splits, preprocessing and batches."""

from .augment import RandomShift
from .cifar import CIFAR10_CLASSES, load_cifar10, load_cifar100, read_cifar
from .folder import ImageFolder
from .idx import read_idx
from .loader import Batch, Loader
from .mapped import open_npy, write_npy
from .sets import FASHION_MNIST_CLASSES, Split, load_digits, load_fashion_mnist, load_mnist
from .split import TrainTest, TrainValTest, kfold, train_test_split, train_val_test_split
from .standardize import Standardize

__all__ = [
    "CIFAR10_CLASSES",
    "FASHION_MNIST_CLASSES",
    "Batch",
    "ImageFolder",
    "Loader",
    "RandomShift",
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
