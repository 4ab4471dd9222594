"""Memory layout."""

from dataclasses import replace
from typing import Any

import numpy as np

from ._spec import Arrays, Cost, Error, Namespace, Options, Spec, f32, nbytes, normal

SHAPES = ((2, 3, 4, 5), (), (3,), (4, 5), (3, 17, 4), (2, 16, 3, 3), (1, 65, 5, 5), (2, 3, 2, 1, 4))
FLATTEN_SHAPES = ((3,), (2, 5), (2, 3, 4), (2, 16, 3, 3), (3, 17, 2, 5), (2, 5, 1, 1))


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.channels_last(a["x"])}, None


def flatten(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
    return {"y": ns.flatten(a["x"])}, None


def flatten_backward(
    ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any
) -> Arrays:
    return {"x": ns.flatten_backward(dy, a["x"].shape)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(0, nbytes(a["x"], y["y"]))


def error(op: str) -> Error:
    return Error(
        f"{op} of a list", lambda ns: getattr(ns, op)([1.0]), TypeError, f"^{op}: x must be .*got"
    )


SPECS = (
    Spec(
        name="channels_last",
        cases=(
            *(
                replace(normal(f"{shape}", {"x": shape}), kernel=len(shape) >= 3)
                for shape in SHAPES
            ),
            normal("empty", {"x": (0, 3, 2, 2)}),
        ),
        forward=forward,
        cost=cost,
        also=("is_channels_last",),
        returns_input=True,
        errors=(error("channels_last"), error("is_channels_last")),
        large=(normal("images", {"x": (4, 64, 129, 129)}),),
        bench=(
            normal("ResNet-50 stage 1, batch 8", {"x": (8, 256, 56, 56)}),
            normal("photographs", {"x": (16, 3, 224, 224)}),
        ),
    ),
    Spec(
        name="flatten",
        cases=(
            *(
                # one value a pixel or one pixel: a view will do
                replace(normal(f"{shape}", {"x": shape}), kernel=False)
                for shape in FLATTEN_SHAPES
            ),
            normal("empty", {"x": (0, 3, 2, 2)}),
        ),
        forward=flatten,
        cost=cost,
        backward=flatten_backward,
        backward_cost=cost,
        differentiable=("x",),
        layout="c",
        returns_input=True,
        errors=(
            Error("no axis", lambda ns: ns.flatten(f32()), ValueError, "^flatten: x must be .*got"),
            Error(
                "x_shape of another size",
                lambda ns: ns.flatten_backward(f32(2, 6), (2, 5)),
                ValueError,
                r"^flatten_backward: dy must be .*\(2, 5\), got float32 \(2, 6\)",
            ),
            Error(
                "x_shape that is no tuple",
                lambda ns: ns.flatten_backward(f32(2, 6), 12),
                TypeError,
                "^flatten_backward: x_shape must be a tuple.*got 12",
            ),
            Error(
                "x_shape of too many axes",
                lambda ns: ns.flatten_backward(f32(2, 6), (2, 6) + (1,) * 9),
                ValueError,
                "^flatten_backward: x_shape must be of length.*got",
            ),
        ),
        large=(normal("images", {"x": (4, 64, 129, 129)}),),
        bench=(normal("VGG head", {"x": (64, 256, 4, 4)}), normal("LeNet", {"x": (64, 16, 5, 5)})),
    ),
)
