"""Augmentation on a CUDA device: the CPU's draws, and indices that nobody can check beforehand."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import arrays

from fastnn import functional as F

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")
X = np.random.default_rng(5).integers(0, 256, (6, 3, 9, 8), np.uint8)


@pytest.mark.parametrize("options", [{"padding": 2}, {"crop": "resized", "size": (5, 7)}])
def test_without_colour_the_bits_are_those_of_the_cpu(options: dict[str, Any]) -> None:
    index = np.arange(12)[::-2] % 6
    common = {"horizontal_flip": 0.5, "erase": 0.5, "cutout": 2, "mean": (0.5, 0.4, 0.3), "seed": 9}
    y = F.augment(arrays.to_device(X), arrays.to_device(index), **common, **options)
    arrays.check_guards()
    assert y.get().tobytes() == F.augment(X, index, **common, **options).tobytes()


def test_what_is_out_of_range_is_nan() -> None:
    index, sample = np.array([0, -1, 6, 3]), np.array([0, 1, 2, -3])
    x, where = arrays.to_device(X), arrays.to_device(index)
    y = F.augment(x, where, sample=arrays.to_device(sample), contrast=(0.5, 1.5)).get()
    arrays.check_guards()
    assert [bool(np.isnan(image).all()) for image in y] == [False, True, True, True]
    assert np.isfinite(y[0]).all()


def test_more_channels_than_one_launch_takes() -> None:
    x = np.random.default_rng(1).integers(0, 256, (2, 300, 2, 3), np.uint8)
    options = {"mean": np.linspace(0, 1, 300).tolist(), "std": np.linspace(1, 2, 300).tolist()}
    y = F.augment(arrays.to_device(x), **options)
    arrays.check_guards()
    assert y.get().tobytes() == F.augment(x, **options).tobytes()


def test_an_index_on_the_cpu_is_refused() -> None:
    with pytest.raises(ValueError, match=r"augment: index must be on cuda:0 like x"):
        F.augment(arrays.to_device(X), np.arange(2))
    with pytest.raises(TypeError, match=r"augment: index must be int64, got float32"):
        F.augment(arrays.to_device(X), arrays.to_device(np.ones(2, np.float32)))
