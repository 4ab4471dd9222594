"""Augmentation of images."""

import math
from typing import Any

import numpy as np

from .. import reference
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, rounding

Shape = tuple[int, ...]

JITTER: Options = {"brightness": (0.6, 1.4), "contrast": (0.5, 1.6), "saturation": (0.2, 1.9)}
PCA = ((0.1, -0.02, 0.003), (0.11, 0.001, -0.006), (0.12, 0.03, 0.002))
NORMAL: Options = {"mean": (0.49, 0.48, 0.45), "std": (0.25, 0.24, 0.26)}
FLIPS: Options = {"horizontal_flip": 0.5, "vertical_flip": 0.5}
CIFAR: Options = {"horizontal_flip": 0.5, "size": 32, "padding": 4, "cutout": 8, **NORMAL}


def case(label: str, shape: Shape, n: int | None = None, **options: Any) -> Case:
    """Random images (N, C, H, W); ``n`` of them, drawn with repetition, or all in order."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        arrays: Arrays = {"x": rng.integers(0, 256, shape, dtype=np.uint8)}
        if n is not None:
            arrays["index"] = rng.integers(0, shape[0], n)
        return arrays, {"seed": 7, "epoch": 3, "dtype": dtype.name, **options}

    return Case(label, make, kernel=0 not in shape and n != 0)


def samples(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.integers(0, 256, (4, 3, 5, 6), dtype=np.uint8)
    arrays = {"x": x, "index": np.array([3, 0, 2]), "sample": np.array([2**62 + 1, 2**33, 5])}
    options = {"seed": 2**64 - 1, "epoch": 2**32 - 1, "dtype": dtype.name}
    return arrays, {**options, **FLIPS, "padding": 2, "noise": 0.1, "erase": 0.9}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    return {"y": ns.augment(**a, **o)}, None


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    """Each value is rounded a few times at the size of (1 + colour offset) / std.

    Resizing sums as many products as it has taps, the mean gray as many values as there are
    pixels; normal numbers are at most 5.8 and known to 4 eps; a clip enlarges no error, a factor
    of brightness, contrast or saturation at most by itself.
    """
    c, h, w = a["x"].shape[1:]
    oh, ow = np.broadcast_to(o.get("size") or (h, w), 2)
    taps = 2 * np.ceil(max(h / oh, 1)) + 2 * np.ceil(max(w / ow, 1)) + 4
    error = 4 + rounding(taps, 1) if o.get("crop") in ("resized", "whole") else 4.0
    for name in ("brightness", "contrast", "saturation"):
        least, most = o.get(name, (1, 1))
        if (least, most) != (1, 1):
            error = (error + 4) * max(1, most + abs(1 - least))
    if "contrast" in o:
        error += rounding(oh * ow, 1) * max(o["contrast"])
    size = 255 / o.get("max_value", 255)
    if o.get("pca") is not None:
        size += 5.8 * float(np.abs(o["pca"]).sum(1).max())
        error += 4
    error += 4 * 5.8 * o.get("noise", 0)
    mean, std = np.abs(o.get("mean") or np.zeros(c)), np.asarray(o.get("std") or np.ones(c))
    each = eps * (error * size + 4 * mean) / std + 4 * eps * abs(o.get("erase_value", 0))
    shape = reference.augment(**a, **{**o, "threads": None}).shape
    return {"y": np.broadcast_to(each[:, None, None], shape)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    n, c = y["y"].shape[:2]
    return Cost(2 * y["y"].size, n * c * math.prod(a["x"].shape[2:]) + y["y"].nbytes)


X = np.zeros((4, 3, 6, 5), np.uint8)


def error(
    label: str, match: str, kind: Any = ValueError, x: Any = X, index: Any = None, **options: Any
) -> Error:
    return Error(label, lambda ns: ns.augment(x, index, **options), kind, f"^augment: {match}")


ERRORS = (
    error("x of floats", r"x must be uint8, got float32", TypeError, X.astype(np.float32)),
    error("x of rank 3", r"x must be of rank 4, got uint8 \(3, 6, 5\)", x=X[0]),
    error("x is a list", r"x must be an array.*got list", TypeError, X.tolist()),
    error("index of int32", r"index must be int64, got", TypeError, index=np.zeros(2, np.int32)),
    error("index of rank 2", r"index must be of rank 1", index=np.zeros((2, 1), np.int64)),
    error("index too large", r"index must be in \[0, 4\), got 4", index=np.array([0, 4])),
    error("index below 0", r"index must be in \[0, 4\), got -1", index=np.array([-1])),
    error("samples too few", r"sample must be of shape \(4,\)", sample=np.array([1])),
    error("sample below 0", r"sample must be in", sample=np.array([-1, 0, 1, 2])),
    error("seed below 0", r"seed must be .*got -1", seed=-1),
    error("epoch too large", r"epoch must be .*got 4294967296", epoch=2**32),
    error("size 0", r"size must be .*got 0", size=0),
    error("size too large", r"size must be at most .*\(8, 7\), got", size=(9, 7), padding=1),
    error("size is a float", r"size must be .*got 2\.5", TypeError, size=2.5),
    error("crop unknown", r"crop must be one of .*got 'corner'", crop="corner"),
    error("padding below 0", r"padding must be .*got -1", padding=-1),
    error("padding too wide", r"padding must be small.*got 5", padding=5, padding_mode="reflect"),
    error("padding with a part", r"padding must be 0 .*got 1", padding=1, crop="resized"),
    error("padding mode unknown", r"padding_mode must be one of .*got 'wrap'", padding_mode="wrap"),
    error("fill too large", r"fill must be .*got 256", fill=256),
    error("scale above 1", r"scale must be a pair in \(0, 1\], got", scale=(0.5, 1.5)),
    error("scale 0", r"scale must be a pair in \(0, 1\], got", scale=(0.0, 1.0)),
    error("scale the wrong way round", r"scale must be a pair \(least, most\)", scale=(1.0, 0.5)),
    error("ratio is a number", r"ratio must be a pair .*got 1", TypeError, ratio=1),
    error("flip above 1", r"horizontal_flip must be in \[0, 1\], got 2", horizontal_flip=2),
    error("flip is NaN", r"vertical_flip must be finite, got nan", vertical_flip=np.nan),
    error("brightness below 0", r"brightness must be at least 0, got -1", brightness=(-1, 1)),
    error("contrast of 2 channels", r"x must be of 1 or 3 channels", x=X[:, :2], contrast=(0, 1)),
    error("saturation of 1 channel", r"x must be of 3 channels", x=X[:, :1], saturation=(0, 1)),
    error("pca of 1 channel", r"x must be of 3 channels for pca", x=X[:, :1], pca=PCA),
    error("pca of 2 rows", r"pca must be 3 x 3 numbers", TypeError, pca=PCA[:2]),
    error("pca of short rows", r"pca must be 3 numbers", pca=((1, 2), (3, 4), (5, 6))),
    error("noise below 0", r"noise must be at least 0, got -1", noise=-1),
    error("mean too short", r"mean must be 3 numbers, one a channel, got", mean=(0.5,)),
    error("mean is a number", r"mean must be 3 numbers, got 0\.5", TypeError, mean=0.5),
    error("std 0", r"std must be positive, got", std=(1, 0, 1)),
    error("max_value 0", r"max_value must be positive, got 0", max_value=0),
    error("cutout below 0", r"cutout must be .*got -1", cutout=-1),
    error("erase is text", r"erase must be a number, got 'x'", TypeError, erase="x"),
    error("erase_ratio 0", r"erase_ratio must be a pair of positive", erase_ratio=(0, 1)),
    error("erase_value infinite", r"erase_value must be finite", erase_value=np.inf),
    error("dtype of integers", r"dtype must be .*got int64", TypeError, dtype="int64"),
    error("threads 0", r"threads must be .*got 0", threads=0),
)  # fmt: skip

SPECS = (
    Spec(
        name="augment",
        cases=(
            case("bytes as they are", (3, 3, 5, 4), max_value=1.0),
            case("normalised", (5, 3, 7, 9), **NORMAL),
            case("CIFAR", (5, 3, 32, 32), 7, **CIFAR),
            case("flips", (6, 3, 5, 6), 9, **FLIPS),
            case("flips of gray images", (6, 1, 5, 17), **FLIPS, max_value=1.0),
            case("flips of 2 channels", (6, 2, 5, 3), **FLIPS, max_value=1.0),
            case("17 channels", (3, 17, 3, 5), horizontal_flip=1.0, size=(2, 3), mean=[0.1] * 17),
            *(case(f"{w} columns", (2, 3, 3, w), **FLIPS, padding=1) for w in (1, 2, 15, 16, 17)),
            case("crop without padding", (9, 3, 8, 9), size=(3, 4)),
            case("crop wider than the image", (9, 3, 3, 2), size=(9, 10), padding=4, fill=77),
            case("crop in the padding", (9, 1, 2, 3), size=1, padding=(3, 2), fill=255),
            case("centre", (2, 3, 8, 9), size=(3, 4), crop="center", **FLIPS),
            case("centre of the padded image", (2, 3, 4, 4), size=7, padding=2, crop="center"),
            *(
                case(f"padding {mode}", (6, 3, 4, 5), padding=3, padding_mode=mode, **FLIPS)
                for mode in ("edge", "reflect", "symmetric")
            ),
            case("resized part", (7, 3, 13, 17), crop="resized", size=(8, 9), **FLIPS, **NORMAL),
            case("enlarged part", (7, 3, 5, 4), crop="resized", size=11, scale=(0.1, 0.3)),
            case("no legal part", (4, 3, 2, 40), crop="resized", size=4, scale=(0.9, 1.0)),
            case("no legal part of a tall image", (4, 1, 40, 2), crop="resized", size=4),
            case("whole image shrunk", (2, 3, 37, 23), crop="whole", size=(5, 7), **FLIPS),
            case("whole gray image enlarged", (2, 1, 3, 3), crop="whole", size=(7, 20)),
            case("brightness", (3, 2, 4, 5), brightness=(0.4, 2.5)),
            case("contrast", (3, 3, 9, 11), contrast=(0.0, 2.0)),
            case("contrast of gray images", (3, 1, 9, 11), contrast=(0.3, 1.7)),
            case("jitter", (6, 3, 9, 11), 9, **JITTER, **NORMAL),
            case("colour offset", (6, 3, 4, 5), pca=PCA, **NORMAL),
            case("noise", (4, 3, 13, 7), noise=0.2),
            case("noise of gray images", (4, 1, 1, 1), noise=0.5, **FLIPS),
            case("cutout", (9, 3, 6, 7), cutout=3, erase_value=-2.5),
            case("cutout over all", (2, 1, 4, 4), cutout=99),
            case("erasing", (16, 3, 8, 9), erase=0.5, erase_value=0.5),
            case(
                "everything", (5, 3, 21, 19), 8, crop="resized", size=(16, 17), pca=PCA, noise=0.05,
                erase=0.5, cutout=5, **JITTER, **NORMAL, **FLIPS,
            ),
            Case("largest seed, epoch and samples", samples),
            case("no images", (0, 3, 4, 4), **FLIPS),
            case("no index", (3, 3, 4, 4), 0),
            case("no pixels", (3, 3, 0, 4), **FLIPS),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        errors=ERRORS,
        large=(case("large batch", (70, 3, 32, 32), 150, **{**CIFAR, **JITTER}, noise=0.1),),
        bench=(
            case("CIFAR, flip, crop, cutout", (2000, 3, 32, 32), 128, **CIFAR),
            case("ImageNet, resized part", (16, 3, 256, 320), size=224, crop="resized", **NORMAL),
            case("flip, crop", (64, 3, 256, 256), size=224, horizontal_flip=0.5, **NORMAL),
            case("jitter", (256, 3, 32, 32), **JITTER, **NORMAL),
        ),
    ),
)  # fmt: skip
