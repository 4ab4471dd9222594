"""Softmax cross entropy."""

from typing import Any

import numpy as np

from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, rounding


def case(
    label: str,
    n: int,
    c: int,
    *,
    soft: bool = False,
    weighted: bool = False,
    scale: float = 3.0,
    integers: Any = np.int64,
    smooth: bool = True,
    **options: Any,
) -> Case:
    """Normal logits times ``scale``; ``ignore_index`` in the options is put at rows 1, 4, 7, ..."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        a: Arrays = {"logits": (scale * rng.standard_normal((n, c))).astype(dtype)}
        if soft:
            mass = rng.uniform(0, 1, (n, c))
            a["target"] = (mass / mass.sum(1, keepdims=True)).astype(dtype)
        else:
            a["target"] = rng.integers(0, c, n).astype(integers)
            if "ignore_index" in options:
                a["target"][1::3] = options["ignore_index"]
        if weighted:
            a["weight"] = rng.uniform(0.2, 2.0, c).astype(dtype)
        return a, dict(options)

    return Case(label, make, smooth, kernel=n > 0)


def masked(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    logits = rng.standard_normal((5, 17)).astype(dtype)
    logits[1, 3:9], logits[4, 16] = -np.inf, np.nan
    target = np.array([0, 2, 4, 16, 1])
    return {"logits": logits, "target": target}, {"reduction": "none"}


def ignored_nan(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    """Rows that count for nothing, whatever is in them."""
    logits = rng.standard_normal((5, 17)).astype(dtype)
    logits[1], logits[2, 3], logits[4, 16] = np.nan, np.inf, -np.inf
    target = np.array([0, -100, -100, 16, -100])
    return {"logits": logits, "target": target}, {"reduction": "sum"}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    loss, dlogits = ns.softmax_cross_entropy(**a, **o)
    return {"loss": loss}, dlogits


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    return {"logits": saved}


def bounds(a: Arrays, o: Options, eps: float) -> tuple[Any, np.ndarray]:
    """Errors of the loss and of dlogits, for logits that are shifted by their maximum first."""
    logits, target = a["logits"], a["target"]
    n, c = logits.shape
    w, smoothing = a.get("weight", np.ones(c)), o.get("label_smoothing", 0.0)
    counted, total = np.ones(n, bool), float(n)
    if target.ndim == 1:
        counted = target != o.get("ignore_index", -100)
        classes = np.where(counted, target, 0)
        total, target = w[classes][counted].sum(), classes[:, None] == np.arange(c)
    q = w * ((1 - smoothing) * target + smoothing / c) * counted[:, None]
    shifted = logits - logits.max(1, keepdims=True)
    exps = np.exp(shifted)
    softmax = exps / exps.sum(1, keepdims=True)
    depth = np.where(exps == 0, 0, np.abs(shifted))  # exp turns rounding of s into s * eps
    e_log_sum = rounding(c, eps) + eps * (softmax * depth).sum(1, keepdims=True)
    log_softmax = np.where(q == 0, 0, shifted - np.log(exps.sum(1, keepdims=True)))
    e_rows = (q * (e_log_sum + 2 * eps * np.where(q == 0, 0, np.abs(shifted)))).sum(1)
    e_rows += rounding(c, eps) * (q * np.abs(log_softmax)).sum(1)
    mass = q.sum(1, keepdims=True)
    e_dlogits = softmax * mass * (e_log_sum + eps * depth + rounding(c, eps)) + 2 * eps * q
    if o.get("reduction", "mean") == "none":
        return e_rows, e_dlogits
    divisor = total if o.get("reduction", "mean") == "mean" else 1.0
    rows = np.where(counted, np.abs((q * log_softmax).sum(1)), 0)
    e_rows[~counted], e_dlogits[~counted], softmax[~counted] = 0, 0, 0
    e_loss = (e_rows.sum() + rounding(n, eps) * rows.sum()) / divisor * (1 + rounding(n, eps))
    e_loss += rounding(n, eps) * rows.sum() / divisor
    return e_loss, (e_dlogits + (softmax * mass + q) * rounding(n, eps)) / divisor


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    return {"loss": bounds(a, o, eps)[0]}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    return {"logits": bounds(a, o, eps)[1]}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(25 * a["logits"].size, nbytes(*a.values(), a["logits"], y["loss"]))


def error(label: str, match: str, kind: Any = ValueError, **given: Any) -> Error:
    arguments = {"logits": f32(4, 3), "target": np.zeros(4, np.int64), **given}
    return Error(
        label,
        lambda ns: ns.softmax_cross_entropy(**arguments),
        kind,
        f"^softmax_cross_entropy: {match}",
    )


ERRORS = (
    error("logits of rank 1", r"logits must be .*rank 2.*got float32 \(3,\)", logits=f32(3)),
    error("no classes", r"logits must be .*got float32 \(4, 0\)", logits=f32(4, 0)),
    error(
        "target of wrong length",
        r"target must be .*\(4,\).*got int64 \(3,\)",
        target=np.zeros(3, np.int64),
    ),
    error(
        "soft target of wrong shape",
        r"target must be .*\(4, 3\).*got float32 \(4, 2\)",
        target=f32(4, 2),
    ),
    error(
        "float classes",
        r"target must be .*got float32 \(4,\)",
        (TypeError, ValueError),
        target=f32(4),
    ),
    error("boolean target", r"target must be .*got bool", TypeError, target=np.zeros(4, bool)),
    error(
        "integer distribution",
        r"target must be .*got int64 \(4, 3\)",
        (TypeError, ValueError),
        target=np.zeros((4, 3), np.int64),
    ),
    error(
        "soft target of another dtype",
        r"target must be .*float32.*got float64",
        TypeError,
        target=np.ones((4, 3)),
    ),
    error("class too large", r"target must be .*got 3", target=np.array([0, 1, 3, 2])),
    error("negative class", r"target must be .*got -1", target=np.array([0, -1, 1, 2])),
    error("huge class", r"target must be .*got", target=np.array([0, 2**63, 1, 2], np.uint64)),
    error("weight of wrong length", r"weight must be .*\(3,\), got float32 \(4,\)", weight=f32(4)),
    error("negative weight", r"weight must be .*got", weight=-f32(3)),
    error("unknown reduction", r"reduction must be .*got .*average", reduction="average"),
    error("smoothing above 1", r"label_smoothing must be .*got 1\.5", label_smoothing=1.5),
    error("smoothing is NaN", r"label_smoothing must be .*got nan", label_smoothing=np.nan),
    error(
        "ignore_index is a float", r"ignore_index must be .*got 0\.5", TypeError, ignore_index=0.5
    ),
    error("mean over no rows", r".*mean.*", logits=f32(0, 3), target=np.zeros(0, np.int64)),
    error("mean over no distributions", r".*mean.*", logits=f32(0, 3), target=f32(0, 3)),
    error("mean over ignored rows", r".*mean.*", target=np.full(4, -100)),
    error("mean over zero weight", r".*mean.*", weight=np.zeros(3, np.float32)),
)

SPECS = (
    Spec(
        name="softmax_cross_entropy",
        cases=(
            case("plain", 7, 10),
            case("one class", 3, 1),
            case("one row", 1, 5, integers=np.int32),
            case("3 classes", 5, 3, integers=np.uint8, reduction="sum"),
            case("16 classes", 4, 16, reduction="none"),
            case("17 classes", 9, 17, reduction="none", label_smoothing=0.1),
            case("65 classes", 2, 65, label_smoothing=0.2),
            case("1000 classes", 3, 1000, weighted=True),
            case("all together", 11, 15, weighted=True, label_smoothing=0.1, ignore_index=-100),
            case("ignored class", 10, 8, ignore_index=3, reduction="sum", weighted=True),
            case("ignored, none", 8, 7, ignore_index=-1, reduction="none"),
            case("smoothing 1", 4, 6, label_smoothing=1.0),
            case("soft", 6, 9, soft=True),
            case("soft, weighted, smooth", 5, 33, soft=True, weighted=True, label_smoothing=0.3),
            case("soft, none", 4, 4, soft=True, reduction="none"),
            case("large logits", 6, 9, scale=3e4, smooth=False),
            case("empty, sum", 0, 4, reduction="sum"),
            case("empty, none", 0, 4, reduction="none"),
            Case("masked logits", masked, smooth=False),
            Case("ignored NaN", ignored_nan, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        differentiable=("logits",),
        primary="loss",
        loss=True,
        errors=ERRORS,
        large=(case("many rows", 5003, 101), case("many classes", 70, 10007)),
        bench=(
            case("CIFAR-10", 256, 10),
            case("ImageNet", 256, 1000, label_smoothing=0.1),
            case("language model", 512, 32000),
        ),
    ),
)
