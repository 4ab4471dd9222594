"""Augmentation: exact geometry, the statistics of the draws, Compose, mixup and CutMix."""

import ctypes
import mmap
import os

import numpy as np
import pytest

import fastnn.functional as F
from fastnn import data

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (400, 3, 9, 7), dtype=np.uint8)
EPS = float(np.finfo(np.float32).eps)


def within(count, n, p):
    """A count of n events of probability p is within five standard deviations."""
    assert abs(count - n * p) <= 5 * (n * p * (1 - p)) ** 0.5, (count, n, p)


def test_geometry_is_exact_to_the_byte(isa):
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (2, 2), (2, 2)), constant_values=9)
    options = {"padding": 2, "fill": 9, "horizontal_flip": 0.5, "vertical_flip": 0.5}
    y = F.augment(IMAGES, max_value=1, seed=3, **options)
    found = []
    for image, source in zip(y, padded, strict=True):
        ways = {
            (i, j, v, h): source[:, i : i + 9, j : j + 7][:, :: 1 - 2 * v, :: 1 - 2 * h]
            for i in range(5) for j in range(5) for v in (0, 1) for h in (0, 1)
        }  # fmt: skip
        found.append([way for way, crop in ways.items() if np.array_equal(image, crop)])
    assert all(len(ways) == 1 for ways in found)
    top, left, vertical, horizontal = np.array([ways[0] for ways in found]).T
    within(vertical.sum(), 400, 0.5)
    within(horizontal.sum(), 400, 0.5)
    for offsets in (top, left):
        for count in np.bincount(offsets, minlength=5):
            within(count, 400, 0.2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs mprotect")
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_nothing_is_read_outside_the_array(channels, isa):
    """Behind and in front of the images lie pages that must not be touched."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * page)
    inside = np.frombuffer(memory, np.uint8)[page : 2 * page]
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for guard in (inside.ctypes.data - page, inside.ctypes.data + page):
        assert protect(ctypes.c_void_p(guard), page, 0) == 0
    for size in ((1, 1), (3, 5), (7, 6), (8, 33)):
        bytes_each = channels * size[0] * size[1]
        for start in (0, page - bytes_each):
            image = inside[start : start + bytes_each].reshape(1, *size, channels)
            x = image.transpose(0, 3, 1, 2)
            for flip in (0.0, 1.0):
                for option in ({}, {"padding": 1, "size": size}, {"noise": 0.1}, {"crop": "whole"}):
                    F.augment(x, horizontal_flip=flip, vertical_flip=flip, **option)
    for guard in (inside.ctypes.data - page, inside.ctypes.data + page):
        assert protect(ctypes.c_void_p(guard), page, 3) == 0


def test_an_image_does_not_depend_on_its_batch(isa, threads):
    options = {
        "seed": 1, "size": (6, 5), "crop": "resized", "horizontal_flip": 0.5, "noise": 0.1,
        "brightness": (0.5, 1.5), "contrast": (0.5, 1.5), "erase": 0.5, "cutout": 3,
    }  # fmt: skip
    every = F.augment(IMAGES, epoch=2, **options)
    index = RNG.permutation(400)[:77]
    np.testing.assert_array_equal(F.augment(IMAGES, index, epoch=2, **options), every[index])
    alone = F.augment(IMAGES[5:6], sample=np.array([5]), epoch=2, **options)
    np.testing.assert_array_equal(alone[0], every[5])
    assert not np.array_equal(F.augment(IMAGES, epoch=3, **options), every)
    assert not np.array_equal(F.augment(IMAGES, epoch=2, **{**options, "seed": 2}), every)


def test_noise_is_normal():
    x = np.full((64, 1, 40, 40), 128, np.uint8)
    z = (F.augment(x, noise=0.05, dtype="float64") - 128 / 255) / 0.05
    n = z.size
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * (variance / n) ** 0.5
    neighbours = z[..., 1:] * z[..., :-1]
    assert abs(neighbours.mean()) < 5 / neighbours.size**0.5


def test_erased_parts():
    x = np.full((500, 1, 20, 30), 255, np.uint8)
    gone = F.augment(x, erase=0.4, erase_scale=(0.1, 0.2), erase_ratio=(0.5, 2)) == 0
    shares = gone.mean((1, 2, 3))
    within((shares > 0).sum(), 500, 0.4)
    inside = shares[shares > 0]  # sides are rounded: half a pixel of at least 5 each
    assert inside.min() > 0.1 * 0.8 and inside.max() < 0.2 * 1.2
    whole = F.augment(x, cutout=5)
    assert ((whole == 0).sum((1, 2, 3)) <= 25).all() and (whole[:, 0].min(0) == 0).all()


def test_colour_factors_are_uniform():
    x = np.full((1000, 1, 1, 1), 50, np.uint8)
    factors = F.augment(x, brightness=(0.5, 2.0), dtype="float64")[:, 0, 0, 0] * 255 / 50
    assert factors.min() >= 0.5 and factors.max() <= 2.0
    for count in np.histogram(factors, 5, (0.5, 2.0))[0]:
        within(count, 1000, 0.2)


def test_the_colour_offset_has_its_covariance():
    p = np.array([[0.03, 0.01, 0.0], [0.0, 0.02, 0.01], [0.02, 0.0, 0.01]])
    x = np.full((4000, 3, 1, 1), 100, np.uint8)
    offset = F.augment(x, pca=p.tolist(), dtype="float64")[:, :, 0, 0] - 100 / 255
    expected = p @ p.T
    spread = 5 * np.sqrt((np.outer(expected.diagonal(), expected.diagonal()) + expected**2) / 4000)
    assert (np.abs(offset.T @ offset / 4000 - expected) < spread).all()


@pytest.mark.parametrize("size", [(5, 4), (13, 3), (20, 30), (9, 7)])
def test_resizing_is_that_of_torch(size):
    torch = pytest.importorskip("torch")
    y = F.augment(IMAGES[:8], size=size, crop="whole", max_value=1)
    x = torch.from_numpy(IMAGES[:8].astype(np.float32))
    twin = torch.nn.functional.interpolate(x, size, mode="bilinear", antialias=True).numpy()
    np.testing.assert_allclose(y, twin, rtol=0, atol=255 * 16 * EPS)


def test_compose_is_one_fused_call():
    compose = data.Compose(
        [
            data.RandomHorizontalFlip(),
            data.RandomCrop((8, 6), padding=2, padding_mode="reflect"),
            data.ColorJitter(0.4, (0.5, 1.5)),
            data.PCAColor(),
            data.GaussianNoise(0.02),
            data.Normalize([0.5] * 3, [0.25] * 3),
            data.Cutout(3),
        ]
    )
    pca = np.array(data.PCAColor().vectors) * data.PCAColor().values * 0.1
    expected = F.augment(
        IMAGES, np.arange(9), seed=4, epoch=1, horizontal_flip=0.5, size=(8, 6), padding=2,
        padding_mode="reflect", brightness=(0.6, 1.4), contrast=(0.5, 1.5), pca=pca, noise=0.02,
        mean=[0.5] * 3, std=[0.25] * 3, cutout=3,
    )  # fmt: skip
    np.testing.assert_allclose(
        compose(IMAGES, np.arange(9), seed=4, epoch=1), expected, rtol=0, atol=64 * EPS
    )
    left = compose.evaluation()(IMAGES)
    np.testing.assert_array_equal(
        left, F.augment(IMAGES, size=(8, 6), crop="center", mean=[0.5] * 3, std=[0.25] * 3)
    )
    assert "RandomCrop(size=(8, 6), padding=2" in repr(compose)


def test_callables_come_first_and_draw_by_sample():
    def shade(image, rng):
        assert image.shape == (9, 7, 3) and image.flags.c_contiguous
        image[...] = image // 2 + rng.integers(0, 100)
        return image

    compose = data.Compose([shade, lambda image: image[:, ::-1], data.RandomVerticalFlip()])
    before = IMAGES.copy()
    index = np.array([7, 3, 11])
    three = compose(IMAGES, index, seed=5, epoch=6)
    np.testing.assert_array_equal(three[1], compose(IMAGES, np.array([3]), seed=5, epoch=6)[0])
    assert not np.array_equal(three, compose(IMAGES, index, seed=5, epoch=7))
    np.testing.assert_array_equal(IMAGES, before)
    flat = data.Compose([lambda image: image[..., 0]])(IMAGES[:2])
    np.testing.assert_allclose(flat, IMAGES[:2, :1] / 255, rtol=EPS)


def test_pil_images_fit_in():
    image = pytest.importorskip("PIL.Image")
    grown = data.Compose([image.fromarray, lambda a: image.fromarray(a).resize((14, 18))])
    assert grown(IMAGES[:2]).shape == (2, 3, 18, 14)


@pytest.mark.parametrize(
    "transforms, error, message",
    [
        ([3], TypeError, "must be callable, got 3"),
        ([data.RandomCrop(8), np.flipud], ValueError, "callables must come before RandomCrop"),
        ([data.Cutout(4), data.RandomCrop(8)], ValueError, "order geometry, colour"),
        ([data.RandomCrop(8), data.CenterCrop(8)], ValueError, "size must be given once"),
    ],
)
def test_compose_refuses(transforms, error, message):
    with pytest.raises(error, match=message):
        data.Compose(transforms)


def test_compose_names_what_a_callable_did():
    with pytest.raises(TypeError, match=r"must return a uint8 image.*got float32 \(9, 7, 3\)"):
        data.Compose([lambda image: image.astype("f4")])(IMAGES[:1])
    with pytest.raises(ValueError, match=r"of one shape, got"):
        data.Compose([lambda image, rng: image[rng.integers(5) :]])(IMAGES)
    with pytest.raises(ZeroDivisionError) as raised:
        data.Compose([lambda image: 1 // 0])(IMAGES, np.array([12]), epoch=3)
    assert "of image 12, epoch 3" in raised.value.__notes__[0]


def batch(n=16):
    x = RNG.standard_normal((n, 3, 9, 7)).astype(np.float32)
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1), RNG.integers(0, 5, n)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup(alpha):
    x, y = batch()
    before = x.copy()
    mixed, soft = data.Mixup(5, alpha)(x, y, np.random.default_rng(3))
    twin = np.random.default_rng(3)
    share, partner = twin.beta(alpha, alpha), twin.permutation(16)
    expected = share * before + (1 - share) * before[partner]
    np.testing.assert_allclose(mixed, expected, rtol=0, atol=4 * EPS * np.abs(before).max())
    assert mixed is x and soft.dtype == np.float32
    one_hot = np.eye(5)
    np.testing.assert_allclose(
        soft, share * one_hot[y] + (1 - share) * one_hot[y][partner], atol=2 * EPS
    )


def test_cutmix_targets_are_the_areas():
    for seed in range(20):
        x, y = batch()
        before = x.copy()
        mixed, soft = data.CutMix(5)(x, y, np.random.default_rng(seed))
        foreign = (mixed != before).any(1)
        generator = np.random.default_rng(seed)
        generator.beta(1, 1)
        partner = generator.permutation(16)
        moved = partner != np.arange(16)
        share = 1 - foreign[moved].mean((1, 2))
        assert np.ptp(share) == 0, "one rectangle a batch"
        np.testing.assert_array_equal(np.where(foreign[:, None], before[partner], before), mixed)
        one_hot = np.eye(5)
        expected = share[0] * one_hot[y] + (1 - share[0]) * one_hot[y][partner]
        np.testing.assert_allclose(soft, expected, atol=2 * EPS)


def test_mixing_refuses():
    x, y = batch()
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"y must be in \[0, 3\)"):
        data.Mixup(3)(x, np.array([0, 1, 2, 3] * 4), rng)
    with pytest.raises(TypeError, match="y must be classes"):
        data.Mixup(3)(x, np.ones((16, 2)), rng)
    with pytest.raises(ValueError, match="alpha must be positive, got 3 and 0"):
        data.CutMix(3, 0)
    with pytest.raises(ValueError, match="must be images"):
        data.CutMix(5)(np.ones((16, 4), np.float32), y, rng)
