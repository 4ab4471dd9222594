"""Affine map of the last axis."""

from typing import Any

import numpy as np

from .. import reference
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


def case(
    features: int, out: int, *rows: int, bias: bool = True, label: str = "", **options: Any
) -> Case:
    shapes: dict[str, tuple[int, ...]] = {"x": (*rows, features), "weight": (out, features)}
    if bias:
        shapes["bias"] = (out,)
    name = f"{'x'.join(map(str, (*rows, features)))} -> {out} {label}".rstrip()
    return normal(name, shapes, **options)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((9, 17)).astype(dtype)
    x[1, 3], x[4, 16], x[8, 0] = np.nan, np.inf, -np.inf
    return {"x": x, "weight": rng.standard_normal((5, 17)).astype(dtype)}, {}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.linear(**a, **o)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None, **needs: Any
) -> Arrays:
    out = y["y"] if o.get("activation") else None
    gradients = ns.linear_backward(dy, a["x"], a["weight"], **o, y=out, **needs)
    return dict(zip(("x", "weight", "bias"), gradients, strict=True))


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    magnitude = reference.linear(**{name: np.abs(v) for name, v in a.items()})
    error = rounding(a["x"].shape[-1], eps) * magnitude
    return {"y": activation_bound(forward(reference, a, o)[0]["y"], error, o, eps)}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    dz = gradient_magnitude(dy, y["y"], o)
    magnitudes = reference.linear_backward(dz, np.abs(a["x"]), np.abs(a["weight"]))
    rows = dy.size // max(1, dy.shape[-1])
    lengths = (dy.shape[-1], rows, rows)
    return {
        name: (2 * eps + rounding(length, eps)) * magnitude
        for name, length, magnitude in zip(
            ("x", "weight", "bias"), lengths, magnitudes, strict=True
        )
    }


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(2 * a["x"].size * len(a["weight"]), nbytes(*a.values(), y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    read = nbytes(a["x"], a["weight"], y["y"]) + (nbytes(y["y"]) if o.get("activation") else 0)
    return Cost(4 * a["x"].size * len(a["weight"]), read + nbytes(*a.values()))


ERRORS = (
    Error(
        "features differ",
        lambda ns: ns.linear(f32(2, 3), f32(4, 5)),
        ValueError,
        r"^linear: (x|weight) must be .*\(",
    ),
    Error(
        "x of rank 0",
        lambda ns: ns.linear(f32(), f32(4, 5)),
        ValueError,
        r"^linear: x must be .*rank.*got float32 \(\)",
    ),
    Error(
        "weight of rank 1",
        lambda ns: ns.linear(f32(2, 3), f32(3)),
        ValueError,
        r"^linear: weight must be .*rank 2.*got float32 \(3,\)",
    ),
    Error(
        "bias of wrong length",
        lambda ns: ns.linear(f32(2, 3), f32(4, 3), f32(3)),
        ValueError,
        r"^linear: bias must be .*\(4,\), got float32 \(3,\)",
    ),
    Error(
        "bias of rank 2",
        lambda ns: ns.linear(f32(2, 3), f32(4, 3), f32(1, 4)),
        ValueError,
        r"^linear: bias must be .*\(4,\), got float32 \(1, 4\)",
    ),
    Error(
        "unknown activation",
        lambda ns: ns.linear(f32(2, 3), f32(4, 3), activation="gelu"),
        ValueError,
        r"^linear: activation must be .*relu.*got .*gelu",
    ),
    Error(
        "dy of wrong shape",
        lambda ns: ns.linear_backward(f32(2, 3), f32(2, 3), f32(4, 3)),
        ValueError,
        r"^linear_backward: dy must be .*\(2, 4\), got float32 \(2, 3\)",
    ),
    Error(
        "y is missing",
        lambda ns: ns.linear_backward(f32(2, 4), f32(2, 3), f32(4, 3), activation="relu"),
        ValueError,
        r"^linear_backward: y must be .*got None",
    ),
    Error(
        "y of wrong shape",
        lambda ns: ns.linear_backward(
            f32(2, 4), f32(2, 3), f32(4, 3), activation="relu", y=f32(2, 3)
        ),
        ValueError,
        r"^linear_backward: y must be .*\(2, 4\), got float32 \(2, 3\)",
    ),
    Error(
        "unknown name in needs",
        lambda ns: ns.linear_backward(f32(2, 4), f32(2, 3), f32(4, 3), needs=("x", "w")),
        ValueError,
        r"^linear_backward: needs must be .*got .*'w'",
    ),
)

SPECS = (
    Spec(
        name="linear",
        cases=(
            case(3, 5, 2),
            case(1, 1, 1),
            case(5, 3, label="vector"),
            case(4, 5, 2, 3, label="sequence"),
            case(16, 17, 7),
            case(17, 16, 8, bias=False, label="no bias"),
            case(65, 3, 9),
            case(3, 65, 15),
            case(65, 17, 33),
            case(300, 33, 17),
            case(100, 9, 5, label="few rows"),
            case(1100, 7, 18, label="few outputs"),
            case(7, 300, 40, label="few features"),
            case(3, 5, 0, label="empty batch"),
            case(0, 5, 3, label="no features"),
            case(3, 0, 4, label="no outputs"),
            *(case(17, 9, 7, label=name, activation=name) for name in ACTIVATIONS),
            Case("non-finite", non_finite, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight", "bias"),
        needs=True,
        layout="c",
        errors=ERRORS,
        large=(
            case(260, 130, 515, activation="relu", label="relu"),
            case(1030, 257, 65, label="rows 4 KB apart"),
            case(1100, 270, 3, activation="tanh", label="few rows"),
        ),
        bench=(
            case(784, 512, 128, activation="relu", label="MLP on MNIST"),
            case(400, 120, 256, label="LeNet-5"),
            case(2048, 1000, 64, label="ResNet-50 head"),
            case(4096, 4096, 32, label="VGG head"),
            case(1024, 1024, 1024, label="square"),
        ),
    ),
)
