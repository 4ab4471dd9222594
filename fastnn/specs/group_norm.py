"""Group and instance normalisation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._fused import ACTIVATIONS
from ._normalise import Errors, forward_bound, gradient_bounds, propagate
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes


def case(
    label: str,
    shape: tuple[int, ...],
    groups: int | None = None,
    *,
    affine: tuple[str, ...] = ("weight", "bias"),
    residual: bool = False,
    running: bool = False,
    mean: float = 0.5,
    std: float = 2.0,
    special: float | None = None,
    smooth: bool = True,
    **options: Any,
) -> Case:
    """Of group_norm, or without ``groups`` of instance_norm, then perhaps with statistics."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        c = shape[1]
        x = (mean + std * rng.standard_normal(shape)).astype(dtype)
        if special is not None:
            x[(-1,) * x.ndim] = special
        a: Arrays = {"x": x}
        if groups is None:
            a["running_mean"] = rng.standard_normal(c).astype(dtype) if running else None
            a["running_var"] = rng.uniform(0.5, 2.0, c).astype(dtype) if running else None
        for name in affine:
            a[name] = rng.standard_normal(c).astype(dtype)
        if residual:
            a["residual"] = rng.standard_normal(shape).astype(dtype)
        return a, options if groups is None else {"num_groups": groups, **options}

    return Case(label, make, smooth, kernel=0 not in shape)


def group_forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.group_norm(**a, **o)
    return {"y": y}, saved


def instance_forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.instance_norm(**a, **o)
    return {"y": y, "running_mean": a["running_mean"], "running_var": a["running_var"]}, saved


def backward_of(op: str) -> Callable[..., Arrays]:
    def backward(
        ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any
    ) -> Arrays:
        gradients = getattr(ns, op)(dy, saved)
        names = ("x", "weight", "bias", "residual")[: 4 if "residual" in a else 3]
        return dict(zip(names, gradients, strict=True))

    return backward


