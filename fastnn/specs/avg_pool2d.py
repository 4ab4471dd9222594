"""Two-dimensional average pooling."""

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


def case(label: str, x: Shape, kernel_size: Any, **options: Any) -> Case:
    return normal(label, {"x": x}, kernel_size=kernel_size, **options)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((2, 5, 8, 7)).astype(dtype)
    x[0, 1, 3, 3], x[1, 3, 0, 6], x[1, 4, 7, 0] = np.nan, np.inf, -np.inf
    return {"x": x}, {"kernel_size": 3, "stride": 2, "padding": 1}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.avg_pool2d(**a, **o)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None
) -> Arrays:
    return {"x": ns.avg_pool2d_backward(dy, a["x"].shape, **o)}


def taps(o: Options) -> int:
    return int(np.prod(np.broadcast_to(o["kernel_size"], 2)))


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    magnitude = reference.avg_pool2d(np.abs(a["x"]), **o)
    return {"y": (2 * eps + rounding(taps(o), eps)) * magnitude}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    magnitude = reference.avg_pool2d_backward(np.abs(dy), a["x"].shape, **o)
    return {"x": (2 * eps + rounding(taps(o), eps)) * magnitude}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(y["y"].size * taps(o), nbytes(a["x"], y["y"]))


def error(
    label: str, match: str, x: np.ndarray, kernel_size: Any, kind: Any = ValueError, **options: Any
) -> Error:
    return Error(
        label, lambda ns: ns.avg_pool2d(x, kernel_size, **options), kind, f"^avg_pool2d: {match}"
    )


def backward_error(label: str, match: str, dy: Any, shape: Any, kind: Any = ValueError) -> Error:
    return Error(
        label,
        lambda ns: ns.avg_pool2d_backward(dy, shape, 2),
        kind,
        f"^avg_pool2d_backward: {match}",
    )


X, DY = f32(2, 3, 6, 7), f32(2, 3, 3, 3)

ERRORS = (
    error("x of rank 3", r"x must be .*rank 4.*got float32 \(3, 6, 7\)", X[0], 2),
    error("kernel 0", r"kernel_size must be .*got 0", X, 0),
    error("kernel is a float", r"kernel_size must be .*got 2\.5", X, 2.5, TypeError),
    error("stride 0", r"stride must be .*got 0", X, 2, stride=0),
    error("negative padding", r"padding must be .*got -1", X, 2, padding=-1),
    error("padding beyond half the kernel", r"padding must be .*got", X, 2, padding=2),
    error("kernel beyond the image", r"\w+ must be .*got", X, 8),
    error("divisor 0", r"divisor_override must be .*got 0", X, 2, divisor_override=0),
    error("a float divisor", r"divisor_override must be .*", X, 2, TypeError, divisor_override=2.0),
    error("empty image", r"x must be .*got float32 \(2, 3, 0, 7\)", X[:, :, :0], 1),
    backward_error("dy of rank 2", r"dy must be .*got float32 \(3, 3\)", DY[0, 0], X.shape),
    backward_error("channels differ", r"dy must be .*got", DY, (2, 4, 6, 7)),
    backward_error("x_shape of length 3", r"x_shape must be .*got", DY, (3, 6, 7)),
    backward_error("negative x_shape", r"x_shape must be .*got", DY, (2, 3, -6, 7)),
    backward_error("huge x_shape", r"\w+ must be .*got", DY, (2, 3, 2**62, 2**62)),
)

SPECS = (
    Spec(
        name="avg_pool2d",
        cases=(
            case("2x2", (2, 3, 8, 6), 2),
            case("one pixel", (1, 1, 1, 1), 1),
            case("3x3, stride 2, padding 1", (2, 16, 9, 8), 3, stride=2, padding=1),
            case(
                "padding not counted", (2, 9, 9, 8), 3, stride=2, padding=1,
                count_include_pad=False,
            ),
            case("divisor", (2, 20, 9, 8), 3, stride=1, padding=1, divisor_override=5),
            case("rows are left over", (1, 17, 7, 9), 2),
            case("ceil_mode", (1, 5, 7, 9), 2, ceil_mode=True),
            case("ceil_mode, padding", (1, 3, 5, 4), 3, stride=2, padding=1, ceil_mode=True),
            case(
                "ceil_mode, padding not counted", (1, 3, 6, 6), 3, stride=2, padding=1,
                ceil_mode=True, count_include_pad=False,
            ),
            case("ceil_mode, stride beyond the kernel", (1, 3, 7, 8), 2, stride=3, ceil_mode=True),
            case("all rectangular", (2, 4, 8, 9), (3, 2), stride=(1, 2), padding=(1, 0)),
            case("asymmetric", (1, 3, 6, 6), 3, stride=2, padding=((0, 1), (1, 0))),
            case("same", (1, 15, 5, 6), (3, 4), stride=1, padding="same"),
            case("65 channels", (3, 65, 4, 4), 2),
            case("window covers the image", (2, 7, 4, 5), (4, 5)),
            case("empty batch", (0, 3, 8, 8), 2),
            Case("non-finite", non_finite, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=cost,
        differentiable=("x",),
        errors=ERRORS,
        large=(
            case("overlapping", (6, 40, 64, 63), 3, stride=2, padding=1),
            case("3 channels", (6, 3, 128, 127), 2),
        ),
        bench=(
            case("DenseNet transition", (16, 256, 56, 56), 2),
            case("Inception, 3x3", (8, 192, 35, 35), 3, stride=1, padding=1),
            case("LeNet-5 pool 1", (256, 6, 28, 28), 2),
            case("3 channels", (16, 3, 224, 224), 2),
        ),
    ),
)  # fmt: skip
