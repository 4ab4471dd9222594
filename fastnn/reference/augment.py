"""Augmentation of images. Formulas and sources: ``fastnn.functional.augment``."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._windows import Pair, pair
from .philox import philox4x32

__all__ = ["augment"]

ATTEMPTS = 10  # to place a random part within the image
CROP_BLOCK, ERASE_BLOCK, NOISE_BLOCK = 16, 32, 64
GRAY = np.array([0.2989, 0.587, 0.114])
Range = tuple[float, float]


class Draws:
    """The random words of a sample: Philox blocks, counter (block, epoch, low, high of sample)."""

    def __init__(self, seed: int, epoch: int, sample: int) -> None:
        self.key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
        self.rest = [epoch, sample & 0xFFFFFFFF, sample >> 32]

    def words(self, block: int, count: int = 1) -> np.ndarray:
        """``count`` blocks of four words."""
        counter = np.array([[block + i, *self.rest] for i in range(count)], np.uint32)
        return philox4x32(counter, self.key).astype(np.int64)

    def block(self, block: int) -> list[int]:
        words: list[int] = self.words(block)[0].tolist()
        return words


def below(word: int, n: int) -> int:
    """A whole number in [0, n)."""
    return word * n >> 32


def uniform(word: int, least: float, most: float) -> float:
    return least + (most - least) * (word / 2**32)


def normals(words: np.ndarray) -> np.ndarray:
    """Box and Muller 1958, from the upper 24 bits of each two words: as many normals as words."""
    upper = (words.reshape(-1, 2) >> 8) / 2**24
    radius, angle = np.sqrt(-2 * np.log(upper[:, 0] + 2**-24)), 2 * np.pi * upper[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


def parts(
    draws: Draws, block: int, area: int, scale: Range, ratio: Range
) -> Iterator[tuple[int, int, int, int]]:
    """Sides of random rectangles, by sqrt(area * aspect) and sqrt(area / aspect); two words."""
    for attempt in range(ATTEMPTS):
        words = draws.block(block + attempt)
        target = area * uniform(words[0], *scale)
        aspect = math.exp(uniform(words[1], math.log(ratio[0]), math.log(ratio[1])))
        wide, narrow = math.sqrt(target * aspect), math.sqrt(target / aspect)
        yield math.floor(wide + 0.5), math.floor(narrow + 0.5), words[2], words[3]


def resized_part(
    draws: Draws, h: int, w: int, scale: Range, ratio: Range
) -> tuple[int, int, int, int]:
    """Top, left, height and width of torchvision's ``RandomResizedCrop``."""
    for width, height, top, left in parts(draws, CROP_BLOCK, h * w, scale, ratio):
        if 0 < width <= w and 0 < height <= h:
            return below(top, h - height + 1), below(left, w - width + 1), height, width
    width, height = w, h
    if w < ratio[0] * h:
        height = max(1, math.floor(w / ratio[0] + 0.5))
    elif w > ratio[1] * h:
        width = max(1, math.floor(h * ratio[1] + 0.5))
    return (h - height) // 2, (w - width) // 2, height, width


def erased_part(draws: Draws, h: int, w: int, scale: Range, ratio: Range) -> tuple[slice, slice]:
    """Rows and columns of torchvision's ``RandomErasing``."""
    for height, width, top, left in parts(draws, ERASE_BLOCK, h * w, scale, ratio):
        if height < h and width < w:
            y, x = below(top, h - height + 1), below(left, w - width + 1)
            return slice(y, y + height), slice(x, x + width)
    return slice(0), slice(0)


def triangle(size: int, out: int) -> np.ndarray:
    """Weights (out, size): bilinear, widened by the scale when it shrinks (Pillow, torch)."""
    scale = size / out
    support = max(scale, 1.0)
    center = (np.arange(out)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(size) + 0.5 - center) / support
    weights = np.maximum(0, 1 - distance)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def gray(v: np.ndarray) -> np.ndarray:
    return v if v.shape[-1] == 1 else (v @ GRAY)[..., None]


def blend(v: np.ndarray, other: Any, factor: float) -> np.ndarray:
    return np.clip(v * factor + (1 - factor) * other, 0, 1)


