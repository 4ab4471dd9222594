"""Two-dimensional fractional max pooling."""

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


def case(label: str, x: Shape, kernel_size: Any, output_size: Any = None, **options: Any) -> Case:
    options = {"seed": 1, "output_size": output_size, **options}
    return normal(label, {"x": x}, kernel_size=kernel_size, **options)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((2, 5, 8, 7)).astype(dtype)
    x[0, 1, 3, 3], x[0, 2], x[1, 3, 0, 6], x[1, 4, 7] = np.nan, -np.inf, np.inf, -np.inf
    return {"x": x}, {"kernel_size": 3, "output_size": 4, "seed": 2}


def ties(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.integers(0, 3, (2, 17, 7, 9)).astype(dtype)
    return {"x": x}, {"kernel_size": 2, "output_size": (5, 4), "seed": 3}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.fractional_max_pool2d(**a, **o)
    return {"y": y}, saved


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    return {"x": ns.fractional_max_pool2d_backward(dy, saved)}


def taps(o: Options) -> int:
    return int(np.prod(np.broadcast_to(o["kernel_size"], 2)))


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    _, saved = forward(reference, a, o)
    magnitude = reference.fractional_max_pool2d_backward(np.abs(dy), saved)
    return {"x": rounding(taps(o), eps) * magnitude}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(y["y"].size * taps(o), nbytes(a["x"], y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(y["y"].size, nbytes(a["x"], y["y"]) + y["y"].size)  # at least a byte for the index


def error(label: str, match: str, kind: Any = ValueError, x: Any = None, **given: Any) -> Error:
    def call(ns: Namespace) -> object:
        options = {"kernel_size": 2, "output_size": 3, "seed": 0, **given}
        return ns.fractional_max_pool2d(f32(2, 3, 6, 7) if x is None else x, **options)

    return Error(label, call, kind, f"^fractional_max_pool2d: {match}")


def backward_error(label: str, kind: type[Exception], match: str, dy: Any, saved: Any) -> Error:
    def call(ns: Namespace) -> object:
        mine = saved or ns.fractional_max_pool2d(f32(2, 3, 6, 7), 2, 3, seed=0)[1]
        return ns.fractional_max_pool2d_backward(dy, mine)

    return Error(label, call, kind, f"^fractional_max_pool2d_backward: {match}")


DY = f32(2, 3, 3, 3)

ERRORS = (
    error("x of rank 3", r"x must be .*rank 4.*got float32 \(3, 6, 7\)", x=f32(3, 6, 7)),
    error("kernel 0", r"kernel_size must be .*got 0", kernel_size=0),
    error("kernel is a float", r"kernel_size must be .*got 2\.5", TypeError, kernel_size=2.5),
    error("kernel too large", r"kernel_size must be .*got", kernel_size=5),
    error("kernel of large area", r"kernel_size must be .*255, got 16", kernel_size=16),
    error("output 0", r"output_size must be .*got 0", output_size=0),
    error("neither", r"output_size must be .*got neither", output_size=None),
    error("both", r"output_size must be .*got both", output_ratio=0.5),
    error("ratio 1", r"output_ratio must be .*got 1", output_size=None, output_ratio=1.0),
    error("ratio too small", r"output_ratio must be .*", output_size=None, output_ratio=0.1),
    error("seed below 0", r"seed must be .*got -1", seed=-1),
    error("offset is a float", r"offset must be .*got 1\.0", TypeError, offset=1.0),
    backward_error("dy of wrong shape", ValueError, r"dy must be .*got", DY[:1], None),
    backward_error("not the saved object", TypeError, r"saved must be .*got", DY, (1, 2)),
)

SPECS = (
    Spec(
        name="fractional_max_pool2d",
        cases=(
            case("images", (2, 3, 8, 6), 2, (5, 4)),
            case("one pixel", (1, 1, 1, 1), 1, 1),
            case("16 channels", (3, 16, 9, 11), 3, 4),
            case("17 channels, offset 3", (3, 17, 9, 8), 2, (6, 5), offset=3),
            case("65 channels", (1, 65, 6, 7), 2, (3, 4)),
            case("ratio", (2, 5, 10, 13), 2, output_ratio=(0.7, 0.6)),
            case("one ratio", (2, 5, 10, 13), 3, output_ratio=0.5),
            case("one window", (2, 4, 6, 5), 3, 1),
            case("window covers the image", (2, 7, 4, 5), (4, 5), 1),
            case("largest seed and offset", (3, 4, 9, 9), 2, 6, seed=2**64 - 1, offset=2**64 - 3),
            case("empty batch", (0, 3, 8, 8), 2, 5),
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
        large=(case("images", (6, 40, 64, 63), 2, (44, 45)),),
        bench=(
            case("CIFAR, Graham", (64, 64, 64, 64), 2, output_ratio=0.7071),
            case("sparse", (16, 96, 94, 94), 3, output_ratio=0.7937),
        ),
    ),
)
