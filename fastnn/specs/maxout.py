"""Maxout."""

from typing import Any

import numpy as np

from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes


def case(label: str, shape: tuple[int, ...], pieces: int) -> Case:
    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        # All different by 1e-3 at least: far from a tie.
        values = rng.permutation(int(np.prod(shape))).reshape(shape) * 1e-3
        return {"x": values.astype(dtype)}, {"pieces": pieces}

    return Case(label, make, kernel=0 not in shape)


def special(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = rng.integers(-1, 2, (5, 12)).astype(dtype)
    x[0, :3], x[1, 4], x[1, 5], x[2, 8], x[3, :3] = np.nan, np.inf, np.nan, np.nan, -np.inf
    return {"x": x}, {"pieces": 3}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.maxout(a["x"], **o)
    return {"y": y}, saved


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    return {"x": ns.maxout_backward(dy, saved)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(a["x"].size, nbytes(a["x"], y["y"]) + y["y"].size)


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(a["x"].size, nbytes(a["x"], y["y"]) + y["y"].size)


def error(label: str, match: str, *arguments: Any, kind: Any = ValueError) -> Error:
    return Error(label, lambda ns: ns.maxout(*arguments), kind, f"^maxout: {match}")


SPECS = (
    Spec(
        name="maxout",
        cases=(
            case("images", (2, 6, 3, 7), 2),
            *(case(f"{p} pieces", (3, 3 * p), p) for p in (1, 2, 3, 4, 5, 7, 256)),
            case("17 channels", (5, 34), 2),
            case("rank 5", (2, 6, 1, 2, 5), 3),
            case("empty", (0, 6), 3),
            Case("ties and special values", special, smooth=False),
        ),
        forward=forward,
        cost=cost,
        backward=backward,
        backward_cost=backward_cost,
        differentiable=("x",),
        errors=(
            error("no channels", r"x must be .*rank 2.*got", f32(4), 2),
            error("pieces do not divide", r"x must be .*pieces.*got .*\(2, 5\)", f32(2, 5), 2),
            error("no pieces", r"pieces must be .*got 0", f32(2, 4), 0),
            error("too many pieces", r"pieces must be .*256.*got 257", f32(2, 514), 257),
            error(
                "pieces is a float", r"pieces must be .*got 2\.0", f32(2, 4), 2.0, kind=TypeError
            ),
            Error(
                "foreign saved",
                lambda ns: ns.maxout_backward(f32(2, 3), None),
                TypeError,
                r"^maxout_backward: saved must be .*got None",
            ),
            Error(
                "dy of wrong shape",
                lambda ns: ns.maxout_backward(f32(2, 3), ns.maxout(f32(2, 4), 2)[1]),
                ValueError,
                r"^maxout_backward: dy must be .*\(2, 2\), got .*\(2, 3\)",
            ),
        ),
        large=(case("1 M values", (4, 16, 128, 129), 2),),
        bench=(
            case("MLP, 5 pieces", (256, 1200), 5),
            case("images, 2 pieces", (64, 64, 32, 32), 2),
        ),
    ),
)
