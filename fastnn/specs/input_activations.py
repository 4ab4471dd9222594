"""Activations with a derivative from the input."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..reference.input_activations import normal_cdf, sigmoid
from ._spec import Error, Options, Spec, f32
from .activations import activation


def four(x: Any, y: Any, o: Options) -> Any:
    return 4 * np.abs(y)


def four_backward(x: Any, y: Any, dy: Any, dx: Any, o: Options) -> Any:
    return 4 * np.abs(dx)


def inside(x: np.ndarray, limit: float) -> np.ndarray:
    """x, cut to where the slopes are neither 0 nor 1."""
    return np.clip(x, -limit, limit)


def cubic(x: np.ndarray) -> np.ndarray:
    """2 u of the gelu by tanh."""
    return math.sqrt(8 / math.pi) * (x + 0.044715 * x**3)


def gelu_ulps(x: np.ndarray, y: np.ndarray, o: Options) -> Any:
    if o.get("approximate") == "tanh":  # the exponent 2 u is a rounded number
        return (4 + 2 * np.abs(cubic(inside(x, 40)))) * np.abs(y)
    return 4 * np.abs(y)


def gelu_backward_ulps(x: Any, y: Any, dy: Any, dx: Any, o: Options) -> Any:
    """The two terms of the slope are rounded; they cancel near -0.75."""
    x = inside(x, 40)
    if o.get("approximate") == "tanh":
        z = cubic(x)
        dz = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * x**2)
        terms = sigmoid(z) + np.abs(x) * dz * sigmoid(z) * sigmoid(-z)
        return (4 + 2 * np.abs(z)) * np.abs(dy) * terms
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return 4 * np.abs(dy) * (normal_cdf(x) + np.abs(x) * density)


def exact_tail(spec: Spec) -> Spec:
    """Allow for the reference, whose float64 argument x / sqrt(2) or x^2 / 2 is rounded."""
    own = float(np.finfo(np.float64).eps)
    bound, backward_bound = spec.bound, spec.backward_bound
    assert bound is not None and backward_bound is not None

    def wider(a: Any, o: Options, eps: float) -> Any:
        y = bound(a, o, eps)["y"]
        return {"y": y * (1 + inside(a["x"], 40) ** 2 * own / eps)}

    def wider_backward(a: Any, o: Options, dy: Any, y: Any, eps: float) -> Any:
        dx = backward_bound(a, o, dy, y, eps)["x"]
        return {"x": dx * (1 + inside(a["x"], 40) ** 2 * own / eps)}

    return replace(spec, bound=wider, backward_bound=wider_backward)


def silu_backward_ulps(x: Any, y: Any, dy: Any, dx: Any, o: Options) -> Any:
    x = inside(x, 800)
    return 4 * np.abs(dy) * (sigmoid(x) + np.abs(x) * sigmoid(x) * sigmoid(-x))


def softplus_ulps(x: Any, y: Any, o: Options) -> Any:
    """beta * x is rounded."""
    z = inside(o["beta"] * x, 800)
    return 4 * np.abs(y) + np.abs(z) * sigmoid(z) / o["beta"]


def softplus_backward_ulps(x: Any, y: Any, dy: Any, dx: Any, o: Options) -> Any:
    z = inside(o["beta"] * x, 800)
    return 4 * np.abs(dx) + np.abs(dy * z) * sigmoid(z) * sigmoid(-z)


def hardswish_backward_ulps(x: Any, y: Any, dy: Any, dx: Any, o: Options) -> Any:
    return np.abs(dy) * (1 + np.abs(inside(x, 3)) / 3)


def refuses(op: str, name: str, value: Any, *arguments: Any, by: Any = None) -> Error:
    """The call ``op(*arguments)`` refuses ``value``, its last argument, which is ``name``."""
    return Error(
        f"{op}: {name}={value!r}",
        lambda ns: getattr(ns, op)(*arguments),
        by or (TypeError if isinstance(value, str) else ValueError),
        rf"^{op}: {name} must be .*, got",
    )


def softplus_errors(op: str, *arrays: np.ndarray) -> tuple[Error, ...]:
    betas, thresholds = (np.nan, np.inf, 0.0, -1.0, "1"), (np.nan, np.inf, "1")
    return (
        *(refuses(op, "beta", v, *arrays, v) for v in betas),
        *(refuses(op, "threshold", v, *arrays, 1.0, v) for v in thresholds),
    )


def gelu_errors(op: str, *arrays: np.ndarray) -> tuple[Error, ...]:
    return tuple(refuses(op, "approximate", v, *arrays, v, by=ValueError) for v in ("erf", None, 1))


GELU = exact_tail(
    activation(
        "gelu",
        40,
        gelu_ulps,
        gelu_backward_ulps,
        variants=({"approximate": "tanh"},),
    )
)
SOFTPLUS = activation(
    "softplus",
    30,
    softplus_ulps,
    softplus_backward_ulps,
    variants=({"beta": 0.7, "threshold": 1.5}, {"beta": 3.0, "threshold": 60.0}),
    beta=1.0,
)
SPECS = (
    activation("selu", 20, four, four_backward),
    activation("silu", 25, four, silu_backward_ulps),
    activation("hardswish", 5, four, hardswish_backward_ulps),
    replace(
        GELU,
        errors=(
            *GELU.errors,
            *gelu_errors("gelu", f32(3)),
            *gelu_errors("gelu_backward", f32(3), f32(3)),
        ),
    ),
    replace(
        SOFTPLUS,
        errors=(
            SOFTPLUS.errors[0],
            *softplus_errors("softplus", f32(3)),
            *softplus_errors("softplus_backward", f32(3), f32(3)),
        ),
    ),
)