def grouped(v: np.ndarray, a: Arrays, o: Options) -> np.ndarray:
    """(N, C, ...) or (C,) as (N or 1, groups, channels of a group, spatial values or 1)."""
    n, c = a["x"].shape[:2]
    groups = o.get("num_groups", c)
    size = math.prod(a["x"].shape[2:])
    lead, tail = (1, 1) if v.ndim == 1 else (n, size)
    return v.reshape(lead, groups, c // groups, tail)


def errors_of(a: Arrays, o: Options, eps: float) -> Errors:
    ones = np.ones(a["x"].shape[1])
    x, weight, bias, residual = (
        grouped(a.get(name, otherwise), a, o)
        for name, otherwise in (
            ("x", ones),
            ("weight", ones),
            ("bias", 0 * ones),
            ("residual", 0 * ones),
        )
    )
    given = None
    if not o.get("use_input_stats", True):
        given = grouped(a["running_mean"], a, o), grouped(a["running_var"], a, o)
    return propagate(x, (2, 3), weight, bias, residual, o.get("eps", 1e-5), eps, given)


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    e = errors_of(a, o, eps)
    result: Arrays = {"y": forward_bound(e, o, eps).reshape(a["x"].shape)}
    m = o.get("momentum", 0.1) if o.get("use_input_stats", True) else 0.0
    for name, value, error, scale in (
        ("running_mean", e.mean, e.e_mean, 1.0),
        ("running_var", e.var, e.e_var, e.n / max(1, e.n - 1)),
    ):
        if a.get(name) is not None:
            size, wrong = (v.mean(0).reshape(-1) for v in (np.abs(value), error))
            result[name] = m * scale * wrong + 2 * eps * (
                (1 - m) * np.abs(a[name]) + m * scale * size
            )
    return result


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    training = o.get("use_input_stats", True)
    e = errors_of(a, o, eps)
    dx, dweight, dbias, dresidual = gradient_bounds(
        e, grouped(dy, a, o), (2, 3), (0, 3), o, eps, training
    )
    return {
        "x": dx.reshape(dy.shape),
        "weight": dweight.reshape(-1),
        "bias": dbias.reshape(-1),
        "residual": dresidual.reshape(dy.shape),
    }


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(8 * a["x"].size, nbytes(*a.values(), y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    fused = nbytes(y["y"]) if o.get("activation") else 0
    residual = nbytes(a["x"]) if "residual" in a else 0
    return Cost(10 * a["x"].size, 3 * nbytes(a["x"]) + fused + residual)


def group_error(
    label: str, match: str, x: Any, groups: Any, kind: Any = ValueError, **given: Any
) -> Error:
    return Error(label, lambda ns: ns.group_norm(x, groups, **given), kind, f"^group_norm: {match}")


def instance_error(label: str, match: str, x: Any, kind: Any = ValueError, **given: Any) -> Error:
    return Error(label, lambda ns: ns.instance_norm(x, **given), kind, f"^instance_norm: {match}")


def backward_error(op: str, label: str, kind: type[Exception], match: str, saved: Any) -> Error:
    def call(ns: Namespace) -> object:
        made = {"instance_norm": ns.instance_norm(X)[1], "group_norm": ns.group_norm(X, 2)[1]}
        dy = X if saved else X[:2]
        return getattr(ns, f"{op}_backward")(dy, made.get(saved, saved) if saved else made[op])

    return Error(label, call, kind, f"^{op}_backward: {match}")


X = f32(4, 6, 2, 2)

GROUP_ERRORS = (
    group_error("x of rank 1", r"x must be .*rank.*got float32 \(4,\)", f32(4), 1),
    group_error("no divisor", r"num_groups must be .*6 channels of x, got 4", X, 4),
    group_error("no group", r"num_groups must be .*got 0", X, 0),
    group_error("a float", r"num_groups must be .*got 2\.0", X, 2.0, TypeError),
    group_error("weight of wrong length", r"weight must be .*\(6,\), got", X, 2, weight=f32(4)),
    group_error("bias of rank 2", r"bias must be .*\(6,\), got", X, 2, bias=f32(6, 1)),
    group_error("residual of wrong shape", r"residual must be .*got", X, 2, residual=X[:2]),
    group_error("negative eps", r"eps must be .*got -1", X, 2, eps=-1.0),
    group_error("unknown activation", r"activation must be .*got", X, 2, activation="gelu"),
    backward_error("group_norm", "dy of wrong shape", ValueError, r"dy must be .*got", None),
    backward_error("group_norm", "another op", TypeError, r"saved must .*got", "instance_norm"),
    backward_error("group_norm", "not the saved object", TypeError, r"saved must .*got", (1,)),
)

INSTANCE_ERRORS = (
    instance_error("x of rank 2", r"x must be .*rank.*got float32 \(4, 3\)", f32(4, 3)),
    instance_error("one value", r"x must be .*got float32 \(4, 3, 1\)", f32(4, 3, 1)),
    instance_error(
        "no statistics", r"running_mean must be .*got None", X, use_input_stats=False
    ),
    instance_error(
        "running_mean of wrong length", r"running_mean must be .*\(6,\), got", X,
        running_mean=f32(2),
    ),
    instance_error(
        "running_var of wrong length", r"running_var must be .*\(6,\), got", X, running_var=f32(2)
    ),
    instance_error("momentum above 1", r"momentum must be .*got 2", X, momentum=2.0),
    instance_error("a word", r"use_input_stats must be .*got", X, TypeError, use_input_stats="no"),
    instance_error("weight of wrong length", r"weight must be .*\(6,\), got", X, weight=f32(4)),
    backward_error("instance_norm", "dy of wrong shape", ValueError, r"dy must be .*got", None),
    backward_error("instance_norm", "another op", TypeError, r"saved must .*got", "group_norm"),
)  # fmt: skip

SPECS = (
    Spec(
        name="group_norm",
        cases=(
            case("images", (3, 6, 4, 3), 2),
            *(case(f"{c} channels, {g} groups", (2, c, 3, 5), g) for c, g in
              ((1, 1), (3, 3), (8, 2), (15, 5), (16, 4), (18, 1), (32, 32), (68, 4), (130, 2))),
            case("matrix", (5, 12), 3),
            case("rank 3", (4, 6, 7), 3, affine=()),
            case("rank 5", (2, 4, 2, 3, 2), 2, affine=("weight",)),
            case("bias alone", (2, 6, 3, 3), 2, affine=("bias",)),
            case("many pixels", (2, 6, 37, 29), 3),
            case("large eps", (3, 6, 4), 2, eps=0.5),
            case("residual", (2, 15, 3, 3), 3, residual=True),
            *(case(name, (3, 8, 3, 2), 4, activation=name) for name in ACTIVATIONS),
            *(
                case(f"residual, {name}", (3, 9, 2, 4), 3, residual=True, activation=name)
                for name in ("relu", "elu")
            ),
            case("large mean", (4, 6, 8, 9), 2, mean=1e4, std=1.0, smooth=False),
            case("constant", (3, 6, 5, 3), 2, mean=3.1, std=0.0, smooth=False),
            case("a NaN", (4, 6, 3), 3, special=np.nan, smooth=False),
            case("empty batch", (0, 6, 3), 3),
        ),
        forward=group_forward,
        bound=bound,
        cost=cost,
        backward=backward_of("group_norm_backward"),
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight", "bias", "residual"),
        errors=GROUP_ERRORS,
        large=(
            case("images", (5, 36, 64, 63), 4, residual=True, activation="relu"),
            case("small images", (401, 24, 5, 5), 3),
            case("many channels", (9, 1600, 7, 7), 32),
            case("more than the caches", (9, 48, 101, 101), 4, activation="relu"),
        ),
        bench=(
            case("ResNet-50 stage 1, batch 8", (8, 256, 56, 56), 32, activation="relu"),
            case("ResNet-50 conv1, batch 8", (8, 64, 112, 112), 32),
            case("CIFAR ResNet-20 stage 1", (128, 16, 32, 32), 4),
            case("U-Net", (2, 320, 64, 64), 32),
            case("ResNet-50 stage 4", (32, 2048, 7, 7), 32),
        ),
    ),
    Spec(
        name="instance_norm",
        cases=(
            case("images", (3, 6, 4, 3)),
            *(case(f"{c} channels", (2, c, 3, 5)) for c in (1, 3, 16, 17, 65)),
            case("rank 3", (4, 6, 7), affine=(), running=True),
            case("rank 5", (2, 4, 2, 3, 2), affine=("weight",)),
            case("running statistics", (3, 5, 4, 3), running=True),
            case("momentum 1", (3, 5, 4, 3), running=True, momentum=1.0, affine=("bias",)),
            case("evaluation", (3, 5, 4, 3), running=True, use_input_stats=False),
            case(
                "evaluation, fused", (2, 7, 3, 3), running=True, use_input_stats=False,
                residual=True, activation="relu",
            ),
            case("residual, elu", (3, 9, 2, 4), residual=True, activation="elu"),
            case("relu", (3, 8, 3, 2), activation="relu"),
            case("large mean", (4, 6, 8, 9), mean=1e4, std=1.0, running=True, smooth=False),
            case("constant", (3, 6, 5, 3), mean=3.1, std=0.0, smooth=False),
        ),
        forward=instance_forward,
        bound=bound,
        cost=cost,
        backward=backward_of("instance_norm_backward"),
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight", "bias", "residual"),
        writes=("running_mean", "running_var"),
        errors=INSTANCE_ERRORS,
        large=(case("images", (5, 36, 64, 63), running=True),),
        bench=(
            case("style transfer", (4, 64, 128, 128)),
            case("CIFAR ResNet-20 stage 1", (128, 16, 32, 32)),
            case("ResNet-50 stage 1, batch 8", (8, 256, 56, 56)),
        ),
    ),
)  # fmt: skip
