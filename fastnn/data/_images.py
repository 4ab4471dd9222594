"""What the operations on single images share: checks, and the way to Pillow and OpenCV."""

import math
from typing import Any, Literal

import numpy as np

Backend = Literal["pillow", "opencv"]
Fill = int | tuple[int, ...]


def need_image(name: str, image: np.ndarray) -> np.ndarray:
    """``image`` in C order, if it is uint8 (H, W, 1) or (H, W, 3) and not empty."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        got = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"{name}: image must be a uint8 array, got {got}")
    if image.ndim != 3 or image.shape[2] not in (1, 3) or image.size == 0:
        raise ValueError(
            f"{name}: image must be of shape (H, W, 1) or (H, W, 3) with pixels, got {image.shape}"
        )
    return np.ascontiguousarray(image)


def need_finite(name: str, **values: float) -> None:
    """Every value is a finite number."""
    for argument, value in values.items():
        try:
            finite = math.isfinite(value)
        except TypeError:
            raise TypeError(
                f"{name}: {argument} must be a number, got {type(value).__name__}"
            ) from None
        if not finite:
            raise ValueError(f"{name}: {argument} must be finite, got {value}")


def need_choice(name: str, argument: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}: {argument} must be one of {listed}, got {value!r}")


def use_opencv(name: str, backend: str) -> bool:
    need_choice(name, "backend", backend, ("pillow", "opencv"))
    return backend == "opencv"


def fill_values(name: str, fill: Fill, channels: int) -> tuple[int, ...]:
    """``fill`` for each channel."""
    values = fill if isinstance(fill, tuple) else (fill,) * channels
    if len(values) != channels or not all(0 <= value <= 255 for value in values):
        raise ValueError(
            f"{name}: fill must be a number in [0, 255] or {channels} of them, got {fill}"
        )
    return values


def pil() -> Any:
    """The package ``PIL`` with the modules that are used here."""
    try:
        import PIL
        import PIL.Image
        import PIL.ImageEnhance
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(
            "operations on images need Pillow, which is not installed: pip install 'fastnn[image]'"
        ) from error
    return PIL


def opencv() -> Any:
    """The module ``cv2``."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "backend='opencv' needs OpenCV, which is not installed: pip install 'fastnn[opencv]'"
        ) from error
    return cv2


def to_pil(image: np.ndarray) -> Any:
    return pil().Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def from_pil(image: Any) -> np.ndarray:
    """A writable array (H, W, C)."""
    array = np.array(image)
    return array if array.ndim == 3 else array[..., None]
