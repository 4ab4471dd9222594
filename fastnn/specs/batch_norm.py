"""Batch normalisation."""

from typing import Any, NamedTuple

import numpy as np

from ..reference.activations import activate
from ._fused import ACTIVATIONS, KINKED, activation_bound, gradient_magnitude
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, rounding


def case(
    label: str,
    shape: tuple[int, ...],
    *,
    affine: tuple[str, ...] = ("weight", "bias"),
    residual: bool = False,
    running: bool = True,
    mean: float = 0.5,
    std: float = 2.0,
    special: float | None = None,
    smooth: bool = True,
    **options: Any,
) -> Case:
    """x has the given mean and deviation per channel; ``special`` replaces one value of it."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        c = shape[1]
        x = (mean + std * rng.standard_normal(shape)).astype(dtype)
        if special is not None:
            x[-1, -1, ..., -1] = special
        a: Arrays = {"x": x, "running_mean": None, "running_var": None}
        if running:
            a["running_mean"] = rng.standard_normal(c).astype(dtype)
            a["running_var"] = rng.uniform(0.5, 2.0, c).astype(dtype)
        for name in affine:
            a[name] = rng.standard_normal(c).astype(dtype)
        if residual:
            a["residual"] = rng.standard_normal(shape).astype(dtype)
        return a, {"training": True, **options}

    return Case(label, make, smooth, kernel=0 not in shape)


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    y, saved = ns.batch_norm(**a, **o)
    return {"y": y, "running_mean": a["running_mean"], "running_var": a["running_var"]}, saved


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    gradients = ns.batch_norm_backward(dy, saved)
    names = ("x", "weight", "bias", "residual")[: 4 if "residual" in a else 3]
    return dict(zip(names, gradients, strict=True))


class Errors(NamedTuple):
    """The normalisation in float64, its intermediate values and their rounding errors."""

    n: int
    xhat: np.ndarray
    rstd: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    e_mean: np.ndarray
    e_var: np.ndarray
    e_rstd: np.ndarray  # relative
    e_xhat: np.ndarray
    z: np.ndarray
    e_z: np.ndarray


def propagate(a: Arrays, o: Options, eps: float) -> Errors:
    """First-order error analysis of a two-pass algorithm with scale and shift folded."""
    x, c = a["x"], a["x"].shape[1]
    axes, n = (0, *range(2, x.ndim)), x.size // c

    def wide(v: np.ndarray) -> np.ndarray:
        return v.reshape(-1, *[1] * (x.ndim - 2))

    mean, var = a["running_mean"], a["running_var"]
    e_mean = e_var = np.zeros(c)
    if o["training"]:
        mean, var = x.mean(axes), x.var(axes)
        e_mean = rounding(n, eps) * np.abs(x).mean(axes)
        e_var = rounding(n, eps) * var + e_mean**2
    offset = o.get("eps", 1e-5)
    rstd = 1 / np.sqrt(var + offset)
    e_rstd = e_var / (2 * (var + offset)) + 2 * eps
    xhat = (x - wide(mean)) * wide(rstd)
    e_shift = wide(e_mean) + 2 * eps * (np.abs(x) + np.abs(wide(mean)))
    e_xhat = wide(rstd) * e_shift + np.abs(xhat) * (wide(e_rstd) + 2 * eps)
    weight, bias = wide(a.get("weight", np.ones(c))), wide(a.get("bias", np.zeros(c)))
    residual = a.get("residual", np.zeros_like(x))
    z = weight * xhat + bias + residual
    magnitude = np.abs(weight * xhat) + np.abs(bias) + np.abs(residual)
    e_z = np.abs(weight) * e_xhat + 2 * eps * magnitude
    return Errors(
        n, xhat, wide(rstd), weight, mean, var, e_mean, e_var, wide(e_rstd), e_xhat, z, e_z
    )


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    e = propagate(a, o, eps)
    y = activate(e.z, o.get("activation"))
    result: Arrays = {"y": activation_bound(y, e.e_z, o, eps)}
    m = o.get("momentum", 0.1) if o["training"] else 0.0
    for name, value, error, scale in (
        ("running_mean", e.mean, e.e_mean, 1.0),
        ("running_var", e.var, e.e_var, e.n / max(1, e.n - 1)),
    ):
        if a[name] is not None:
            magnitude = (1 - m) * np.abs(a[name]) + m * scale * np.abs(value)
            result[name] = m * scale * error + 2 * eps * magnitude
    return result


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    e = propagate(a, o, eps)
    axes = (0, *range(2, dy.ndim))
    exact_y = activate(e.z, o.get("activation"))
    dz = gradient_magnitude(dy, exact_y, o)
    e_dz = 2 * eps * dz
    if o.get("activation") in KINKED:  # within its error of 0, z may be on either side
        e_dz = e_dz + np.abs(dy) * (np.abs(e.z) <= e.e_z)
    elif o.get("activation"):  # the derivatives' own derivatives do not exceed 1
        e_dz = e_dz + np.abs(dy) * e.e_z
    size, total = np.abs(e.xhat), rounding(e.n, eps)
    dbias, e_dbias = (v.sum(axes, keepdims=True) for v in (dz, total * dz + e_dz))
    dweight, e_dweight = (
        v.sum(axes, keepdims=True)
        for v in (dz * size, total * dz * size + e_dz * size + dz * e.e_xhat)
    )
    gain = np.abs(e.weight) * e.rstd
    magnitude, error = dz, e_dz
    if o["training"]:
        magnitude = dz + (dbias + size * dweight) / e.n
        error = e_dz + (e_dbias + size * e_dweight + e.e_xhat * dweight) / e.n
    return {
        "x": gain * (error + magnitude * (e.e_rstd + 4 * eps)),
        "weight": e_dweight.reshape(-1),
        "bias": e_dbias.reshape(-1),
        "residual": e_dz,
    }


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost((8 if o["training"] else 2) * a["x"].size, nbytes(*a.values(), y["y"]))


def backward_cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    fused = nbytes(y["y"]) if o.get("activation") else 0
    residual = nbytes(a["x"]) if "residual" in a else 0
    return Cost(10 * a["x"].size, 3 * nbytes(a["x"]) + fused + residual)


def error(label: str, match: str, x: np.ndarray, kind: Any = ValueError, **given: Any) -> Error:
    def call(ns: Namespace) -> object:
        c = x.shape[1] if x.ndim > 1 else 1
        running = {"running_mean": f32(c), "running_var": f32(c)}
        return ns.batch_norm(x, **{**running, **given})

    return Error(label, call, kind, f"^batch_norm: {match}")


def backward_error(label: str, kind: type[Exception], match: str, dy: Any, saved: Any) -> Error:
    def call(ns: Namespace) -> object:
        mine = ns.batch_norm(f32(4, 3), None, None, training=True)[1] if saved is None else saved
        return ns.batch_norm_backward(dy, mine)

    return Error(label, call, kind, f"^batch_norm_backward: {match}")


X = f32(4, 3, 2, 2)
SHARED = f32(3)

ERRORS = (
    error("x of rank 1", r"x must be .*rank.*got float32 \(4,\)", f32(4)),
    error(
        "weight of wrong length", r"weight must be .*\(3,\), got float32 \(4,\)", X, weight=f32(4)
    ),
    error("bias of rank 2", r"bias must be .*\(3,\), got float32 \(3, 1\)", X, bias=f32(3, 1)),
    error(
        "running_mean of wrong length",
        r"running_mean must be .*\(3,\), got",
        X,
        running_mean=f32(2),
    ),
    error(
        "running_var of wrong length", r"running_var must be .*\(3,\), got", X, running_var=f32(1)
    ),
    error(
        "no running statistics",
        r"running_mean must be .*got None",
        X,
        running_mean=None,
        running_var=None,
    ),
    error("residual of wrong shape", r"residual must be .*\(4, 3, 2, 2\), got", X, residual=X[:2]),
    error("one value per channel", r"x must be .*got float32 \(1, 3\)", f32(1, 3), training=True),
    error(
        "one value per channel, images",
        r"x must be .*got float32 \(1, 3, 1, 1\)",
        f32(1, 3, 1, 1),
        training=True,
    ),
    error("no value per channel", r"x must be .*got float32 \(0, 3\)", f32(0, 3), training=True),
    error("eps is NaN", r"eps must be .*got nan", X, eps=np.nan),
    error("negative eps", r"eps must be .*got -1e-05", X, eps=-1e-5),
    error("momentum above 1", r"momentum must be .*got 1\.5", X, momentum=1.5),
    error("negative momentum", r"momentum must be .*got -0\.1", X, momentum=-0.1),
    error("momentum is NaN", r"momentum must be .*got nan", X, momentum=np.nan),
    error("unknown activation", r"activation must be .*got .*softmax", X, activation="softmax"),
    error(
        "both statistics are one array",
        r"running_(mean|var) must be .*got",
        X,
        running_mean=SHARED,
        running_var=SHARED,
        training=True,
    ),
    backward_error("dy of wrong shape", ValueError, r"dy must be .*\(4, 3\), got", f32(4, 2), None),
    backward_error(
        "dy of another dtype",
        TypeError,
        r"dy must be .*float32.*got float64",
        np.ones((4, 3)),
        None,
    ),
    backward_error("not the saved object", TypeError, r"saved must be .*got", f32(4, 3), (1,)),
)

SPECS = (
    Spec(
        name="batch_norm",
        cases=(
            case("images", (2, 3, 4, 5)),
            case("two values", (2, 1)),
            case("rows, 3 channels", (5, 3)),
            case("rows, 16 channels", (7, 16)),
            case("rows, 17 channels", (9, 17)),
            case("rows, 65 channels", (3, 65), momentum=0.3),
            case("rank 3", (4, 5, 7), affine=()),
            case("rank 5", (2, 3, 2, 3, 2), affine=("weight",)),
            case("images, 17 channels", (2, 17, 3, 3), affine=("bias",)),
            case("images, 65 channels", (1, 65, 5, 3), running=False),
            case("many rows", (1031, 5)),
            case("momentum 0", (6, 4), momentum=0.0),
            case("momentum 1, large eps", (6, 4), momentum=1.0, eps=0.5),
            case("residual", (2, 15, 3, 3), residual=True),
            *(case(name, (3, 8, 3, 2), activation=name) for name in ACTIVATIONS),
            *(
                case(f"residual, {name}", (3, 9, 2, 4), residual=True, activation=name)
                for name in ("relu", "elu")
            ),
            case("large mean", (40, 5, 3, 3), mean=1e4, std=1.0, smooth=False),
            case("constant channels", (5, 4, 3), mean=3.0, std=0.0, smooth=False),
            case("a NaN", (4, 5, 3), special=np.nan, smooth=False),
            case("evaluation", (2, 17, 4, 3), training=False),
            case("evaluation, one value", (1, 3), training=False),
            case("evaluation, no affine", (3, 16, 5), training=False, affine=()),
            case(
                "evaluation, fused", (2, 7, 3, 3), training=False, residual=True, activation="relu"
            ),
            case("evaluation, sigmoid", (2, 5, 3, 3), training=False, activation="sigmoid"),
            case("evaluation, empty batch", (0, 3, 4, 4), training=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        backward_cost=backward_cost,
        differentiable=("x", "weight", "bias", "residual"),
        writes=("running_mean", "running_var"),
        errors=ERRORS,
        large=(
            case("images", (5, 33, 64, 63), residual=True, activation="relu"),
            case("rows", (20001, 37)),
            case("more than the caches", (88001, 48), residual=True, activation="relu"),
            case("evaluation", (5, 33, 64, 63), training=False),
        ),
        bench=(
            case("ResNet-50 stage 1, batch 8", (8, 256, 56, 56), activation="relu", residual=True),
            case("ResNet-50 conv1, batch 8", (8, 64, 112, 112), activation="relu"),
            case("CIFAR ResNet-20 stage 1", (128, 16, 32, 32)),
            case("rows", (512, 1024)),
            case("evaluation", (8, 64, 112, 112), training=False, activation="relu"),
        ),
    ),
)
