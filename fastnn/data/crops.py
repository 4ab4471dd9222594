"""Views of a batch for prediction: crops, flips and scales.

``fastnn.train.predict_proba(model, x, views=...)`` averages the probabilities over them. A view is
a callable: a batch (N, C, H, W) in, a batch out. Crops and flips copy nothing. Models that end in
``AdaptiveAvgPool2d(1)`` take views of any size: they are evaluated in fully convolutional form, as
an average over all positions.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

View = Callable[[np.ndarray], np.ndarray]
Size = int | tuple[int, int]

RESNET_SCALES = (224, 256, 384, 480, 640)
"""Shorter sides of He et al., "Deep residual learning for image recognition", 2016, section 3.4."""

CORNERS = ("top left", "top right", "bottom left", "bottom right", "center")


def hflip(x: np.ndarray) -> np.ndarray:
    """Left and right swapped."""
    return _need_batch(x)[..., ::-1]


def vflip(x: np.ndarray) -> np.ndarray:
    """Top and bottom swapped."""
    return _need_batch(x)[..., ::-1, :]


def five_crop(x: np.ndarray, size: Size) -> tuple[np.ndarray, ...]:
    """The four corners and the centre: top left, top right, bottom left, bottom right, centre.

    Parameters
    ----------
    x : ndarray (N, C, H, W)
    size : int or (h, w)

    Returns
    -------
    crops : five ndarrays (N, C, h, w)
        Views of ``x``.

    Raises
    ------
    ValueError
        ``x`` is no batch of images, or ``size`` is not positive or larger than the images.
    """
    return tuple(view(x) for view in five_crop_views(size))


def ten_crop(x: np.ndarray, size: Size, vertical_flip: bool = False) -> tuple[np.ndarray, ...]:
    """:func:`five_crop` of the images, then of their mirror images.

    Parameters
    ----------
    x : ndarray (N, C, H, W)
    size : int or (h, w)
    vertical_flip : bool
        Mirror top and bottom instead of left and right.

    References
    ----------
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
    networks", NIPS 2012, section 4.1. The order is torchvision's.
    """
    return tuple(view(x) for view in ten_crop_views(size, vertical_flip))


def flip_views() -> list[View]:
    """The images as they are, and their mirror images."""
    return [_need_batch, hflip]


def five_crop_views(size: Size) -> list[View]:
    """What :func:`five_crop` gives, as five views."""
    h, w = _pair("five_crop", size)
    return [partial(_crop, h=h, w=w, corner=corner) for corner in CORNERS]


def ten_crop_views(size: Size, vertical_flip: bool = False) -> list[View]:
    """What :func:`ten_crop` gives, as ten views."""
    flip = vflip if vertical_flip else hflip
    crops = five_crop_views(size)
    return [*crops, *(partial(_after, first=flip, then=crop) for crop in crops)]


def multi_scale_views(
    scales: Sequence[int | float] = RESNET_SCALES, *, flip: bool = True
) -> list[View]:
    """The images resized so that their shorter side is each of ``scales``.

    Parameters
    ----------
    scales : sequence of int or float
        Pixels, or as a float a multiple of the images' own size.
    flip : bool
        Add the mirror image of each.

    Raises
    ------
    ValueError
        A scale is not positive.
    """
    for scale in scales:
        if not 0 < scale < np.inf:
            raise ValueError(f"multi_scale_views: scales must be positive, got {scale}")
    views: list[View] = [partial(_scaled, scale=scale) for scale in scales]
    return [*views, *(partial(_after, first=hflip, then=v) for v in views)] if flip else views


def resize(x: np.ndarray, size: Size) -> np.ndarray:
    """Bilinear with antialiasing: a product with one matrix for the rows, one for the columns.

    An output pixel is the mean of the input under a triangle around its place, 2 input pixels wide
    when enlarging, 2 output pixels when shrinking: Pillow's BILINEAR.

    Parameters
    ----------
    x : ndarray (N, C, H, W), float32, float64 or uint8
    size : int or (h, w)
        An int is a square.

    Returns
    -------
    y : ndarray (N, C, h, w), dtype of ``x``, channels-last in memory
        uint8 is rounded to the nearest.

    Raises
    ------
    TypeError
        Another dtype.
    ValueError
        ``x`` is no batch of images, or ``size`` is not positive.
    """
    n, c, rows, columns = _need_batch(x).shape
    h, w = _pair("resize", size)
    if x.dtype not in (np.float32, np.float64, np.uint8):
        raise TypeError(f"resize: x must be float32, float64 or uint8, got {x.dtype}")
    dtype = np.dtype(np.float32) if x.dtype == np.uint8 else x.dtype
    lines = x.transpose(0, 2, 3, 1).astype(dtype, copy=False).reshape(n, rows, columns * c)
    lines = _triangles(rows, h).astype(dtype) @ lines
    y = _triangles(columns, w).astype(dtype) @ lines.reshape(n * h, columns, c)
    if x.dtype == np.uint8:
        y = np.rint(y).astype(np.uint8)
    result: np.ndarray = y.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return result


def _triangles(size: int, target: int) -> np.ndarray:
    """Matrix (target, size) of interpolation along one axis."""
    scale = size / target
    center = (np.arange(target)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(size) + 0.5 - center) / max(scale, 1)
    weight: np.ndarray = np.maximum(1 - distance, 0)
    weight /= weight.sum(1, keepdims=True)
    return weight


def _scaled(x: np.ndarray, scale: int | float) -> np.ndarray:
    h, w = _need_batch(x).shape[2:]
    ratio = scale if isinstance(scale, float) else scale / min(h, w)
    size = max(1, round(h * ratio)), max(1, round(w * ratio))
    return x if size == (h, w) else resize(x, size)


def _crop(x: np.ndarray, h: int, w: int, corner: str) -> np.ndarray:
    rows, columns = _need_batch(x).shape[2:]
    if h > rows or w > columns:
        raise ValueError(
            f"crop: size must be at most that of the images, {(rows, columns)}, got {(h, w)}"
        )
    top = round((rows - h) / 2) if corner == "center" else (rows - h) * ("bottom" in corner)
    left = round((columns - w) / 2) if corner == "center" else (columns - w) * ("right" in corner)
    return x[:, :, top : top + h, left : left + w]


def _after(x: np.ndarray, first: View, then: View) -> np.ndarray:
    return then(first(x))


def _pair(name: str, size: Size) -> tuple[int, int]:
    h, w = size if isinstance(size, tuple) else (size, size)
    if min(h, w) < 1:
        raise ValueError(f"{name}: size must be positive, got {size}")
    return h, w


def _need_batch(x: np.ndarray) -> np.ndarray:
    if x.ndim != 4 or min(x.shape[2:]) == 0:
        raise ValueError(f"view: x must be of shape (N, C, H, W) with pixels, got {x.shape}")
    return x
