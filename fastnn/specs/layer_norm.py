"""Layer normalisation."""

from typing import Any

import numpy as np

from ._fused import ACTIVATIONS
from ._normalise import Errors, forward_bound, gradient_bounds, propagate
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes


def case(
    label: str,
    shape: tuple[int, ...],
    normalized: int | tuple[int, ...] | None = None,
    *,
    affine: tuple[str, ...] = ("weight", "bias"),
    residual: bool = False,
    mean: float = 0.5,
    std: float = 2.0,
    special: float | None = None,
    smooth: bool = True,
    **options: Any,
) -> Case:
    """x has the given mean and deviation; ``special`` replaces its last value."""
    tail = (shape[-1],) if normalized is None else normalized
    tail_shape = (tail,) if isinstance(tail, int) else tail

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        x = (mean + std * rng.standard_normal(shape)).astype(dtype)
        if special is not None:
            x[(-1,) * x.ndim] = special
        a: Arrays = {"x": x}
        for name in affine:
            a[name] = rng.standard_normal(tail_shape).astype(dtype)
        if residual:
            a["residual"] = rng.standard_normal(shape).astype(dtype)
        return a, {"normalized_shape": tail, **options}

    return Case(label, make, smooth, kernel=0 not in shape)


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.layer_norm(**a, **o)
    return {"y": y}, saved


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    gradients = ns.layer_norm_backward(dy, saved)
    names = ("x", "weight", "bias", "residual")[: 4 if "residual" in a else 3]
    return dict(zip(names, gradients, strict=True))


def axes_of(a: Arrays, o: Options) -> tuple[int, ...]:
    n = o["normalized_shape"]
    rank = a["x"].ndim
    return tuple(range(rank - (1 if isinstance(n, int) else len(n)), rank))


def errors_of(a: Arrays, o: Options, eps: float) -> Errors:
    weight, bias, residual = a.get("weight", 1.0), a.get("bias", 0.0), a.get("residual", 0.0)
    offset = o.get("eps", 1e-5)
    return propagate(a["x"], axes_of(a, o), weight, bias, residual, offset, eps)


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    return {"y": forward_bound(errors_of(a, o, eps), o, eps)}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    axes = axes_of(a, o)
    rest = tuple(range(axes[0]))
    dx, dweight, dbias, dresidual = gradient_bounds(errors_of(a, o, eps), dy, axes, rest, o, eps)
    tail = dy.shape[axes[0] :]
    return {
        "x": dx,
        "weight": dweight.reshape(tail),
        "bias": dbias.reshape(tail),
        "residual": dresidual,
    }


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(8 * a["x"].size, nbytes(*a.values(), y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    fused = nbytes(y["y"]) if o.get("activation") else 0
    residual = nbytes(a["x"]) if "residual" in a else 0
    return Cost(12 * a["x"].size, 3 * nbytes(a["x"]) + fused + residual)


def error(
    label: str, match: str, x: Any, shape: Any, kind: Any = ValueError, **given: Any
) -> Error:
    return Error(label, lambda ns: ns.layer_norm(x, shape, **given), kind, f"^layer_norm: {match}")


def backward_error(label: str, kind: type[Exception], match: str, dy: Any, saved: Any) -> Error:
    def call(ns: Namespace) -> object:
        mine = ns.layer_norm(f32(4, 3), 3)[1] if saved is None else saved
        return ns.layer_norm_backward(dy, mine)

    return Error(label, call, kind, f"^layer_norm_backward: {match}")


X = f32(4, 3)

ERRORS = (
    error("x of rank 0", r"x must be .*rank.*got float32 \(\)", f32(), 1),
    error("another length", r"normalized_shape must be .*\(4, 3\), got \(4,\)", X, 4),
    error("too many axes", r"normalized_shape must be .*got \(2, 4, 3\)", X, (2, 4, 3)),
    error("no axis", r"normalized_shape must be .*got \(\)", X, ()),
    error("a float", r"normalized_shape must be .*got 3\.0", X, 3.0, TypeError),
    error("weight of wrong length", r"weight must be .*\(3,\), got", X, 3, weight=f32(4)),
    error("bias of rank 2", r"bias must be .*\(3,\), got float32 \(1, 3\)", X, 3, bias=f32(1, 3)),
    error("residual of wrong shape", r"residual must be .*\(4, 3\), got", X, 3, residual=X[:2]),
    error("negative eps", r"eps must be .*got -1", X, 3, eps=-1.0),
    error("eps is NaN", r"eps must be .*got nan", X, 3, eps=np.nan),
    error("unknown activation", r"activation must be .*got 'gelu'", X, 3, activation="gelu"),
    backward_error("dy of wrong shape", ValueError, r"dy must be .*\(4, 3\), got", X[:2], None),
    backward_error("not the saved object", TypeError, r"saved must be .*got", X, (1, 2)),
)

SPECS = (
    Spec(
        name="layer_norm",
        cases=(
            case("rows", (5, 9)),
            *(case(f"length {n}", (6, n)) for n in (1, 2, 7, 8, 15, 16, 17, 65)),
            case("one row", (33,)),
            case("tokens", (2, 3, 130), 130),
            case("two axes", (3, 4, 5), (4, 5)),
            case("whole images", (2, 3, 5, 4), (3, 5, 4)),
            case("all axes", (3, 4, 2), (3, 4, 2)),
            case("no affine", (7, 20), affine=()),
            case("weight alone", (7, 20), affine=("weight",)),
            case("bias alone", (7, 20), affine=("bias",)),
            case("long rows", (3, 1031)),
            case("large eps", (6, 5), eps=0.5),
            case("residual", (5, 3, 19), residual=True),
            *(case(name, (3, 2, 18), activation=name) for name in ACTIVATIONS),
            *(
                case(f"residual, {name}", (9, 21), residual=True, activation=name)
                for name in ("relu", "elu")
            ),
            case("large mean", (9, 70), mean=1e4, std=1.0, smooth=False),
            case("constant rows", (5, 35), mean=3.1, std=0.0, smooth=False),
            case("a NaN", (4, 33), special=np.nan, smooth=False),
            case("no rows", (0, 5)),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight", "bias", "residual"),
        layout="c",
        errors=ERRORS,
        large=(
            case("tokens", (8, 333, 257)),
            case("rows, fused", (2001, 144), residual=True, activation="relu"),
            case("more than the caches", (9001, 512)),
            case("very long rows", (520, 4100)),
            case("very long odd rows", (80, 2051)),
        ),
        bench=(
            case("GPT-2, 8 x 1024 tokens", (8, 1024, 768)),
            case("BERT-large, 32 x 128 tokens", (32, 128, 1024)),
            case("4096", (4096, 4096)),
            case("odd length", (8192, 1001)),
            case("in the caches", (256, 768)),
            # rank 3: the benchmark puts arrays of rank 4 in channels-last order, not in rows
            case("ConvNeXt stage 1", (8, 56 * 56, 96)),
        ),
    ),
)
