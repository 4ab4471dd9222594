"""Elementwise activations."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import reference
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, normal

SIZES = (0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 67)  # around the widths 4, 8, 16, and 4 W + 3
SPECIAL = (0.0, -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 1e30, -1e30, 20.0, -20.0, 88.5, -87.0, 710.0)
LARGE = {
    "2^21 values": (1 << 21,),
    "ResNet-50 stage 1, batch 8": (8, 256, 56, 56),
    "CIFAR ResNet-20 stage 1, batch 128": (128, 16, 32, 32),
}


def activation(
    name: str,
    flops: int,
    ulps: Callable[..., Any] | None = None,
    backward_ulps: Callable[..., Any] | None = None,
    from_output: bool = False,
    variants: tuple[Options, ...] = (),
    **options: Any,
) -> Spec:
    """The spec of y = f(x), whose derivative is taken from y or from x.

    ``ulps(x, y, options)`` and ``backward_ulps(x, y, dy, dx, options)`` are the allowed errors in
    units of epsilon; None demands the same bits. ``variants`` are further sets of options to test.
    """
    backward = f"{name}_backward"

    def normal_case(label: str, shape: tuple[int, ...], o: Options = options) -> Case:
        return normal(label, {"x": shape}, **o)

    def special_case(label: str, o: Options = options) -> Case:
        def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
            with np.errstate(over="ignore"):
                values = np.array([*SPECIAL, -710.0, np.inf, -np.inf, np.nan]).astype(dtype)
            return {"x": values}, dict(o)

        return Case(label, make, smooth=False)

    further = [
        case
        for o in variants
        for words in [", ".join(str(v) for v in o.values())]
        for case in (
            normal_case(f"{words}: images", (2, 5, 3, 7), o),
            special_case(f"{words}: special values", o),
        )
    ]

    def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
        return {"y": getattr(ns, name)(a["x"], **o)}, None

    def gradient(
        ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: None
    ) -> Arrays:
        return {"x": getattr(ns, backward)(dy, y["y"] if from_output else a["x"], **o)}

    def bound(a: Arrays, o: Options, eps: float) -> Arrays:
        assert ulps is not None
        return {"y": eps * ulps(a["x"], forward(reference, a, o)[0]["y"], o)}

    def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
        assert backward_ulps is not None
        dx = gradient(reference, a, o, dy, y, None)["x"]
        return {"x": eps * backward_ulps(a["x"], y["y"], dy, dx, o)}

    def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
        return Cost(flops * a["x"].size, nbytes(a["x"], y["y"]))

    def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
        return Cost(3 * a["x"].size, 3 * nbytes(a["x"]))

    return Spec(
        name=name,
        cases=(
            normal_case("images", (2, 5, 3, 7)),
            *(normal_case(f"size {n}", (n,)) for n in SIZES),
            normal_case("scalar", ()),
            normal_case("matrix", (5, 13)),
            normal_case("rank 5", (2, 3, 1, 2, 5)),
            special_case("special values"),
            *further,
        ),
        forward=forward,
        bound=bound if ulps else None,
        cost=cost,
        backward=gradient,
        backward_bound=backward_bound if backward_ulps else None,
        backward_cost=backward_cost,
        differentiable=("x",),
        layout="own",
        errors=errors(name, next(iter(options), None)),
        large=(normal_case("1 M values", (1, 16, 256, 257)),),
        bench=tuple(normal_case(label, shape) for label, shape in LARGE.items()),
    )


def errors(name: str, option: str | None = None) -> tuple[Error, ...]:
    backward = f"{name}_backward"
    found = [
        Error(
            "shapes differ",
            lambda ns: getattr(ns, backward)(f32(2, 3), f32(3, 2)),
            ValueError,
            rf"^{backward}: dy must be .*\(3, 2\), got .*\(2, 3\)",
        )
    ]
    for op in (name, backward) if option else ():
        arguments = [f32(3)] * (1 if op == name else 2)
        found += [wrong_option(op, arguments, str(option), v) for v in (np.nan, np.inf, -1.0, "1")]
    return tuple(found)


def wrong_option(op: str, arguments: list[np.ndarray], option: str, value: Any) -> Error:
    return Error(
        f"{op}: {option}={value!r}",
        lambda ns: getattr(ns, op)(*arguments, value),
        TypeError if isinstance(value, str) else ValueError,
        rf"^{op}: {option} must be .*, got",
    )


SPECS = (
    activation("relu", 1),
    activation("leaky_relu", 2, negative_slope=0.2),
    activation(
        "elu", 20, lambda x, y, o: 4 * np.abs(y), lambda x, y, dy, dx, o: 4 * np.abs(dx), alpha=1.5
    ),
    activation(
        "sigmoid",
        20,
        lambda x, y, o: 4 * np.abs(y),
        lambda x, y, dy, dx, o: 2 * np.abs(dx),
        from_output=True,
    ),
    activation(  # 1 - y^2 cancels near |y| = 1, so its error is of the size of y^2
        "tanh",
        20,
        lambda x, y, o: 4 * np.abs(y),
        lambda x, y, dy, dx, o: 2 * np.abs(dx) + np.abs(dy) * y**2,
        from_output=True,
    ),
)
