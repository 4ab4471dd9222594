"""Data sets, readers, splits, standardisation and batches."""

from . import color, geometry, policies
from .augment import RandomShift
from .autoaugment import AutoAugment, RandAugment, TrivialAugmentWide
from .crops import (
    five_crop,
    five_crop_views,
    flip_views,
    multi_scale_views,
    ten_crop,
    ten_crop_views,
)
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
    "five_crop",
    "five_crop_views",
    "flip_views",
    "geometry",
    "lens_distortion",
    "load_digits",
    "load_mnist",
    "multi_scale_views",
    "policies",
    "read_idx",
    "ten_crop",
    "ten_crop_views",
    "train_test_split",
]
