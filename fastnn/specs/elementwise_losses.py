"""Losses summed over the elements."""

from typing import Any

import numpy as np

from .. import reference
from ..reference.input_activations import sigmoid
from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes, rounding

RUN = 1024  # terms that are added in the dtype; the sums of such runs are added in float64


def logits_name(name: str) -> str:
    return "logits" if name.startswith("binary") else "x"


def make_case(name: str, label: str, shape: tuple[int, ...], **given: Any) -> Case:
    """Normal values; ``weight`` and ``pos_weight`` in the options are the shapes of such arrays."""
    options = {k: v for k, v in given.items() if k not in ("weight", "pos_weight")}
    binary = name.startswith("binary")

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        target = rng.uniform(0, 1, shape) if binary else rng.standard_normal(shape)
        a: Arrays = {
            logits_name(name): np.asarray(2 * rng.standard_normal(shape), dtype),
            "target": np.asarray(target, dtype),
        }
        for weight in ("weight", "pos_weight"):
            if weight in given:
                a[weight] = rng.uniform(0.2, 3, given[weight]).astype(dtype)
        return a, dict(options)

    return Case(label, make, name != "l1_loss" and name != "huber_loss", 0 not in shape)


def special_case(name: str) -> Case:
    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        x = np.array([0, -0.0, 1, -1, 1e-30, 30, -30, 100, -100, 1e18, -1e18, np.nan, 2])
        target = np.array([0, 0.0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, np.nan])
        a = {logits_name(name): x.astype(dtype), "target": target.astype(dtype)}
        return a, {"reduction": "none"}

    return Case("special values", make, smooth=False)


def element_errors(name: str, a: Arrays, o: Options, eps: float) -> tuple[Any, Any]:
    """Errors of each loss and slope, in units of epsilon."""
    x, target = a[logits_name(name)], a["target"]
    d = np.abs(x - target)
    if name == "mse_loss":
        return 3 * d**2, 2 * d
    if name == "l1_loss":
        return d, np.ones(x.shape)
    if name == "huber_loss":
        delta = o.get("delta", 1.0)
        far = d > delta
        loss = np.where(far, delta * (2 * d + delta), 3 * d**2)
        # Next to the kink rounding decides for one of two formulas that agree there.
        return loss, 2 * np.minimum(d, 2 * delta)
    w, p = a.get("weight", 1.0), a.get("pos_weight", 1.0)
    no, yes = np.abs(1 - target), np.abs(p * target)
    e = np.log1p(np.exp(-np.abs(x)))
    loss = no * (np.maximum(x, 0) + e) + yes * (np.maximum(-x, 0) + e)
    # PyTorch's slope, (1 - t) - (1 - t + p t) (1 - s), cancels in float64; ours does not.
    own = 4 * float(np.finfo(np.float64).eps) / eps * (no + yes)
    return 6 * w * loss, w * (6 * (no * sigmoid(x) + yes * sigmoid(-x)) + own)


def make_bounds(name: str, a: Arrays, o: Options, eps: float) -> tuple[Any, Any]:
    with np.errstate(all="ignore"):
        e_loss, e_dx = element_errors(name, a, o, eps)
        size = np.abs(getattr(reference, name)(**a, **{**o, "reduction": "none"})[0])
    n = size.size
    reduction = o.get("reduction", "mean")
    if reduction == "none":
        return eps * e_loss, eps * e_dx
    divisor = n if reduction == "mean" else 1
    total = (eps * e_loss.sum() + rounding(min(n, RUN), eps) * size.sum()) / divisor
    own = float(np.finfo(np.float64).eps) * n  # the reference adds in one go
    return total + own * size.sum() / divisor, 2 * eps * e_dx / divisor


def error(op: str, label: str, match: str, kind: Any = ValueError, **given: Any) -> Error:
    arguments = {logits_name(op): f32(4, 3), "target": f32(4, 3), **given}
    return Error(label, lambda ns: getattr(ns, op)(**arguments), kind, f"^{op}: {match}")


