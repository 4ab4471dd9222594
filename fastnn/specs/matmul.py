"""Products of matrices."""

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


def case(x: tuple[int, ...], other: tuple[int, ...], label: str = "") -> Case:
    return normal(f"{x} @ {other} {label}".rstrip(), {"x": x, "other": other})


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.standard_normal((9, 17)).astype(dtype)
    x[1, 3], x[4, 16], x[8, 0] = np.nan, np.inf, -np.inf
    return {"x": x, "other": rng.standard_normal((17, 5)).astype(dtype)}, {}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.matmul(a["x"], a["other"])}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None, **needs: Any
) -> Arrays:
    dx, dother = ns.matmul_backward(dy, a["x"], a["other"], **needs)
    return {"x": dx, "other": dother}


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    magnitude = reference.matmul(np.abs(a["x"]), np.abs(a["other"]))
    return {"y": rounding(a["x"].shape[-1], eps) * magnitude}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    magnitudes = reference.matmul_backward(np.abs(dy), np.abs(a["x"]), np.abs(a["other"]))
    found = {}
    for name, magnitude in zip(("x", "other"), magnitudes, strict=True):
        length = work(a) / max(1, a[name].size)  # each product is in one of the sums
        found[name] = rounding(length, eps) * magnitude
    return found


def work(a: Arrays) -> float:
    """Multiply-adds of a product."""
    x, other = a["x"], a["other"]
    batch = np.broadcast_shapes(x.shape[:-2], other.shape[:-2])
    rows = x.shape[-2] if x.ndim > 1 else 1
    columns = other.shape[-1] if other.ndim > 1 else 1
    return float(np.prod(batch)) * rows * columns * x.shape[-1]


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(2 * work(a), nbytes(a["x"], a["other"], y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(4 * work(a), 2 * nbytes(a["x"], a["other"]) + nbytes(y["y"]))


ERRORS = (
    Error(
        "inner lengths differ",
        lambda ns: ns.matmul(f32(2, 3), f32(4, 5)),
        ValueError,
        r"^matmul: other must be of shape \(3,\) or \(\.\.\., 3, n\).*got float32 \(4, 5\)",
    ),
    Error(
        "vectors of different length",
        lambda ns: ns.matmul(f32(3), f32(4)),
        ValueError,
        r"^matmul: other must be .*got float32 \(4,\)",
    ),
    Error(
        "batches that do not broadcast",
        lambda ns: ns.matmul(f32(2, 4, 3), f32(3, 3, 5)),
        ValueError,
        r"^matmul: other must be .*broadcasts.*got float32 \(3, 3, 5\)",
    ),
    Error(
        "x of rank 0",
        lambda ns: ns.matmul(f32(), f32(3)),
        ValueError,
        r"^matmul: x must be .*rank.*got float32 \(\)",
    ),
    Error(
        "other of rank 0",
        lambda ns: ns.matmul(f32(3), f32()),
        ValueError,
        r"^matmul: other must be .*rank.*got float32 \(\)",
    ),
    Error(
        "dy of wrong shape",
        lambda ns: ns.matmul_backward(f32(2, 3), f32(2, 3), f32(3, 4)),
        ValueError,
        r"^matmul_backward: dy must be .*\(2, 4\), got float32 \(2, 3\)",
    ),
    Error(
        "unknown name in needs",
        lambda ns: ns.matmul_backward(f32(2, 4), f32(2, 3), f32(3, 4), needs=("weight",)),
        ValueError,
        r"^matmul_backward: needs must be .*got .*'weight'",
    ),
)

SPECS = (
    Spec(
        name="matmul",
        cases=(
            case((2, 3), (3, 5)),
            case((1, 1), (1, 1)),
            case((7,), (7,), "vectors"),
            case((130,), (130, 33), "row"),
            case((33, 130), (130,), "column"),
            case((2, 3, 70), (70,), "columns of a batch"),
            case((3, 67), (67, 300), "few rows"),
            case((6, 40), (40, 130)),
            case((13, 100), (100, 65)),
            case((65, 5), (5, 260), "short sums"),
            case((31, 66), (66, 3), "few columns"),
            case((70, 130), (130, 67)),
            case((3, 5000), (5000, 9), "long sums"),
            case((40, 4099), (4099, 70), "long sums"),
            case((2, 3, 4, 5), (5, 6), "one matrix for all rows"),
            case((4, 3, 5), (4, 5, 6), "batch"),
            case((2, 1, 3, 5), (4, 5, 6), "broadcast"),
            case((3, 5), (2, 2, 5, 7), "one x for all"),
            case((5,), (3, 5, 2), "row times batch"),
            case((3, 2, 5), (1, 5, 1), "batch of one"),
            case((2, 17, 20), (2, 20, 40)),
            case((0, 3), (3, 5), "no rows"),
            case((4, 0), (0, 5), "empty sums"),
            case((2, 3), (3, 0), "no columns"),
            case((0, 2, 3), (1, 3, 4), "empty batch"),
            Case("non-finite", non_finite, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "other"),
        needs=True,
        layout="c",
        errors=ERRORS,
        large=(
            case((260, 530), (530, 140)),
            case((3, 600), (600, 700), "few rows"),
            case((700, 300), (300,), "column"),
            case((20, 9000), (9000, 30), "long sums"),
            case((8, 64, 32), (8, 32, 64), "batch"),
        ),
        bench=(
            case((512, 512), (512, 512)),
            case((2048, 2048), (2048, 2048)),
            case((16, 4096), (4096, 4096)),
            case((4096,), (4096, 4096)),
            case((4096, 4096), (4096,)),
            case((64, 128, 64), (64, 64, 128), "attention scores, 8 images of 8 heads"),
        ),
    ),
)
