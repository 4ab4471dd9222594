"""Two-dimensional max pooling."""

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


def ties(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.integers(0, 3, (2, 17, 7, 9)).astype(dtype)
    return {"x": x}, {"kernel_size": 3, "stride": 2, "padding": 1}


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((2, 5, 8, 7)).astype(dtype)
    x[0, 1, 3, 3], x[0, 2], x[1, 3, 0, 6], x[1, 4, 7] = np.nan, -np.inf, np.inf, -np.inf
    return {"x": x}, {"kernel_size": 3, "stride": 2, "padding": 1}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.max_pool2d(**a, **o)
    return {"y": y}, saved


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    return {"x": ns.max_pool2d_backward(dy, saved)}


def taps(o: Options) -> int:
    return int(np.prod(np.broadcast_to(o["kernel_size"], 2)))


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    _, saved = forward(reference, a, o)
    return {"x": rounding(taps(o), eps) * reference.max_pool2d_backward(np.abs(dy), saved)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(y["y"].size * taps(o), nbytes(a["x"], y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(y["y"].size, nbytes(a["x"], y["y"]) + y["y"].size)  # at least a byte for the index


def error(
    label: str, match: str, x: np.ndarray, kernel_size: Any, kind: Any = ValueError, **options: Any
) -> Error:
    return Error(
        label, lambda ns: ns.max_pool2d(x, kernel_size, **options), kind, f"^max_pool2d: {match}"
    )


def backward_error(label: str, kind: type[Exception], match: str, dy: Any, saved: Any) -> Error:
    def call(ns: Namespace) -> object:
        mine = ns.max_pool2d(f32(2, 3, 6, 7), 2)[1] if saved is None else saved
        return ns.max_pool2d_backward(dy, mine)

    return Error(label, call, kind, f"^max_pool2d_backward: {match}")


X = f32(2, 3, 6, 7)

ERRORS = (
    error("x of rank 3", r"x must be .*rank 4.*got float32 \(3, 6, 7\)", X[0], 2),
    error("kernel 0", r"kernel_size must be .*got 0", X, 0),
    error("kernel is a float", r"kernel_size must be .*got 2\.5", X, 2.5, TypeError),
    error("stride 0", r"stride must be .*got 0", X, 2, stride=0),
    error("dilation 0", r"dilation must be .*got 0", X, 2, dilation=0),
    error("negative padding", r"padding must be .*got -1", X, 2, padding=-1),
    error("padding beyond half the kernel", r"padding must be .*got", X, 2, padding=2),
    error("one-sided padding beyond it", r"padding must be .*got", X, 3, padding=((0, 0), (0, 2))),
    error("unknown padding", r"padding must be .*got .*full", X, 2, padding="full"),
    error("same with stride", r"(padding|stride) must be .*got", X, 3, padding="same", stride=2),
    error("kernel beyond the image", r"\w+ must be .*got", X, 8),
    error("dilated beyond the image", r"\w+ must be .*got", X, 3, dilation=4),
    backward_error("dy of wrong shape", ValueError, r"dy must be .*\(2, 3, 3, 3\), got", X, None),
    backward_error(
        "dy of another dtype",
        TypeError,
        r"dy must be .*float32.*got float64",
        np.ones((2, 3, 3, 3)),
        None,
    ),
    backward_error("not the saved object", TypeError, r"saved must be .*got", X, (1, 2)),
)

SPECS = (
    Spec(
        name="max_pool2d",
        cases=(
            case("2x2", (2, 3, 8, 6), 2),
            case("one pixel", (1, 1, 1, 1), 1),
            case("3x3, stride 2, padding 1", (2, 16, 9, 8), 3, stride=2, padding=1),
            case("rows are left over", (1, 17, 7, 9), 2),
            case("ceil_mode", (1, 5, 7, 9), 2, ceil_mode=True),
            case(
                "ceil_mode drops a window in the padding",
                (1, 3, 5, 4),
                2,
                stride=2,
                padding=1,
                ceil_mode=True,
            ),
            case("ceil_mode, stride beyond the kernel", (1, 3, 7, 8), 2, stride=3, ceil_mode=True),
            case("all rectangular", (2, 4, 8, 9), (3, 2), stride=(1, 2), padding=(1, 0)),
            case("asymmetric", (1, 3, 6, 6), 3, stride=2, padding=((0, 1), (1, 0))),
            case("same", (1, 15, 5, 6), (3, 4), stride=1, padding="same"),
            case("dilation", (1, 8, 9, 10), 3, stride=1, dilation=(2, 3)),
            case("dilation and padding", (1, 9, 9, 9), 3, stride=2, dilation=2, padding=1),
            case("65 channels", (3, 65, 4, 4), 2),
            case("window covers the image", (2, 7, 4, 5), (4, 5)),
            case("empty batch", (0, 3, 8, 8), 2),
            Case("ties", ties, smooth=False),
            Case("non-finite", non_finite, smooth=False),
        ),
        forward=forward,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x",),
        errors=ERRORS,
        large=(case("overlapping", (6, 40, 64, 63), 3, stride=2, padding=1),),
        bench=(
            case("ResNet-50", (8, 64, 112, 112), 3, stride=2, padding=1),
            case("VGG-16 block 1", (4, 64, 224, 224), 2),
            case("LeNet-5 pool 1", (256, 6, 28, 28), 2),
        ),
    ),
)
