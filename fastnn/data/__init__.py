"""Data sets, readers, splits, standardisation and batches."""

from . import color, geometry, policies
from .augment import RandomShift
from .autoaugment import AutoAugment, RandAugment, TrivialAugmentWide
from .distort import elastic, lens_distortion
from .idx import read_idx
from .loader import Batch, Loader
from .random_ops import ElasticTransform, RandomAffine, RandomOp
from .sets import Split, load_digits, load_mnist
from .split import TrainTest, train_test_split
from .standardize import Standardize

__all__ = [
    "AutoAugment",
    "Batch",
    "ElasticTransform",
    "Loader",
    "RandAugment",
    "RandomAffine",
    "RandomOp",
    "RandomShift",
    "Split",
    "Standardize",
    "TrainTest",
    "TrivialAugmentWide",
    "color",
    "elastic",
    "geometry",
    "lens_distortion",
    "load_digits",
    "load_mnist",
    "policies",
    "read_idx",
    "train_test_split",
]