def make_errors(name: str) -> tuple[Error, ...]:
    data = logits_name(name)
    found = [
        error(name, "shapes differ", r"target must be .*\(4, 3\), got .*\(3,\)", target=f32(3)),
        error(name, "unknown reduction", "reduction must be .*got .*median", reduction="median"),
        error(name, "reduction is None", "reduction must be .*got None", TypeError, reduction=None),
        error(
            name,
            "mean over nothing",
            rf"{data} must be .*mean.*got",
            **{data: f32(0, 3), "target": f32(0, 3)},
        ),
    ]
    if name == "huber_loss":
        for delta in (0.0, -1.0, np.nan, np.inf):
            found.append(error(name, f"delta={delta}", "delta must be .*got", delta=delta))
        found.append(error(name, "delta is text", "delta must be .*got", TypeError, delta="1"))
    if data == "logits":
        for weight in ("weight", "pos_weight"):
            wrong: dict[str, Any] = {weight: f32(4)}
            match = rf"{weight} must be broadcastable to \(4, 3\), got .*\(4,\)"
            found.append(error(name, f"{weight} of wrong shape", match, **wrong))
            wrong = {weight: f32(1, 4, 3)}
            match = rf"{weight} must be broadcastable to \(4, 3\), got .*\(1, 4, 3\)"
            found.append(error(name, f"{weight} of larger rank", match, **wrong))
    return tuple(found)


def spec(name: str, flops: int, *further: Case) -> Spec:
    def case(label: str, shape: tuple[int, ...], **options: Any) -> Case:
        return make_case(name, label, shape, **options)

    def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, Any]:
        loss, dx = getattr(ns, name)(**a, **o)
        return {"loss": loss}, dx

    def backward(
        ns: Namespace, a: Arrays, o: Options, dy: np.ndarray, y: Arrays, saved: Any
    ) -> Arrays:
        return {logits_name(name): saved}

    def bound(a: Arrays, o: Options, eps: float) -> Arrays:
        return {"loss": make_bounds(name, a, o, eps)[0]}

    def backward_bound(a: Arrays, o: Options, dy: np.ndarray, y: Arrays, eps: float) -> Arrays:
        return {logits_name(name): make_bounds(name, a, o, eps)[1]}

    def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
        x = a[logits_name(name)]
        return Cost(flops * x.size, nbytes(*a.values(), x, y["loss"]))

    return Spec(
        name=name,
        cases=(
            case("plain", (7, 10)),
            *(case(f"size {n}", (n,), reduction="sum") for n in (1, 3, 4, 5, 15, 16, 17, 33, 1025)),
            case("images", (2, 5, 3, 7)),
            case("images, none", (2, 5, 3, 7), reduction="none"),
            case("scalar", ()),
            case("empty, sum", (0, 3), reduction="sum"),
            case("empty, none", (0, 3), reduction="none"),
            special_case(name),
            *further,
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        backward=backward,
        backward_bound=backward_bound,
        differentiable=(logits_name(name),),
        primary="loss",
        loss=True,
        errors=make_errors(name),
        large=(case("1 M values", (16, 256, 257)),),
        bench=(
            case("a batch of 256 x 10", (256, 10)),
            case("2^18 values", (1 << 18,)),
            case("2^23 values", (1 << 23,)),
        ),
    )


BCE = "binary_cross_entropy_with_logits"
SPECS = (
    spec("mse_loss", 4),
    spec("l1_loss", 4),
    spec(
        "huber_loss",
        8,
        make_case("huber_loss", "delta 0.3", (5, 13), delta=0.3),
        make_case("huber_loss", "delta 4, sum", (5, 13), delta=4.0, reduction="sum"),
    ),
    spec(
        BCE,
        40,
        make_case(BCE, "weighted", (5, 13), weight=(5, 13)),
        make_case(BCE, "weights of rows", (5, 13), weight=(5, 1)),
        make_case(BCE, "weights of classes", (5, 13), pos_weight=(13,), reduction="sum"),
        make_case(BCE, "both", (2, 3, 5, 4), weight=(3, 1, 1), pos_weight=(1,), reduction="none"),
    ),
)
