"""Data sets, readers, splits, preprocessing and batches."""

from . import color, geometry, policies
from .autoaugment import AutoAugment, RandAugment, TrivialAugmentWide
from .cifar import CIFAR10_CLASSES, load_cifar10, load_cifar100, read_cifar
from .crops import (
    five_crop,
    five_crop_views,
    flip_views,
    multi_scale_views,
    ten_crop,
    ten_crop_views,
)
from .distort import elastic, lens_distortion
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
from .grid import plot_augmented
from .idx import read_idx
from .loader import Batch, Loader
from .mapped import open_npy, write_npy
from .minmax import MinMax
from .mix import CutMix, Mixup
from .pca import PCA
from .preprocess import Preprocess
from .random_ops import ElasticTransform, RandomAffine, RandomOp
from .sets import FASHION_MNIST_CLASSES, Split, load_digits, load_fashion_mnist, load_mnist
from .split import TrainTest, TrainValTest, kfold, train_test_split, train_val_test_split
from .standardize import ChannelMean, MeanImage, Standardize, StandardizeFeatures
from .transforms import Compose
from .whiten import PCAWhitening, ZCAWhitening

__all__ = [
    "CIFAR10_CLASSES",
    "FASHION_MNIST_CLASSES",
    "PCA",
    "AutoAugment",
    "Batch",
    "CenterCrop",
    "ChannelMean",
    "ColorJitter",
    "Compose",
    "CutMix",
    "Cutout",
    "ElasticTransform",
    "GaussianNoise",
    "ImageFolder",
    "Loader",
    "MeanImage",
    "MinMax",
    "Mixup",
    "Normalize",
    "PCAColor",
    "PCAWhitening",
    "Preprocess",
    "RandAugment",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomOp",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "Split",
    "Standardize",
    "StandardizeFeatures",
    "TrainTest",
    "TrainValTest",
    "TrivialAugmentWide",
    "ZCAWhitening",
    "color",
    "elastic",
    "five_crop",
    "five_crop_views",
    "flip_views",
    "geometry",
    "kfold",
    "lens_distortion",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "multi_scale_views",
    "open_npy",
    "plot_augmented",
    "policies",
    "read_cifar",
    "read_idx",
    "ten_crop",
    "ten_crop_views",
    "train_test_split",
    "train_val_test_split",
    "write_npy",
]
