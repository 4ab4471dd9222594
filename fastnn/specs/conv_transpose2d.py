"""Transposed two-dimensional convolution."""

from typing import Any

import numpy as np

from .. import reference
from ._spec import (
    Arrays,
    Case,
    Cost,
    Error,
    Namespace,
    Options,
    Spec,
    f32,
    nbytes,
    normal,
    rounding,
)

Shape = tuple[int, ...]


def case(label: str, x: Shape, weight: Shape, *, bias: bool = True, **options: Any) -> Case:
    shapes = {"x": x, "weight": weight}
    if bias:
        shapes["bias"] = (weight[1] * options.get("groups", 1),)
    return normal(label, shapes, **options)


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.conv_transpose2d(**a, **o)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None, **needs: Any
) -> Arrays:
    gradients = ns.conv_transpose2d_backward(dy, a["x"], a["weight"], **o, **needs)
    return dict(zip(("x", "weight", "bias"), gradients, strict=True))


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    magnitude = reference.conv_transpose2d(**{name: np.abs(v) for name, v in a.items()}, **o)
    weight = a["weight"]
    terms = weight.size // weight.shape[1] // o.get("groups", 1)
    return {"y": rounding(terms + 1, eps) * magnitude}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    x, weight = a["x"], a["weight"]
    magnitudes = reference.conv_transpose2d_backward(np.abs(dy), np.abs(x), np.abs(weight), **o)
    lengths = (weight[:1].size, x.size // x.shape[1], dy.size // dy.shape[1])
    return {
        name: rounding(length, eps) * magnitude
        for name, length, magnitude in zip(
            ("x", "weight", "bias"), lengths, magnitudes, strict=True
        )
    }


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(2 * a["x"].size * a["weight"][:1].size, nbytes(*a.values(), y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    traffic = nbytes(a["x"], a["weight"], y["y"], *a.values())
    return Cost(4 * a["x"].size * a["weight"][:1].size, traffic)


def error(label: str, match: str, *arrays: np.ndarray, **options: Any) -> Error:
    return Error(
        label,
        lambda ns: ns.conv_transpose2d(*arrays, **options),
        ValueError,
        f"^conv_transpose2d: {match}",
    )


X, W = f32(2, 4, 6, 7), f32(4, 8, 3, 3)

ERRORS = (
    error("x of rank 3", r"x must be .*rank 4.*got float32 \(4, 6, 7\)", X[0], W),
    error("channels differ", r"(x|weight) must be .*got float32", X, f32(3, 8, 3, 3)),
    error("bias of wrong length", r"bias must be .*\(8,\), got float32 \(4,\)", X, W, f32(4)),
    error("stride 0", r"stride must be .*got 0", X, W, stride=0),
    error("padding is a word", r"padding must be .*got .*same", X, W, padding="same"),
    error("padding beyond the output", r"x must be .*got", X, W, padding=9),
    error("output_padding too large", r"output_padding must be .*got 1", X, W, output_padding=1),
    error("groups do not divide", r"groups must be .*got 3", X, W, groups=3),
    error("empty image", r"x must be .*got", f32(2, 4, 0, 7), W),
    Error(
        "dy of wrong shape",
        lambda ns: ns.conv_transpose2d_backward(f32(2, 8, 6, 7), X, W),
        ValueError,
        r"^conv_transpose2d_backward: dy must be .*\(2, 8, 8, 9\), got .*\(2, 8, 6, 7\)",
    ),
    Error(
        "dtypes differ",
        lambda ns: ns.conv_transpose2d(X, W.astype(np.float64)),
        TypeError,
        "^conv_transpose2d: weight must be",
    ),
)

SPECS = (
    Spec(
        name="conv_transpose2d",
        cases=(
            case("3x3, padding 1", (2, 3, 8, 9), (3, 5, 3, 3), padding=1),
            case("one pixel", (1, 1, 1, 1), (1, 1, 1, 1)),
            case("2x2, stride 2", (2, 17, 5, 4), (17, 16, 2, 2), stride=2),
            case("2x2, stride 2, long rows", (3, 17, 3, 31), (17, 16, 2, 2), stride=2),
            case("2x3, stride (2, 3), long rows", (2, 5, 2, 16), (5, 7, 2, 3), stride=(2, 3)),
            case(
                "no bias, stride 2",
                (2, 5, 4, 5),
                (5, 3, 4, 4),
                bias=False,
                stride=2,
                padding=1,
            ),
            case(
                "output padding", (1, 5, 5, 3), (5, 4, 3, 3), stride=2, padding=1, output_padding=1
            ),
            case("rectangular", (2, 3, 4, 5), (3, 4, 2, 3), stride=(2, 3), output_padding=(1, 2)),
            case("stride beyond the kernel", (2, 3, 3, 4), (3, 4, 2, 1), stride=3),
            case("asymmetric", (2, 3, 5, 6), (3, 4, 3, 3), padding=((0, 1), (2, 1)), stride=2),
            case("dilation", (1, 3, 5, 6), (3, 17, 3, 2), dilation=(2, 3), stride=2, padding=1),
            case(
                "output padding of a stride",
                (1, 3, 4, 4),
                (3, 4, 3, 3),
                dilation=3,
                output_padding=2,
            ),
            case("groups 2", (2, 6, 5, 5), (6, 2, 3, 3), stride=2, padding=1, groups=2),
            case("depthwise", (2, 17, 5, 6), (17, 1, 3, 3), stride=2, padding=1, groups=17),
            case("empty batch", (0, 3, 4, 4), (3, 5, 3, 3)),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight", "bias"),
        needs=True,
        errors=ERRORS,
        large=(case("many tiles", (5, 32, 15, 17), (32, 33, 3, 3), stride=2, padding=1),),
        bench=(
            case("DCGAN 64 -> 32, 4x4", (32, 64, 16, 16), (64, 32, 4, 4), stride=2, padding=1),
            case("U-Net up 128 -> 64", (8, 128, 28, 28), (128, 64, 2, 2), stride=2),
        ),
    ),
)
