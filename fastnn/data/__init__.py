"""Data sets, readers, splits, preprocessing and batches."""

from .augment import RandomShift
from .cifar import CIFAR10_CLASSES, load_cifar10, load_cifar100, read_cifar
from .folder import ImageFolder
from .idx import read_idx
from .loader import Batch, Loader
from .mapped import open_npy, write_npy
from .minmax import MinMax
from .pca import PCA
from .preprocess import Preprocess
from .sets import FASHION_MNIST_CLASSES, Split, load_digits, load_fashion_mnist, load_mnist
from .split import TrainTest, TrainValTest, kfold, train_test_split, train_val_test_split
from .standardize import ChannelMean, MeanImage, Standardize, StandardizeFeatures
from .whiten import PCAWhitening, ZCAWhitening

__all__ = [
    "CIFAR10_CLASSES",
    "FASHION_MNIST_CLASSES",
    "PCA",
    "Batch",
    "ChannelMean",
    "ImageFolder",
    "Loader",
    "MeanImage",
    "MinMax",
    "PCAWhitening",
    "Preprocess",
    "RandomShift",
    "Split",
    "Standardize",
    "StandardizeFeatures",
    "TrainTest",
    "TrainValTest",
    "ZCAWhitening",
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
