"""Winograd convolution: what its rounding errors are bounded by, and the cases to test."""

from typing import Any

import numpy as np

from ..reference import _winograd
from ..reference._windows import margins
from ._spec import Arrays, Case, Options, normal, rounding

# Roundings in a row besides the sum of products: 4 in either of two passes over an input patch, 3
# in either over the weights or the output gradient, 3 in either over the products.
TRANSFORMS = 2 * (4 + 3 + 3)
PLAIN = ("stride", "dilation", "groups")


def used(a: Arrays, o: Options, eps: float) -> bool:
    """Whether the call names this algorithm, or "auto" may choose it.

    That is in float32 from 32 channels on, with AVX-512 from 16 if there are over 120 outputs, but
    from 64 if there are no more than 16 or without a fused multiply-add.
    """
    from .._runtime import get_isa  # not above: the specs load without the extension

    algorithm = o.get("algorithm") or "auto"
    channels, (kh, kw) = a["weight"].shape[:2], a["weight"].shape[2:]
    fits = (kh, kw) == (3, 3) and all(o.get(n, 1) in (1, (1, 1)) for n in PLAIN)
    pixels = np.prod([n + sum(m) - 2 for n, m in zip(a["x"].shape[2:], margin(o), strict=True)])
    isa = get_isa()
    least = 16 if isa == "avx512" and pixels > 120 else 32
    if pixels <= 16 or isa == "baseline":
        least = 64
    automatic = algorithm == "auto" and eps > 1e-10 and fits and min(channels) >= least
    return algorithm == "winograd" or automatic


def margin(o: Options) -> Any:
    return margins(o.get("padding", 0), (3, 3), (1, 1))


def bound(a: Arrays, o: Options, eps: float) -> np.ndarray:
    """Error of y before the activation: that of its longest chain of roundings.

    Each value in between is bounded with the transforms of absolute values, which do not cancel.
    """
    sizes = _winograd.toom_cook().magnitudes()
    x, weight = np.abs(a["x"]), np.abs(a["weight"])
    magnitude = _winograd.conv2d(x, weight, margin(o), sizes)
    bias = 0 if a.get("bias") is None else np.abs(a["bias"])[:, None, None]
    return rounding(weight.shape[1] + TRANSFORMS, eps) * magnitude + 2 * eps * bias


def gradient_bounds(a: Arrays, o: Options, dz: np.ndarray, eps: float) -> Arrays:
    """The same for dx and dW."""
    sizes = _winograd.toom_cook().magnitudes()
    x, weight = np.abs(a["x"]), np.abs(a["weight"])
    count = len(dz) * -(-dz.shape[2] // _winograd.TILE) * -(-dz.shape[3] // _winograd.TILE)
    dx = _winograd.input_gradient(dz, x, weight, margin(o), sizes)
    dw = _winograd.weight_gradient(dz, x, margin(o), sizes)
    return {
        "x": (2 * eps + rounding(dz.shape[1] + TRANSFORMS, eps)) * dx,
        "weight": (2 * eps + rounding(count + TRANSFORMS, eps)) * dw,
    }


def case(
    image: tuple[int, int, int], channels: tuple[int, int], bias: bool = True, **options: Any
) -> Case:
    """``image`` (n, h, w), ``channels`` (in, out)."""
    (n, h, w), (c, o) = image, channels
    shapes: dict[str, tuple[int, ...]] = {"x": (n, c, h, w), "weight": (o, c, 3, 3)}
    if bias:
        shapes["bias"] = (o,)
    extra = "".join(f", {name} {value}" for name, value in options.items())
    label = f"Winograd {n} x {h} x {w}, {c} -> {o}{extra}"
    return normal(label, shapes, algorithm="winograd", **options)


CASES = (
    *(case((2, n, 10 - n), (3, 5), padding=1) for n in range(1, 10)),
    case((1, 3, 3), (1, 1)),
    case((1, 4, 5), (1, 17), padding=2),
    case((3, 7, 7), (17, 16), bias=False, padding=1),
    case((2, 14, 14), (16, 33), padding="same", activation="relu"),
    case((1, 9, 6), (33, 65), padding=((0, 1), (2, 1)), activation="leaky_relu"),
    case((1, 6, 11), (65, 3), padding=((3, 0), (0, 4)), activation="tanh"),
    case((5, 8, 8), (16, 16), bias=False, padding=1),
    case((0, 8, 8), (3, 5), padding=1),
)

LARGE = (
    case((5, 30, 33), (32, 33), padding=1, activation="relu"),
    case((1, 28, 28), (64, 130), padding=1),
    case((20, 16, 16), (17, 16), bias=False, padding=1),
)
