"""Average pooling to a given output size."""

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


def case(label: str, x: tuple[int, ...], output_size: Any) -> Case:
    return normal(label, {"x": x}, output_size=output_size)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((2, 5, 6, 6)).astype(dtype)
    x[0, 1, 0, 0], x[1, 4, 5, 5] = np.nan, np.inf
    return {"x": x}, {"output_size": 2}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.adaptive_avg_pool2d(**a, **o)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None
) -> Arrays:
    return {"x": ns.adaptive_avg_pool2d_backward(dy, a["x"].shape)}


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    area = a["x"].shape[2] * a["x"].shape[3]
    return {"y": rounding(area, eps) * reference.adaptive_avg_pool2d(np.abs(a["x"]), **o)}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    parts = dy.shape[2] * dy.shape[3]
    magnitude = reference.adaptive_avg_pool2d_backward(np.abs(dy), a["x"].shape)
    return {"x": rounding(parts, eps) * magnitude}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(a["x"].size, nbytes(a["x"], y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(a["x"].size, nbytes(a["x"], y["y"]))


def error(label: str, match: str, x: Any, size: Any, kind: Any = ValueError) -> Error:
    return Error(
        label,
        lambda ns: ns.adaptive_avg_pool2d(x, size),
        kind,
        f"^adaptive_avg_pool2d: {match}",
    )


def backward_error(label: str, match: str, dy: Any, shape: Any, kind: Any = ValueError) -> Error:
    return Error(
        label,
        lambda ns: ns.adaptive_avg_pool2d_backward(dy, shape),
        kind,
        f"^adaptive_avg_pool2d_backward: {match}",
    )


X, DY = f32(2, 3, 6, 7), f32(2, 3, 2, 2)

ERRORS = (
    error("x of rank 2", r"x must be .*rank 4.*got float32 \(6, 7\)", X[0, 0], 1),
    error("negative size", r"output_size must be .*got -1", X, -1),
    error("size is a float", r"output_size must be .*got 2\.5", X, 2.5, TypeError),
    error("size is a triple", r"output_size must be .*got", X, (1, 1, 1), TypeError),
    error("empty image", r"x must be .*got float32 \(2, 3, 0, 7\)", X[:, :, :0], 1),
    backward_error("dy of rank 2", r"dy must be .*rank 4.*got float32 \(2, 2\)", DY[0, 0], X.shape),
    backward_error("channels differ", r"(dy|x_shape) must be .*got", DY, (2, 4, 6, 7)),
    backward_error(
        "x_shape of length 3", r"x_shape must be .*got", DY, (3, 6, 7), (ValueError, TypeError)
    ),
    backward_error("negative x_shape", r"x_shape must be .*got", DY, (2, 3, -6, 7)),
    backward_error("huge x_shape", r"\w+ must be .*got", DY, (2, 3, 2**62, 2**62)),
)

SPECS = (
    Spec(
        name="adaptive_avg_pool2d",
        cases=(
            case("global", (2, 3, 5, 4), 1),
            case("one pixel", (1, 1, 1, 1), 1),
            case("parts of equal size", (2, 16, 6, 9), (2, 3)),
            case("overlapping parts", (1, 17, 5, 7), (3, 4)),
            case("more parts than pixels", (1, 5, 3, 2), (5, 4)),
            case("same size", (1, 9, 4, 4), 4),
            case("global, 65 channels", (3, 65, 7, 7), 1),
            case("empty batch", (0, 3, 4, 4), 2),
            Case("non-finite", non_finite, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x",),
        errors=ERRORS,
        large=(
            case("global", (6, 40, 64, 63), 1),
            case("overlapping", (6, 40, 64, 63), (5, 7)),
        ),
        bench=(
            case("ResNet-50 head", (64, 2048, 7, 7), 1),
            case("CIFAR ResNet-20 head", (128, 64, 8, 8), 1),
            case("VGG-16 7x7", (8, 512, 14, 14), 7),
        ),
    ),
)
