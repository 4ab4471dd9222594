"""softmax and log_softmax."""

from typing import Any

import numpy as np

from .. import reference
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, rounding


def case(label: str, shape: tuple[int, ...], axis: int, scale: float = 3.0) -> Case:
    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        return {"x": (scale * rng.standard_normal(shape)).astype(dtype)}, {"axis": axis}

    return Case(label, make, smooth=scale < 100, kernel=0 not in shape)


def masked(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((6, 21)).astype(dtype)
    x[1, 3:9], x[2, 20], x[4, 0] = -np.inf, -np.inf, np.nan
    return {"x": x}, {"axis": 1}


def statistics(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """softmax(x), and how far below the maximum x is where that counts."""
    y = reference.softmax(x, axis)
    top = np.max(x, axis, keepdims=True, initial=-np.inf)
    return y, np.where(y == 0, 0, np.abs(x - top))


def log_sum_error(x: np.ndarray, axis: int, eps: float) -> Any:
    """Relative error of the sum of exp(x - max), where rounding x - max costs (x - max) eps."""
    y, depth = statistics(x, axis)
    return rounding(x.shape[axis], eps) + eps * (y * depth).sum(axis, keepdims=True)


def softmax_bound(a: Arrays, o: Options, eps: float) -> Arrays:
    y, depth = statistics(a["x"], o["axis"])
    return {"y": y * (log_sum_error(a["x"], o["axis"], eps) + eps * (4 + depth))}


def log_softmax_bound(a: Arrays, o: Options, eps: float) -> Arrays:
    x = a["x"]
    shifted = x - np.max(x, o["axis"], keepdims=True, initial=-np.inf)
    y = reference.log_softmax(x, o["axis"])
    size = np.where(np.isfinite(y), np.abs(shifted) + np.abs(y) + np.abs(y - shifted), 0)
    return {"y": log_sum_error(x, o["axis"], eps) + 2 * eps * size}


def softmax_backward_bound(a: Arrays, o: Options, dy: Any, y: Arrays, eps: float) -> Arrays:
    p, axis = y["y"], o["axis"]
    sums = np.abs(dy * p).sum(axis, keepdims=True)
    return {"x": np.abs(p) * (rounding(p.shape[axis], eps) * sums + 2 * eps * (np.abs(dy) + sums))}


def log_softmax_backward_bound(a: Arrays, o: Options, dy: Any, y: Arrays, eps: float) -> Arrays:
    log_p, axis = y["y"], o["axis"]
    sums = np.abs(dy).sum(axis, keepdims=True)
    relative = 4 * eps + rounding(log_p.shape[axis], eps)
    return {"x": 2 * eps * np.abs(dy) + np.exp(log_p) * sums * relative}


def wrong_axis(op: str, arrays: int, axis: Any, kind: type[Exception]) -> Error:
    return Error(
        f"{op}: axis={axis!r}",
        lambda ns: getattr(ns, op)(*[f32(2, 3)] * arrays, axis),
        kind,
        rf"^{op}: axis must be .*, got",
    )


def errors(name: str) -> tuple[Error, ...]:
    backward = f"{name}_backward"
    return (
        Error(
            "no axis",
            lambda ns: getattr(ns, name)(f32()),
            ValueError,
            rf"^{name}: x must be .*rank 1.*got float32 \(\)",
        ),
        Error(
            "shapes differ",
            lambda ns: getattr(ns, backward)(f32(2, 3), f32(3, 2)),
            ValueError,
            rf"^{backward}: dy must be .*\(3, 2\), got .*\(2, 3\)",
        ),
        *(
            wrong_axis(op, arrays, axis, kind)
            for op, arrays in ((name, 1), (backward, 2))
            for axis, kind in (
                (2, ValueError),
                (-3, ValueError),
                (0.5, TypeError),
                ("1", TypeError),
                (True, TypeError),
            )
        ),
    )


def spec(name: str, flops: int, bound: Any, backward_bound: Any) -> Spec:
    def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
        return {"y": getattr(ns, name)(a["x"], **o)}, None

    def backward(
        ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None
    ) -> Arrays:
        return {"x": getattr(ns, f"{name}_backward")(dy, y["y"], **o)}

    def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
        return Cost(flops * a["x"].size, nbytes(a["x"], y["y"]))

    def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
        return Cost((flops if name == "log_softmax" else 4) * a["x"].size, 3 * nbytes(a["x"]))

    return Spec(
        name=name,
        cases=(
            case("last axis", (7, 10), -1),
            *(case(f"length {n}", (3, n), 1) for n in (1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 65, 1000)),
            case("vector", (19,), 0),
            case("first axis", (21, 3), 0),
            case("channels", (2, 19, 3, 7), 1),
            case("many pixels", (2, 5, 9, 11), 1),
            case("last of rank 4", (2, 3, 4, 37), -1),
            case("rows of images", (2, 3, 18, 5), 2),
            case("batch", (17, 2, 3, 5), 0),
            case("rank 5", (2, 3, 2, 5, 4), -2),
            case("one column of many", (33, 70), 0),
            case("large values", (6, 9), 1, scale=3e4),
            case("empty rows", (0, 5), 1),
            case("rows of nothing", (5, 0), 1),
            Case("masked", masked, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x",),
        layout="own",
        errors=errors(name),
        large=(case("many rows", (5003, 101), 1), case("many columns", (3, 70, 61, 41), 1)),
        bench=(
            case("rows of 10", (16384, 10), -1),
            case("rows of 100", (32768, 100), -1),
            case("ImageNet", (256, 1000), -1),
            case("language model", (512, 32000), -1),
            case("attention, 64 heads of 256", (64, 256, 256), -1),
            case("21 channels of images", (8, 21, 224, 224), 1),
        ),
    )


SPECS = (
    spec("softmax", 25, softmax_bound, softmax_backward_bound),
    spec("log_softmax", 25, log_softmax_bound, log_softmax_backward_bound),
)
