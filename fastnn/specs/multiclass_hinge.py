"""Multi-class hinge loss."""

from typing import Any

import numpy as np

from .. import reference
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, rounding

NAME = "multiclass_hinge"


def case(label: str, n: int, c: int, integers: Any = np.int64, **options: Any) -> Case:
    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        # Multiples of 1/64: margins are exact, so that both dtypes agree where one is at the kink.
        scores = (np.round(64 * rng.standard_normal((n, c))) / 64).astype(dtype)
        return {"scores": scores, "target": rng.integers(0, c, n).astype(integers)}, dict(options)

    return Case(label, make, smooth=False, kernel=n > 0)


def spaced(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    """Violations at least 0.04 away from the kink."""
    scores = rng.permuted(np.tile(0.1 * np.arange(11), (6, 1)), axis=1) + 0.05
    return {"scores": scores.astype(dtype), "target": np.arange(6)}, {"margin": 0.45}


def special(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
    """Ties at the kink, a NaN, infinities."""
    scores = rng.integers(-2, 3, (6, 19)).astype(dtype)
    scores[1, 4], scores[2, 18], scores[3, 0] = np.nan, -np.inf, np.inf
    return {"scores": scores, "target": np.array([0, 2, 4, 18, 1, 7])}, {"reduction": "none"}


def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
    loss, dscores = ns.multiclass_hinge(**a, **o)
    return {"loss": loss}, dscores


def backward(ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any) -> Arrays:
    return {"scores": saved}


def bound(a: Arrays, o: Options, eps: float) -> Arrays:
    scores, target = a["scores"], a["target"]
    n, c = scores.shape
    size = np.where(np.isfinite(scores), np.abs(scores), 0)
    own = size[np.arange(n), target][:, None]
    with np.errstate(all="ignore"):
        rows = reference.multiclass_hinge(scores, target, o.get("margin", 1.0), "none")[0]
        each = 2 * eps * (size + own + o.get("margin", 1.0)).sum(1)
        allowed = each + rounding(c, eps) * rows
    if o.get("reduction", "mean") == "none":
        return {"loss": allowed}
    divisor = n if o.get("reduction", "mean") == "mean" else 1
    return {"loss": (allowed.sum() + rounding(n, eps) * np.sum(rows)) / divisor}


def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
    """Counts are exact; 1 / N and the product are rounded."""
    dscores = reference.multiclass_hinge(**a, **o)[1]
    return {"scores": 2 * eps * np.abs(dscores)}


def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
    return Cost(6 * a["scores"].size, nbytes(*a.values(), a["scores"], y["loss"]))


def error(label: str, match: str, kind: Any = ValueError, **given: Any) -> Error:
    arguments = {"scores": f32(4, 3), "target": np.zeros(4, np.int64), **given}
    return Error(label, lambda ns: ns.multiclass_hinge(**arguments), kind, f"^{NAME}: {match}")


SPECS = (
    Spec(
        name=NAME,
        cases=(
            case("plain", 7, 10),
            case("one class", 3, 1),
            *(case(f"{c} classes", 4, c, reduction="sum") for c in (3, 4, 5, 15, 16, 17, 33)),
            case("1000 classes", 3, 1000, np.uint8, reduction="none"),
            case("margin 0.3", 9, 12, np.int32, margin=0.3),
            case("margin 0", 5, 12, margin=0.0),
            case("empty, sum", 0, 4, reduction="sum"),
            case("empty, none", 0, 4, reduction="none"),
            Case("spaced", spaced),
            Case("special values", special, smooth=False),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        differentiable=("scores",),
        primary="loss",
        loss=True,
        errors=(
            error("scores of rank 1", r"scores must be .*rank 2.*got", scores=f32(3)),
            error("no classes", r"scores must be .*got float32 \(4, 0\)", scores=f32(4, 0)),
            error("wrong length", r"target must be .*\(4,\)", target=np.zeros(3, np.int64)),
            error("float target", r"target must be integers.*got", TypeError, target=f32(4)),
            error("class too large", r"target must be .*got 3", target=np.array([0, 1, 3, 2])),
            error("negative class", r"target must be .*got -1", target=np.array([0, -1, 1, 2])),
            error("negative margin", r"margin must be .*got -1", margin=-1.0),
            error("margin is NaN", r"margin must be .*got nan", margin=np.nan),
            error("unknown reduction", r"reduction must be .*got", reduction="average"),
            error(
                "mean over nothing",
                r"scores must be .*mean",
                scores=f32(0, 3),
                target=np.zeros(0, np.int64),
            ),
        ),
        large=(case("many rows", 5003, 101), case("many classes", 70, 10007)),
        bench=(
            case("CIFAR-10", 256, 10),
            case("ImageNet", 256, 1000),
            case("32000 classes", 512, 32000),
        ),
    ),
)
