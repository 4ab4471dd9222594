"""Dropout."""

from dataclasses import replace
from typing import Any

import numpy as np

from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, normal

TOP = 2**64 - 1


def case(label: str, shape: tuple[int, ...], seed: int = 1, **options: Any) -> Case:
    return normal(label, {"x": shape}, seed=seed, **options)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = np.repeat(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype), 8)
    return {"x": x}, {"seed": 3, "p": 0.4}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.dropout(**a, **o)}, None


def backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None
) -> Arrays:
    return {"x": ns.dropout_backward(dy, **o)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(25 * a["x"].size, nbytes(a["x"], y["y"]))  # 10 rounds of 10 operations, 4 words


def errors(op: str) -> tuple[Error, ...]:
    def error(label: str, match: str, kind: Any = ValueError, **options: Any) -> Error:
        given = {"seed": 0, **options}
        return Error(
            f"{op}: {label}", lambda ns: getattr(ns, op)(f32(3), **given), kind, f"^{op}: {match}"
        )

    return (
        error("p below 0", r"p must be .*got -0\.1", p=-0.1),
        error("p above 1", r"p must be .*got 1\.5", p=1.5),
        error("p is NaN", r"p must be .*got nan", p=np.nan),
        error("p is a string", r"p must be .*got", TypeError, p="half"),
        error("seed below 0", r"seed must be .*got -1", seed=-1),
        error("seed too large", rf"seed must be .*got {2**64}", seed=2**64),
        error("offset below 0", r"offset must be .*got -1", offset=-1),
        error("offset too large", rf"offset must be .*got {2**64}", offset=2**64),
        error("seed is a float", r"seed must be .*got 1\.0", TypeError, seed=1.0),
    )


SPECS = (
    Spec(
        name="dropout",
        cases=(
            case("images", (2, 5, 3, 7)),
            *(case(f"size {n}", (n,), seed=n) for n in (0, 1, 3, 4, 5, 15, 16, 17, 67)),
            case("matrix, offset 1", (5, 13), offset=1, p=0.1),
            case("rank 3, offset 2", (3, 17, 4), offset=2, p=0.9),
            case("rank 5, offset 3", (2, 3, 2, 1, 3), offset=3),
            case("65 channels", (1, 65, 3, 3), p=0.25),
            case("counter carries into its second word", (37,), offset=4 * 2**32 - 9),
            case("offset + i passes 2^64", (37,), offset=TOP - 10),
            case("largest seed and offset", (2, 3, 5, 5), seed=TOP, offset=TOP),
            case("p below 2^-32", (33,), p=1e-10),
            case("p near 1", (1000,), p=0.999),
            *(
                replace(c, kernel=False)  # a copy or zeros will do
                for c in (
                    case("p = 0", (2, 3, 4, 4), p=0.0),
                    case("p = 1", (2, 3, 4, 4), p=1.0),
                    case("evaluation", (2, 3, 4, 4), training=False),
                )
            ),
            Case("non-finite", non_finite, smooth=False),
        ),
        forward=forward,
        cost=cost,
        backward=backward,
        backward_cost=cost,
        differentiable=("x",),
        layout="own",
        errors=errors("dropout") + errors("dropout_backward"),
        large=(case("1 M values", (1, 16, 256, 257), offset=5),),
        bench=(
            case("2^24 values", (1 << 24,)),
            case("VGG head", (128, 4096)),
            case("CIFAR ResNet-20 stage 1", (128, 16, 32, 32), p=0.2),
        ),
    ),
)
