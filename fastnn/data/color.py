"""Colour of single images, by Pillow or OpenCV.

Every function takes an image (H, W, C) of uint8 with C = 1 (grey) or 3 (RGB) and returns a new one.
Names, amounts and results are those of ``PIL.ImageOps`` and ``PIL.ImageEnhance``, on which the
published policies are defined. ``backend="opencv"`` is several times as fast; it gives the same
bits but for contrast (within 1 + factor grey levels), saturation and sharpness (2 + factor), where
it rounds its intermediate values in another way.

Raises
------
TypeError
    The image is not a uint8 array, or an amount is not a number.
ValueError
    The image has another shape, an amount is out of range, or the backend is unknown.
ImportError
    The backend is not installed.
"""

import numpy as np

from . import _color_opencv
from ._images import Backend, from_pil, need_finite, need_image, pil, to_pil, use_opencv


def invert(image: np.ndarray, *, backend: Backend = "pillow") -> np.ndarray:
    """255 - image."""
    image = need_image("invert", image)
    if use_opencv("invert", backend):
        return _color_opencv.invert(image)
    return from_pil(pil().ImageOps.invert(to_pil(image)))


def posterize(image: np.ndarray, bits: int, *, backend: Backend = "pillow") -> np.ndarray:
    """Only the upper ``bits`` of the 8 bits of every value, 1 to 8; the others become 0."""
    image = need_image("posterize", image)
    need_finite("posterize", bits=bits)
    if not 1 <= bits <= 8 or int(bits) != bits:
        raise ValueError(f"posterize: bits must be a whole number from 1 to 8, got {bits}")
    if use_opencv("posterize", backend):
        return _color_opencv.posterize(image, int(bits))
    return from_pil(pil().ImageOps.posterize(to_pil(image), int(bits)))


def solarize(image: np.ndarray, threshold: float, *, backend: Backend = "pillow") -> np.ndarray:
    """Values of ``threshold`` and above inverted; 256 leaves the image as it is."""
    image = need_image("solarize", image)
    need_finite("solarize", threshold=threshold)
    if use_opencv("solarize", backend):
        return _color_opencv.solarize(image, threshold)
    return from_pil(pil().ImageOps.solarize(to_pil(image), threshold))


def autocontrast(image: np.ndarray, *, backend: Backend = "pillow") -> np.ndarray:
    """Each channel stretched linearly, so that its least value is 0 and its largest 255,
    or 254 where Pillow rounds down."""
    image = need_image("autocontrast", image)
    if use_opencv("autocontrast", backend):
        return _color_opencv.autocontrast(image)
    return from_pil(pil().ImageOps.autocontrast(to_pil(image)))


def equalize(image: np.ndarray, *, backend: Backend = "pillow") -> np.ndarray:
    """Each channel mapped by its own cumulative histogram, so that its values spread evenly.

    As in Pillow, a channel in which fewer than 255 pixels lie below its largest value stays as it
    is: images of up to 16 x 15 pixels never change.
    """
    image = need_image("equalize", image)
    if use_opencv("equalize", backend):
        return _color_opencv.equalize(image)
    return from_pil(pil().ImageOps.equalize(to_pil(image)))


def brightness(image: np.ndarray, factor: float, *, backend: Backend = "pillow") -> np.ndarray:
    """``factor`` times the image: 0 is black, 1 the image itself."""
    return _enhance("brightness", "Brightness", image, factor, backend)


def contrast(image: np.ndarray, factor: float, *, backend: Backend = "pillow") -> np.ndarray:
    """mean + factor * (image - mean), with the mean of its grey version: 0 is grey all over."""
    return _enhance("contrast", "Contrast", image, factor, backend)


def saturation(image: np.ndarray, factor: float, *, backend: Backend = "pillow") -> np.ndarray:
    """grey + factor * (image - grey), "Color" in the policies: 0 is the grey version.

    Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
    """
    return _enhance("saturation", "Color", image, factor, backend)


def sharpness(image: np.ndarray, factor: float, *, backend: Backend = "pillow") -> np.ndarray:
    """smooth + factor * (image - smooth): 0 is smooth, 1 the image itself, 2 sharpened.

    Smooth is the mean over 3 x 3 pixels, in which the one in the middle counts five times; pixels
    at the border stay.
    """
    return _enhance("sharpness", "Sharpness", image, factor, backend)


def _enhance(
    name: str, kind: str, image: np.ndarray, factor: float, backend: Backend
) -> np.ndarray:
    image = need_image(name, image)
    need_finite(name, factor=factor)
    if factor < 0:
        raise ValueError(f"{name}: factor must not be negative, got {factor}")
    if use_opencv(name, backend):
        result: np.ndarray = getattr(_color_opencv, name)(image, factor)
        return result
    return from_pil(getattr(pil().ImageEnhance, kind)(to_pil(image)).enhance(factor))
