"""Geometry of single images: one affine warp each, by Pillow or OpenCV.

Every function takes an image (H, W, C) of uint8 with C = 1 or 3 and returns a new one of the same
shape. x points right, y down, both in pixels. Common to all are these keywords:

interpolation : "bilinear" (default) or "nearest"
fill : int or tuple of C ints, default 0
    What comes in from outside the image.
backend : "pillow" (default) or "opencv"
    OpenCV is about five times as fast. Where a result depends only on pixels inside the image,
    bilinear results differ by at most 1/16 of the largest difference of neighbours in the image,
    plus 2 grey levels, because OpenCV may cut coordinates to 1/32 pixel; "nearest" differs only
    where the source lies within 1/32 pixel of the middle between two. At the rim, Pillow cuts off
    sharply and OpenCV blends with ``fill``.

Raises
------
TypeError
    The image is not a uint8 array, or an amount is not a number.
ValueError
    The image has another shape, an amount is not finite or leaves no area, or a keyword is unknown.
ImportError
    The backend is not installed.
"""

import math
from typing import Literal, TypedDict, Unpack

import numpy as np

from ._images import (
    Backend,
    Fill,
    fill_values,
    from_pil,
    need_choice,
    need_finite,
    need_image,
    opencv,
    pil,
    to_pil,
    use_opencv,
)

Interpolation = Literal["nearest", "bilinear"]
Point = tuple[float, float]
Matrix = tuple[float, float, float, float]
"""Rows of a 2 x 2 matrix."""

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0)


class Warp(TypedDict, total=False):
    """Keywords of every function here."""

    interpolation: Interpolation
    fill: Fill
    backend: Backend


def need_warp(name: str, warp: Warp) -> None:
    """The keywords are known, before the first image comes."""
    for keyword in warp.keys() - Warp.__annotations__.keys():
        raise TypeError(f"{name}: keywords must be interpolation, fill, backend, got {keyword}")
    _need_interpolation(name, warp.get("interpolation", "bilinear"))
    use_opencv(name, warp.get("backend", "pillow"))


def _need_interpolation(name: str, interpolation: str) -> None:
    need_choice(name, "interpolation", interpolation, ("nearest", "bilinear"))


def translate_x(image: np.ndarray, pixels: float, **warp: Unpack[Warp]) -> np.ndarray:
    """Moved right by ``pixels``."""
    need_finite("translate_x", pixels=pixels)
    return _transform("translate_x", image, IDENTITY, (pixels, 0.0), None, **warp)


def translate_y(image: np.ndarray, pixels: float, **warp: Unpack[Warp]) -> np.ndarray:
    """Moved down by ``pixels``."""
    need_finite("translate_y", pixels=pixels)
    return _transform("translate_y", image, IDENTITY, (0.0, pixels), None, **warp)


def rotate(
    image: np.ndarray, degrees: float, *, center: Point | None = None, **warp: Unpack[Warp]
) -> np.ndarray:
    """Turned counter-clockwise by ``degrees`` about ``center``; None: the image's own."""
    need_finite("rotate", degrees=degrees)
    return _transform("rotate", image, _rotation(degrees), (0.0, 0.0), center, **warp)


def shear_x(
    image: np.ndarray, slope: float, *, center: Point | None = None, **warp: Unpack[Warp]
) -> np.ndarray:
    """Every row moved right by ``slope`` times its distance below ``center``."""
    need_finite("shear_x", slope=slope)
    return _transform("shear_x", image, (1.0, slope, 0.0, 1.0), (0.0, 0.0), center, **warp)


def shear_y(
    image: np.ndarray, slope: float, *, center: Point | None = None, **warp: Unpack[Warp]
) -> np.ndarray:
    """Every column moved down by ``slope`` times its distance right of ``center``."""
    need_finite("shear_y", slope=slope)
    return _transform("shear_y", image, (1.0, 0.0, slope, 1.0), (0.0, 0.0), center, **warp)


def stretch_x(
    image: np.ndarray, factor: float, *, center: Point | None = None, **warp: Unpack[Warp]
) -> np.ndarray:
    """``factor`` > 0 times as wide, cut to the same size."""
    need_finite("stretch_x", factor=factor)
    return _transform("stretch_x", image, (factor, 0.0, 0.0, 1.0), (0.0, 0.0), center, **warp)


