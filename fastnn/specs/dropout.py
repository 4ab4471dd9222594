"""Dropout."""

from collections.abc import Callable
from dataclasses import replace
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

TOP = 2**64 - 1
ONES = f32(3)


def case(label: str, shape: tuple[int, ...], seed: int = 1, **options: Any) -> Case:
    return normal(label, {"x": shape}, seed=seed, **options)


def non_finite(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    x = np.repeat(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype), 8)
    return {"x": x}, {"seed": 3, "p": 0.4}


def non_finite_images(needed: Options) -> Case:
    """What is dropped is 0, whatever it was."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        x = np.resize(np.array([np.nan, np.inf, -np.inf], dtype), (6, 5, 3, 2))
        return {"x": x}, {"seed": 3, "p": 0.4, **needed}

    return Case("non-finite", make, smooth=False)


def forward_of(op: str) -> Callable[..., tuple[Arrays, None]]:
    return lambda ns, a, o: ({"y": getattr(ns, op)(**a, **o)}, None)


def backward_of(op: str) -> Callable[..., Arrays]:
    return lambda ns, a, o, dy, y, saved: {"x": getattr(ns, f"{op}_backward")(dy, **o)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(25 * a["x"].size, nbytes(a["x"], y["y"]))  # 10 rounds of 10 operations, 4 words


def channels_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(a["x"].size, nbytes(a["x"], y["y"]))


def errors(op: str, x: np.ndarray = ONES, **needed: Any) -> tuple[Error, ...]:
    def error(label: str, match: str, kind: Any = ValueError, **options: Any) -> Error:
        given = {"seed": 0, **needed, **options}
        return Error(
            f"{op}: {label}",
            lambda ns: getattr(ns, op)(x, **given),
            kind,
            f"^{op}: {match}",
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


def dropconnect_case(label: str, features: int, out: int, *rows: int, **options: Any) -> Case:
    shapes = {"x": (*rows, features), "weight": (out, features)}
    if options.pop("bias", True):
        shapes["bias"] = (out,)
    return normal(label, shapes, seed=options.pop("seed", 1), **options)


def masked(a: Arrays, o: Options) -> np.ndarray:
    draw = {name: v for name, v in o.items() if name in ("p", "training", "seed", "offset")}
    return reference.dropout(np.abs(a["weight"]), **draw)


def dropconnect_bound(a: Arrays, o: Options, eps: float) -> Arrays:
    bias = np.abs(a["bias"]) if "bias" in a else None
    magnitude = reference.linear(np.abs(a["x"]), masked(a, o), bias)
    return {"y": (2 * eps + rounding(a["x"].shape[-1], eps)) * magnitude}


def dropconnect_backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None, **needs: Any
) -> Arrays:
    gradients = ns.dropconnect_backward(dy, a["x"], a["weight"], **o, **needs)
    return dict(zip(("x", "weight", "bias"), gradients, strict=True))


def dropconnect_backward_bound(
    a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float
) -> Arrays:
    magnitudes = reference.dropconnect_backward(
        np.abs(dy), np.abs(a["x"]), np.abs(a["weight"]), **o
    )
    rows = dy.size // max(1, dy.shape[-1])
    return {
        name: (4 * eps + rounding(length, eps)) * magnitude
        for name, length, magnitude in zip(
            ("x", "weight", "bias"), (dy.shape[-1], rows, rows), magnitudes, strict=True
        )
    }


def dropconnect_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(2 * a["x"].size * len(a["weight"]), nbytes(*a.values(), y["y"]))


def dropconnect_backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    read = nbytes(a["x"], a["weight"], y["y"])
    return Cost(4 * a["x"].size * len(a["weight"]), read + nbytes(*a.values()))


def dropconnect_error(label: str, match: str, x: Any, weight: Any, **given: Any) -> Error:
    return Error(
        label,
        lambda ns: ns.dropconnect(x, weight, **{"seed": 0, **given}),
        (ValueError, TypeError),
        f"^dropconnect: {match}",
    )


def relatives(op: str, shapes: tuple[tuple[int, ...], ...], **needed: Any) -> dict[str, Any]:
    """The part of a spec that dropout's relatives have alike; ``shapes`` beside images."""
    made = (("images", (2, 5, 3, 7)), *((f"shape {shape}", shape) for shape in shapes))
    images = (2, 3, 4, 4)
    x = f32(2, 3, 4)
    return {
        "name": op,
        "cases": (
            *(case(label, shape, **needed) for label, shape in made),
            non_finite_images(needed),
            case("offset 3", (3, 17, 4), offset=3, **{"p": 0.9, **needed}),
            case("65 channels", (3, 65, 3, 3), **{"p": 0.25, **needed}),
            case("largest seed and offset", (2, 3, 5, 5), seed=TOP, offset=TOP, **needed),
            *(
                replace(c, kernel=False)  # a copy or zeros will do
                for c in (
                    case("p = 0", images, **{**needed, "p": 0.0}),
                    case("p = 1", images, **{**needed, "p": 1.0}),
                    case("evaluation", images, training=False, **needed),
                )
            ),
        ),
        "forward": forward_of(op),
        "cost": cost if op == "alpha_dropout" else channels_cost,
        "backward": backward_of(op),
        "backward_cost": cost if op == "alpha_dropout" else channels_cost,
        "differentiable": ("x",),
        "layout": "own",
        "errors": errors(op, x, **needed) + errors(f"{op}_backward", x, **needed),
        "large": (case("1 M values", (3, 16, 128, 257), offset=5, **needed),),
    }


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
        forward=forward_of("dropout"),
        cost=cost,
        backward=backward_of("dropout"),
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
    Spec(
        **relatives("dropout2d", ((0, 3, 2), (4, 1, 5), (33, 2, 1), (2, 16, 3, 2, 3))),
        bench=(
            case("ResNet-50 stage 1, batch 8", (8, 256, 56, 56)),
            case("3 channels", (64, 3, 224, 224)),
            case("CIFAR ResNet-20 stage 1", (128, 16, 32, 32), p=0.2),
        ),
    ),
    Spec(
        **relatives("alpha_dropout", ((0,), (1,), (17,), (67,), (5, 13), (2, 3, 2, 1, 3))),
        bench=(case("2^24 values", (1 << 24,)), case("MLP", (128, 4096))),
    ),
    Spec(
        **relatives("stochastic_depth", ((0, 2), (1,), (17,), (9, 13), (4, 33, 65)), p=0.5),
        bench=(
            case("ConvNeXt stage 1", (32, 96, 56, 56), p=0.2),
            case("the batch", (32, 96, 56, 56), p=0.2, mode="batch"),
            case("tokens", (32, 128, 1024), p=0.2),
        ),
    ),
    Spec(
        name="dropconnect",
        cases=(
            dropconnect_case("matrix", 9, 7, 5),
            dropconnect_case("one entry", 1, 1, 1),
            dropconnect_case("vector, no bias", 17, 5, bias=False),
            dropconnect_case("rank 3, offset 3", 33, 20, 3, 4, p=0.25, offset=3),
            dropconnect_case("p = 0", 8, 6, 5, p=0.0),
            dropconnect_case("p = 1", 8, 6, 5, p=1.0),
            dropconnect_case("evaluation", 8, 6, 5, training=False),
            dropconnect_case("no rows", 8, 6, 0),
        ),
        forward=forward_of("dropconnect"),
        bound=dropconnect_bound,
        cost=dropconnect_cost,
        backward=dropconnect_backward,
        backward_bound=dropconnect_backward_bound,
        backward_cost=dropconnect_backward_cost,
        differentiable=("x", "weight", "bias"),
        needs=True,
        layout="c",
        errors=(
            dropconnect_error("features differ", r"x must be .*got", f32(2, 3), f32(4, 5)),
            dropconnect_error("x of rank 0", r"x must be .*rank.*got", f32(), f32(4, 5)),
            dropconnect_error("weight of rank 1", r"weight must be .*got", f32(2, 3), f32(3)),
            dropconnect_error(
                "bias too long", r"bias must be .*got", f32(2, 3), f32(4, 3), bias=f32(3)
            ),
            dropconnect_error("p above 1", r"p must be .*got 2", f32(2, 3), f32(4, 3), p=2.0),
            dropconnect_error(
                "no seed", r"seed must be .*got None", f32(2, 3), f32(4, 3), seed=None
            ),
        ),
        large=(dropconnect_case("a layer", 700, 500, 200),),
        bench=(
            dropconnect_case("MNIST layer", 800, 800, 128),
            dropconnect_case("VGG head", 4096, 4096, 128),
        ),
    ),
)
