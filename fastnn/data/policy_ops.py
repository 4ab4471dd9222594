"""The operations that the published policies name.

As in torchvision, enhancements are by the factor 1 + amount, shears start from the upper left
corner, and translations are cut to whole pixels.
"""

from collections.abc import Callable
from typing import Unpack

import numpy as np

from . import color, geometry
from ._images import need_image
from .geometry import Warp
from .policies import NO_AMOUNT, Range

_GEOMETRY: dict[str, Callable[..., np.ndarray]] = {
    "ShearX": geometry.shear_x,
    "ShearY": geometry.shear_y,
    "TranslateX": geometry.translate_x,
    "TranslateY": geometry.translate_y,
    "Rotate": geometry.rotate,
}
_ENHANCE = {
    "Brightness": color.brightness,
    "Color": color.saturation,
    "Contrast": color.contrast,
    "Sharpness": color.sharpness,
}
_PLAIN = {
    "AutoContrast": color.autocontrast,
    "Equalize": color.equalize,
    "Invert": color.invert,
}


def apply(name: str, image: np.ndarray, amount: float = 0.0, **warp: Unpack[Warp]) -> np.ndarray:
    """The operation ``name`` of the policies with an amount in its own unit.

    Parameters
    ----------
    name : str
        "ShearX", ..., "Identity", as in ``policies.RANGES`` and ``policies.NO_AMOUNT``.
    image : uint8 (H, W, C)
    amount : float
        Slope, pixels, degrees, factor - 1, bits or threshold.

    Raises
    ------
    ValueError
        The operation is unknown, or what the operation itself refuses.
    """
    if name in _GEOMETRY:
        options = warp | {"center": (0.0, 0.0)} if name.startswith("Shear") else warp
        amount = int(amount) if name.startswith("Translate") else amount
        return _GEOMETRY[name](image, amount, **options)
    backend = warp.get("backend", "pillow")
    if name in _ENHANCE:
        return _ENHANCE[name](image, 1 + amount, backend=backend)
    if name in _PLAIN:
        return _PLAIN[name](image, backend=backend)
    if name == "Posterize":
        return color.posterize(image, round(amount), backend=backend)
    if name == "Solarize":
        return color.solarize(image, amount, backend=backend)
    if name == "Identity":
        return need_image(name, image)
    raise ValueError(f"apply: name must be an operation of the policies, got {name!r}")


def amount_at(level: float, name: str, ranges: dict[str, Range], image: np.ndarray) -> float:
    """Amount of an operation at ``level``, from 0 to 1, without its sign."""
    if name in NO_AMOUNT:
        return 0.0
    low, high, _, of_size = ranges[name]
    size = image.shape[name.endswith("X")] if of_size else 1
    return (low + (high - low) * level) * size
