"""PReLU."""

from typing import Any

import numpy as np

from .. import reference
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, rounding


def case(label: str, shape: tuple[int, ...], weights: int) -> Case:
    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        x = np.asarray(rng.standard_normal(shape))
        x = x + np.copysign(0.01, x)  # away from the kink
        weight = rng.uniform(-0.5, 1, weights)
        return {"x": np.asarray(x, dtype), "weight": weight.astype(dtype)}, {}

    return Case(label, make, kernel=0 not in shape)


def special(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = np.array([[0.0, -0.0, 1e-30, -1e-30], [np.inf, -np.inf, 1.0, np.nan]])
    return {"x": x.astype(dtype), "weight": np.array([0.5, 0.25, -1, 2], dtype)}, {}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.prelu(**a)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None
) -> Arrays:
    dx, dweight = ns.prelu_backward(dy, **a)
    return {"x": dx, "weight": dweight}


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    return {"y": eps * np.abs(reference.prelu(**a))}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    x, weight = a["x"], a["weight"]
    one = len(weight) == 1
    w = weight[0] if one else weight.reshape(-1, *[1] * (x.ndim - 2))
    terms = np.where(x > 0, 0, np.abs(x * dy))
    axes = tuple(axis for axis in range(x.ndim) if axis != 1 or one)
    length = x.size / max(len(weight), 1)
    sums = terms.sum(axes).reshape(weight.shape)
    return {"x": eps * np.abs(w * dy), "weight": rounding(length, eps) * sums}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(2 * a["x"].size, nbytes(a["x"], y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(4 * a["x"].size, 3 * nbytes(a["x"]))


def error(label: str, match: str, x: np.ndarray, weight: np.ndarray, kind: Any) -> Error:
    return Error(label, lambda ns: ns.prelu(x, weight), kind, f"^prelu: {match}")


SPECS = (
    Spec(
        name="prelu",
        cases=(
            case("images", (2, 5, 3, 7), 5),
            case("images, one weight", (2, 5, 3, 7), 1),
            *(case(f"{c} channels", (6, c), c) for c in (1, 3, 4, 7, 8, 15, 16, 17, 67)),
            case("vector", (37,), 1),
            case("scalar", (), 1),
            case("many rows", (300, 5), 5),
            case("large planes", (1, 2, 130, 131), 2),
            case("rank 5", (2, 3, 1, 2, 5), 3),
            case("empty", (0, 3), 3),
            Case("special values", special, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight"),
        layout="own",
        errors=(
            error("too many weights", r"weight must be .*\(3,\)", f32(2, 3), f32(2), ValueError),
            error("weights of a vector", r"weight must be .*\(1,\)", f32(3), f32(3), ValueError),
            error("weight of rank 2", r"weight must be .*\(3,\)", f32(2, 3), f32(3, 1), ValueError),
            Error(
                "shapes differ",
                lambda ns: ns.prelu_backward(f32(2, 3), f32(3, 2), f32(2)),
                ValueError,
                r"^prelu_backward: dy must be .*\(3, 2\), got .*\(2, 3\)",
            ),
        ),
        large=(case("1 M values", (4, 16, 128, 129), 16),),
        bench=(
            case("ResNet-50 stage 1, batch 8", (8, 256, 56, 56), 256),
            case("CIFAR ResNet-20 stage 1, batch 128", (128, 16, 32, 32), 16),
            case("one weight", (128, 16, 32, 32), 1),
        ),
    ),
)
