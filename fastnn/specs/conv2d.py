"""Two-dimensional convolution."""

from typing import Any

import numpy as np

from .. import reference
from . import _winograd
from ._fused import ACTIVATIONS, activation_bound, gradient_magnitude
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
        shapes["bias"] = weight[:1]
    return normal(label, shapes, **options)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((2, 3, 7, 9)).astype(dtype)
    x[0, 1, 2, 3], x[1, 2, 6, 8] = np.nan, np.inf
    return {"x": x, "weight": rng.standard_normal((5, 3, 3, 3)).astype(dtype)}, {"padding": 1}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.conv2d(**a, **o)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None, **needs: Any
) -> Arrays:
    out = y["y"] if o.get("activation") else None
    gradients = ns.conv2d_backward(dy, a["x"], a["weight"], **o, y=out, **needs)
    return dict(zip(("x", "weight", "bias"), gradients, strict=True))


def plain(o: Options) -> Options:
    """The options without the activation."""
    return {name: value for name, value in o.items() if name != "activation"}


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    if _winograd.used(a, o, eps):
        error = _winograd.bound(a, o, eps)
        return {"y": activation_bound(forward(reference, a, o)[0]["y"], error, o, eps)}
    magnitude = reference.conv2d(**{name: np.abs(v) for name, v in a.items()}, **plain(o))
    error = rounding(a["weight"][:1].size, eps) * magnitude
    return {"y": activation_bound(forward(reference, a, o)[0]["y"], error, o, eps)}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    dz = gradient_magnitude(dy, y["y"], o)
    magnitudes = reference.conv2d_backward(dz, np.abs(a["x"]), np.abs(a["weight"]), **plain(o))
    weight, pixels = a["weight"], dy.size // dy.shape[1]
    lengths = (weight.size // weight.shape[1] // o.get("groups", 1), pixels, pixels)
    bounds = {
        name: (2 * eps + rounding(length, eps)) * magnitude
        for name, length, magnitude in zip(
            ("x", "weight", "bias"), lengths, magnitudes, strict=True
        )
    }
    return bounds | (_winograd.gradient_bounds(a, o, dz, eps) if _winograd.used(a, o, eps) else {})


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(2 * y["y"].size * a["weight"][:1].size, nbytes(*a.values(), y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    read = nbytes(a["x"], a["weight"], y["y"]) + (nbytes(y["y"]) if o.get("activation") else 0)
    return Cost(4 * y["y"].size * a["weight"][:1].size, read + nbytes(*a.values()))


def error(label: str, match: str, *arrays: np.ndarray, **options: Any) -> Error:
    return Error(label, lambda ns: ns.conv2d(*arrays, **options), ValueError, f"^conv2d: {match}")


def type_error(label: str, match: str, *arrays: np.ndarray, **options: Any) -> Error:
    return error(label, match, *arrays, **options)._replace(type=TypeError)


def backward_error(label: str, match: str, *arrays: np.ndarray, **options: Any) -> Error:
    return Error(
        label,
        lambda ns: ns.conv2d_backward(*arrays, **options),
        ValueError,
        f"^conv2d_backward: {match}",
    )


X, W, DY = f32(2, 4, 6, 7), f32(8, 4, 3, 3), f32(2, 8, 4, 5)

ERRORS = (
    error("x of rank 3", r"x must be .*rank 4.*got float32 \(4, 6, 7\)", X[0], W),
    error("weight of rank 2", r"weight must be .*rank 4.*got float32 \(8, 4\)", X, f32(8, 4)),
    error("channels differ", r"(x|weight) must be .*got float32", X, f32(8, 3, 3, 3)),
    error("bias of wrong length", r"bias must be .*\(8,\), got float32 \(4,\)", X, W, f32(4)),
    error("stride 0", r"stride must be .*got 0", X, W, stride=0),
    error("stride (1, 0)", r"stride must be .*got", X, W, stride=(1, 0)),
    error("negative padding", r"padding must be .*got -1", X, W, padding=-1),
    error("unknown padding", r"padding must be .*got .*full", X, W, padding="full"),
    error("same with stride", r"(padding|stride) must be .*got", X, W, padding="same", stride=2),
    error("dilation 0", r"dilation must be .*got 0", X, W, dilation=0),
    error("groups 0", r"groups must be .*got 0", X, W, groups=0),
    error("groups do not divide", r"(groups|weight) must be .*got", X, f32(8, 1, 3, 3), groups=3),
    error(
        "groups do not divide the outputs",
        r"(groups|weight) must be .*got",
        X,
        f32(7, 2, 3, 3),
        groups=2,
    ),
    error("kernel beyond the image", r"(x|weight|kernel_size) must be .*got", X, f32(8, 4, 7, 3)),
    error("dilated beyond the image", r"\w+ must be .*got", X, W, dilation=4),
    error("empty kernel", r"weight must be .*got float32 \(8, 4, 0, 3\)", X, f32(8, 4, 0, 3)),
    error("unknown activation", r"activation must be .*got .*gelu", X, W, activation="gelu"),
    error("unknown algorithm", r"algorithm must be .*got .*fft", X, W, algorithm="fft"),
    error("algorithm is a number", r"algorithm must be .*got 2", X, W, algorithm=2),
    *(
        error(f"Winograd, {why}", f"algorithm must be .*{why}", *arrays, algorithm="winograd", **o)
        for why, arrays, o in (
            ("for a kernel of 1 x 3", (X, f32(8, 4, 1, 3)), {}),
            ("for a stride other than 1", (X, W), {"stride": (1, 2)}),
            ("for a dilation other than 1", (X, W), {"dilation": 2}),
            ("for groups other than 1", (X, f32(8, 2, 3, 3)), {"groups": 2}),
        )
    ),
    type_error("stride is a float", r"stride must be .*got 1\.5", X, W, stride=1.5),
    type_error("stride is a triple", r"stride must be .*got", X, W, stride=(1, 1, 1)),
    type_error("groups is a string", r"groups must be .*got", X, W, groups="2"),
    type_error("padding is None", r"padding must be .*got None", X, W, padding=None),
    backward_error(
        "dy of wrong shape", r"dy must be .*\(2, 8, 4, 5\), got .*\(2, 8, 4, 4\)", DY[..., 1:], X, W
    ),
    backward_error("y is missing", r"y must be .*got None", DY, X, W, activation="relu"),
    backward_error(
        "y of wrong shape",
        r"y must be .*\(2, 8, 4, 5\), got",
        DY,
        X,
        W,
        activation="relu",
        y=DY[:1],
    ),
    backward_error("unknown name in needs", r"needs must be .*got", DY, X, W, needs=("dx",)),
)

SPECS = (
    Spec(
        name="conv2d",
        cases=(
            case("3x3, padding 1", (2, 3, 8, 9), (5, 3, 3, 3), padding=1),
            case("one pixel", (1, 1, 1, 1), (1, 1, 1, 1)),
            case("no bias, valid", (2, 5, 6, 5), (3, 5, 3, 2), bias=False, padding="valid"),
            case("stride 2", (2, 5, 9, 8), (16, 5, 3, 3), stride=2, padding=1),
            case("5x5, stride 3", (1, 3, 17, 16), (17, 3, 5, 5), stride=3, padding=2),
            case("all rectangular", (2, 3, 9, 8), (4, 3, 2, 3), stride=(2, 3), padding=(0, 1)),
            case("asymmetric", (2, 3, 5, 6), (4, 3, 3, 3), padding=((0, 1), (2, 1))),
            case(
                "asymmetric, stride 2",
                (1, 3, 8, 8),
                (5, 3, 3, 3),
                stride=2,
                padding=((0, 1), (0, 1)),
            ),
            case("same, even kernel", (2, 3, 5, 7), (3, 3, 4, 2), padding="same"),
            case("dilation", (2, 16, 11, 10), (17, 16, 3, 3), padding=2, dilation=(2, 1)),
            case(
                "same, dilation, stride 1",
                (1, 5, 7, 8),
                (3, 5, 3, 3),
                padding="same",
                dilation=(1, 3),
            ),
            case("dilation and stride", (1, 3, 12, 11), (4, 3, 3, 2), stride=2, dilation=2),
            case("groups 2", (2, 6, 7, 7), (4, 3, 3, 3), padding=1, groups=2),
            case("groups of 2", (2, 32, 7, 15), (32, 2, 3, 3), padding=1, groups=16),
            case(
                "groups of 4, stride 2", (3, 16, 9, 8), (16, 4, 3, 3), stride=2, padding=1, groups=4
            ),
            case(
                "groups of 4, stride 3", (2, 32, 9, 8), (32, 4, 2, 2), stride=3, padding=1, groups=8
            ),
            case("groups of 8", (2, 32, 6, 5), (32, 8, 5, 3), padding=(2, 1), groups=4),
            case(
                "groups of 4, dilated",
                (1, 16, 9, 8),
                (16, 4, 3, 3),
                padding=2,
                dilation=2,
                groups=4,
            ),
            case("depthwise", (2, 17, 9, 9), (17, 1, 3, 3), padding=1, groups=17),
            case(
                "depthwise, stride 2", (1, 16, 9, 8), (16, 1, 3, 3), stride=2, padding=1, groups=16
            ),
            case("depthwise 5x5", (2, 33, 7, 9), (33, 1, 5, 5), padding=2, groups=33),
            case("depthwise 7x7", (1, 5, 9, 12), (5, 1, 7, 7), padding=3, groups=5),
            case("depthwise 3x2", (2, 6, 5, 8), (6, 1, 3, 2), stride=(1, 2), groups=6),
            case("depthwise, one row", (3, 16, 1, 17), (16, 1, 3, 3), padding=1, groups=16),
            case("depthwise, one column", (1, 17, 9, 1), (17, 1, 3, 3), padding=1, groups=17),
            case(
                "depthwise 5x5, stride 2",
                (1, 17, 9, 8),
                (17, 1, 5, 5),
                stride=2,
                padding=2,
                groups=17,
            ),
            case(
                "depthwise, stride 3, dilation 2",
                (1, 18, 11, 13),
                (18, 1, 3, 3),
                stride=3,
                padding=2,
                dilation=2,
                groups=18,
            ),
            case(
                "depthwise, activation",
                (1, 17, 5, 6),
                (17, 1, 3, 3),
                padding=1,
                groups=17,
                activation="tanh",
            ),
            case("depthwise, planes", (1, 256, 7, 6), (256, 1, 3, 3), padding=1, groups=256),
            case(
                "depthwise, planes, stride 2",
                (1, 256, 5, 6),
                (256, 1, 3, 3),
                stride=2,
                padding=1,
                groups=256,
            ),
            case("depthwise, two each", (1, 5, 6, 6), (10, 1, 3, 3), groups=5),
            case("1x1, 65 -> 16", (2, 65, 5, 5), (16, 65, 1, 1)),
            case("1x1, stride 2", (2, 16, 7, 6), (65, 16, 1, 1), stride=2),
            case("3x3, 16 -> 65", (1, 16, 6, 17), (65, 16, 3, 3), padding=1),
            case("deep, stride 2", (2, 130, 5, 6), (116, 130, 3, 3), stride=2, padding=1),
            # sums made in parts, also with the shortest vectors
            case("deeper, stride 2", (1, 700, 9, 5), (8, 700, 3, 3), stride=2, padding=1),
            case("kernel covers the image", (3, 17, 4, 4), (10, 17, 4, 4)),
            case("padding beyond the kernel", (1, 3, 3, 4), (4, 3, 3, 3), padding=4),
            case("empty batch", (0, 3, 8, 8), (5, 3, 3, 3), padding=1),
            *(
                case(name, (2, 3, 6, 5), (17, 3, 3, 3), padding=1, activation=name)
                for name in ACTIVATIONS
            ),
            Case("non-finite", non_finite, smooth=False),
            *_winograd.CASES,
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
        large=(
            case("many tiles", (5, 32, 30, 33), (33, 32, 3, 3), padding=1, algorithm="direct"),
            *_winograd.LARGE,
            case("many channels apart", (4, 64, 30, 33), (64, 1, 3, 3), padding=1, groups=64),
            case("many planes", (2, 512, 17, 14), (512, 1, 3, 3), padding=1, groups=512),
            case(
                "many planes, stride 2",
                (3, 256, 19, 30),
                (256, 1, 5, 5),
                stride=2,
                padding=2,
                groups=256,
            ),
            # The gradient is streamed, and its images begin anywhere in a cache line.
            case("large odd images", (3, 40, 189, 187), (8, 40, 3, 3), stride=2, padding=1),
            case("deep, stride 2", (3, 130, 33, 33), (116, 130, 3, 3), stride=2, padding=1),
            case("many outputs a pixel", (3, 128, 14, 15), (130, 128, 1, 1), bias=False),
        ),
        bench=(
            case("ResNet-50 conv1", (8, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3),
            case("ResNet-50 stage 1 3x3", (8, 64, 56, 56), (64, 64, 3, 3), padding=1, bias=False),
            case(
                "ResNet-50 stage 3 3x3", (8, 256, 14, 14), (256, 256, 3, 3), padding=1, bias=False
            ),
            case("ResNet-50 stage 2 1x1", (8, 512, 28, 28), (128, 512, 1, 1), bias=False),
            case(
                "CIFAR ResNet-20 stage 1", (128, 16, 32, 32), (16, 16, 3, 3), padding=1, bias=False
            ),
            case("LeNet-5 conv2", (256, 6, 14, 14), (16, 6, 5, 5), activation="relu"),
            case(
                "MobileNet depthwise",
                (8, 256, 28, 28),
                (256, 1, 3, 3),
                padding=1,
                groups=256,
                bias=False,
            ),
        ),
    ),
)