def stretch_y(
    image: np.ndarray, factor: float, *, center: Point | None = None, **warp: Unpack[Warp]
) -> np.ndarray:
    """``factor`` > 0 times as high, cut to the same size."""
    need_finite("stretch_y", factor=factor)
    return _transform("stretch_y", image, (1.0, 0.0, 0.0, factor), (0.0, 0.0), center, **warp)


def affine(
    image: np.ndarray,
    angle: float = 0.0,
    translate: Point = (0.0, 0.0),
    scale: float | Point = 1.0,
    shear: Point = (0.0, 0.0),
    *,
    center: Point | None = None,
    **warp: Unpack[Warp],
) -> np.ndarray:
    """All of these in one warp: p -> center + translate + R(angle) S(shear) scale (p - center).

    Parameters
    ----------
    image : uint8 (H, W, C)
    angle : float
        Degrees, counter-clockwise.
    translate : (float, float)
        Pixels to the right and down.
    scale : float or (float, float)
        Of both axes, or of x and y; positive.
    shear : (float, float)
        Angles in degrees by which vertical and horizontal lines lean, between -90 and 90.
    center : (float, float), optional
        None: the middle of the image, (W / 2, H / 2).
    """
    sx, sy = scale if isinstance(scale, tuple) else (scale, scale)
    need_finite("affine", angle=angle, scale=sx + sy)
    for argument, (x, y) in {"translate": translate, "shear": shear}.items():
        need_finite("affine", **{argument: x + y})
    if max(map(abs, shear)) >= 90:
        raise ValueError(f"affine: shear must be between -90 and 90 degrees, got {shear}")
    if min(sx, sy) <= 0:
        raise ValueError(f"affine: scale must be positive, got {scale}")
    lean_x, lean_y = (math.tan(math.radians(degrees)) for degrees in shear)
    a, b, d, e = _rotation(angle)
    matrix = (
        (a + b * lean_y) * sx,
        (a * lean_x + b) * sy,
        (d + e * lean_y) * sx,
        (d * lean_x + e) * sy,
    )
    return _transform("affine", image, matrix, translate, center, **warp)


def _rotation(degrees: float) -> Matrix:
    """Counter-clockwise to the eye, because y points down."""
    # Rounded, so that quarter turns are exact: Pillow would cut 41.999... to 41.
    cos, sin = (round(f(math.radians(degrees)), 15) for f in (math.cos, math.sin))
    return (cos, sin, -sin, cos)


def _transform(
    name: str,
    image: np.ndarray,
    matrix: Matrix,
    shift: Point,
    center: Point | None,
    *,
    interpolation: Interpolation = "bilinear",
    fill: Fill = 0,
    backend: Backend = "pillow",
) -> np.ndarray:
    """The image under p -> matrix (p - center) + center + shift, sampled at the inverse."""
    image = need_image(name, image)
    _need_interpolation(name, interpolation)
    h, w, channels = image.shape
    values = fill_values(name, fill, channels)
    x, y = (w / 2, h / 2) if center is None else center
    need_finite(name, center=x + y)
    a, b, d, e = matrix
    area = a * e - b * d
    if not area > 1e-6:
        raise ValueError(
            f"{name}: the image must keep its orientation and an area, got {area:g} times its own"
        )
    a, b, d, e = e / area, -b / area, -d / area, a / area
    c = x - a * (x + shift[0]) - b * (y + shift[1])
    f = y - d * (x + shift[0]) - e * (y + shift[1])
    if use_opencv(name, backend):
        cv2 = opencv()
        # Pixel centres are whole numbers in OpenCV and halves in Pillow.
        c, f = c + (a + b - 1) / 2, f + (d + e - 1) / 2
        flags = cv2.INTER_NEAREST if interpolation == "nearest" else cv2.INTER_LINEAR
        flags |= cv2.WARP_INVERSE_MAP
        inverse = np.array([[a, b, c], [d, e, f]])
        result = cv2.warpAffine(image, inverse, (w, h), flags=flags, borderValue=values)
        return np.asarray(result).reshape(image.shape)
    kinds = pil().Image
    resample = getattr(kinds.Resampling, interpolation.upper())
    fillcolor = values if channels > 1 else values[0]
    return from_pil(
        to_pil(image).transform(
            (w, h), kinds.Transform.AFFINE, (a, b, c, d, e, f), resample, fillcolor=fillcolor
        )
    )