def augment(
    x: np.ndarray,
    index: np.ndarray | None = None,
    *,
    sample: np.ndarray | None = None,
    seed: int = 0,
    epoch: int = 0,
    size: Pair | None = None,
    crop: str = "random",
    padding: Pair = 0,
    padding_mode: str = "constant",
    fill: int = 0,
    scale: Range = (0.08, 1.0),
    ratio: Range = (3 / 4, 4 / 3),
    horizontal_flip: float = 0.0,
    vertical_flip: float = 0.0,
    brightness: Range = (1.0, 1.0),
    contrast: Range = (1.0, 1.0),
    saturation: Range = (1.0, 1.0),
    pca: Sequence[Sequence[float]] | None = None,
    noise: float = 0.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    max_value: float = 255.0,
    cutout: int = 0,
    erase: float = 0.0,
    erase_scale: Range = (0.02, 0.33),
    erase_ratio: Range = (0.3, 3.3),
    erase_value: float = 0.0,
    dtype: DTypeLike = "float32",
    threads: int | None = None,
) -> np.ndarray:
    """Geometry, colour, noise, y = (v - mean) / std, erasing; image by image, in float64."""
    chosen = np.arange(len(x)) if index is None else np.asarray(index)
    numbers = chosen if sample is None else np.asarray(sample)
    _, c, h, w = x.shape
    oh, ow = (h, w) if size is None else pair(size)
    ph, pw = pair(padding)
    y = np.empty((len(chosen), oh, ow, c), dtype)
    for out, source, number in zip(y, chosen.tolist(), numbers.tolist(), strict=True):
        draws = Draws(seed, epoch, number)
        flip_h, flip_v, top, left = draws.block(0)
        erased, *jitter = draws.block(1)
        v = x[source].transpose(1, 2, 0)
        if crop in ("resized", "whole"):
            part = (0, 0, h, w) if crop == "whole" else resized_part(draws, h, w, scale, ratio)
            i, j, height, width = part
            v = v[i : i + height, j : j + width].astype(np.float64)
            v = np.tensordot(triangle(height, oh), v, (1, 0))
            v = np.moveaxis(np.tensordot(v, triangle(width, ow), (1, 1)), -1, 1)
        else:
            i, j = (h + 2 * ph - oh) // 2, (w + 2 * pw - ow) // 2
            if crop == "random":
                i, j = below(top, h + 2 * ph - oh + 1), below(left, w + 2 * pw - ow + 1)
            options: Any = {"constant_values": fill} if padding_mode == "constant" else {}
            padded = np.pad(v, ((ph, ph), (pw, pw), (0, 0)), padding_mode, **options)  # type: ignore[call-overload]
            v = padded[i : i + oh, j : j + ow]
        if flip_v < math.floor(vertical_flip * 2**32):
            v = v[::-1]
        if flip_h < math.floor(horizontal_flip * 2**32):
            v = v[:, ::-1]
        v = v / max_value
        factors = [
            uniform(word, *given)
            for word, given in zip(jitter, (brightness, contrast, saturation), strict=True)
        ]
        if tuple(brightness) != (1, 1):
            v = blend(v, 0.0, factors[0])
        if tuple(contrast) != (1, 1):
            v = blend(v, gray(v).mean(), factors[1])
        if tuple(saturation) != (1, 1):
            v = blend(v, gray(v), factors[2])
        if pca is not None:
            v = v + np.asarray(pca) @ normals(draws.words(2))[:3]
        if noise > 0:
            z = normals(draws.words(NOISE_BLOCK, v.size // 4 + 1))[: v.size].reshape(v.shape)
            v = np.clip(v + noise * z, 0, 1)
        v = (v - (0 if mean is None else np.asarray(mean))) / (
            1 if std is None else np.asarray(std)
        )
        v = np.array(v)
        if cutout > 0:
            row, column = draws.block(3)[:2]
            i, j = below(row, oh) - cutout // 2, below(column, ow) - cutout // 2
            v[max(i, 0) : max(i + cutout, 0), max(j, 0) : max(j + cutout, 0)] = erase_value
        if erased < math.floor(erase * 2**32):
            v[erased_part(draws, oh, ow, erase_scale, erase_ratio)] = erase_value
        out[:] = v
    return y.transpose(0, 3, 1, 2)
