"""Optimizer updates, in place."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._spec import Arrays, Case, Cost, Error, Namespace, Options, Spec, f32, nbytes

Step = dict[str, np.ndarray]  # role -> the array of one parameter

SHAPES = ((5, 13), (0,), (1,), (3,), (15,), (16,), (17,), (67,), (2, 3, 4, 5), (9, 5, 3, 3))
POSITIVE = ("state_sums", "square_avgs", "exp_avg_sqs", "max_exp_avg_sqs")
TINY = np.finfo(np.float64).tiny


def case(
    label: str,
    roles: tuple[str, ...],
    *shapes: tuple[int, ...],
    fresh: bool = False,
    special: tuple[float, ...] = (),
    **options: Any,
) -> Case:
    """Random parameters, gradients and state; a single shape is passed as an array, no list.

    ``special`` values are put into the first gradient.
    """

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        def draw(role: str, shape: tuple[int, ...]) -> np.ndarray:
            if fresh and role not in ("params", "grads"):
                return np.zeros(shape, dtype)
            if role in POSITIVE:
                return rng.uniform(0.5, 2.0, shape).astype(dtype)
            if role == "grad_avgs":  # keeps the variance positive
                return rng.uniform(-0.5, 0.5, shape).astype(dtype)
            return rng.standard_normal(shape).astype(dtype)

        lists = {role: [draw(role, shape) for shape in shapes] for role in roles}
        if special:
            lists["grads"][0].flat[: len(special)] = special
        return {r: v[0] if len(shapes) == 1 else v for r, v in lists.items()}, dict(options)

    return Case(label, make, kernel=any(0 not in shape for shape in shapes))


def steps(a: Arrays) -> Iterator[Step]:
    """The arrays of each parameter, by role."""
    lists = {r: [v] if isinstance(v, np.ndarray) else v for r, v in a.items()}
    for i in range(len(lists["params"])):
        yield {role: values[i] for role, values in lists.items()}


def gradient(s: Step, o: Options, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """g = grad_scale * grad + weight_decay * w + l1 * sign(w) and its error."""
    decay = 0.0 if o.get("decoupled") else o.get("weight_decay", 0.0)
    scaled = o.get("grad_scale", 1.0) * s["grads"]
    terms = scaled, decay * s["params"], o.get("l1", 0.0) * np.sign(s["params"])
    return np.sum(terms, axis=0), 3 * eps * np.sum(np.abs(terms), axis=0)


def average(
    old: np.ndarray, rate: float, new: np.ndarray, e_new: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """rate * old + (1 - rate) * new and its error."""
    magnitude = rate * np.abs(old) + (1 - rate) * np.abs(new)
    return rate * old + (1 - rate) * new, (1 - rate) * e_new + 3 * eps * magnitude


def quotient(
    top: np.ndarray,
    e_top: np.ndarray,
    square: np.ndarray,
    e_square: np.ndarray,
    offset: float,
    eps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """top / (sqrt(square) + offset) and its error."""
    root = np.sqrt(square)
    below = np.maximum(root + offset, TINY)
    e_below = e_square / (2 * np.maximum(root, TINY)) + 2 * eps * below
    ratio = top / below
    return ratio, e_top / below + np.abs(ratio) * (e_below / below + 4 * eps)


def moved(s: Step, lr: float, u: np.ndarray, e_u: np.ndarray, eps: float) -> np.ndarray:
    """Error of w - lr * u."""
    return lr * e_u + 2 * eps * (np.abs(s["params"]) + 2 * lr * np.abs(u))


def sgd(s: Step, o: Options, eps: float) -> Step:
    g, e_g = gradient(s, o, eps)
    mu, damping = o.get("momentum", 0.0), o.get("dampening", 0.0)
    if mu == 0:
        return {"params": moved(s, o["lr"], g, e_g, eps)}
    v = mu * s["momentum_buffers"] + (1 - damping) * g
    magnitude = mu * np.abs(s["momentum_buffers"]) + abs(1 - damping) * np.abs(g)
    e_v = abs(1 - damping) * e_g + 3 * eps * magnitude
    u, e_u = v, e_v
    if o.get("nesterov"):
        u, e_u = g + mu * v, e_g + mu * e_v + 2 * eps * (np.abs(g) + mu * np.abs(v))
    return {"params": moved(s, o["lr"], u, e_u, eps), "momentum_buffers": e_v}


def adagrad(s: Step, o: Options, eps: float) -> Step:
    g, e_g = gradient(s, o, eps)
    total = s["state_sums"] + g * g
    e_total = 2 * np.abs(g) * e_g + 2 * eps * total
    u, e_u = quotient(g, e_g, total, e_total, o.get("eps", 1e-10), eps)
    return {"params": moved(s, o["lr"], u, e_u, eps), "state_sums": e_total}


def rmsprop(s: Step, o: Options, eps: float) -> Step:
    g, e_g = gradient(s, o, eps)
    alpha, mu = o.get("alpha", 0.99), o.get("momentum", 0.0)
    square, e_square = average(s["square_avgs"], alpha, g * g, 2 * np.abs(g) * e_g, eps)
    errors = {"square_avgs": e_square}
    variance, e_variance = square, e_square
    if o.get("centered"):
        m, e_m = average(s["grad_avgs"], alpha, g, e_g, eps)
        variance = square - m * m
        e_variance = e_square + 2 * np.abs(m) * e_m + 2 * eps * (square + m * m)
        errors["grad_avgs"] = e_m
    u, e_u = quotient(g, e_g, variance, e_variance, o.get("eps", 1e-8), eps)
    if mu > 0:
        old = s["momentum_buffers"]
        e_u = e_u + 2 * eps * (mu * np.abs(old) + np.abs(u))
        u = mu * old + u
        errors["momentum_buffers"] = e_u
    return {"params": moved(s, o["lr"], u, e_u, eps), **errors}


def adam(s: Step, o: Options, eps: float) -> Step:
    g, e_g = gradient(s, o, eps)
    b1, b2 = o.get("betas", (0.9, 0.999))
    m, e_m = average(s["exp_avgs"], b1, g, e_g, eps)
    v, e_v = average(s["exp_avg_sqs"], b2, g * g, 2 * np.abs(g) * e_g, eps)
    errors = {"exp_avgs": e_m, "exp_avg_sqs": e_v}
    if o.get("amsgrad"):
        v = np.maximum(v, s["max_exp_avg_sqs"])
        errors["max_exp_avg_sqs"] = e_v
    c1, c2 = 1 - b1 ** o["step"], 1 - b2 ** o["step"]
    u, e_u = quotient(m / c1, e_m / c1, v / c2, e_v / c2, o.get("eps", 1e-8), eps)
    return {"params": moved(s, o["lr"], u, e_u + 2 * eps * np.abs(u), eps), **errors}


def optimizer(
    name: str,
    roles: tuple[str, ...],
    one: Callable[[Step, Options, float], Step],
    flops: int,
    variants: dict[str, tuple[tuple[str, ...], Options]],
    errors: tuple[Error, ...],
    **required: Any,
) -> Spec:
    """``roles`` always takes part; ``variants`` names further roles and options."""
    written = (*roles[:1], *roles[2:], *{r: None for extra, _ in variants.values() for r in extra})

    def forward(ns: Namespace, a: Arrays, o: Options) -> tuple[Arrays, None]:
        getattr(ns, name)(**a, **o)
        return {role: a[role] for role in a if role in written}, None

    def bound(a: Arrays, o: Options, eps: float) -> Arrays:
        found = [one(s, o, eps) for s in steps(a)]
        single = isinstance(a["params"], np.ndarray)
        return {r: found[0][r] if single else [f[r] for f in found] for r in found[0]}

    def cost(a: Arrays, o: Options, y: Arrays) -> Cost:
        return Cost(
            flops * sum(s["params"].size for s in steps(a)), nbytes(*a.values(), *y.values())
        )

    def shaped(label: str, *shapes: tuple[int, ...], **options: Any) -> Case:
        return case(label, roles, *shapes, **required, **options)

    return Spec(
        name=name,
        cases=(
            shaped("a list", *SHAPES),
            shaped("one array", (5, 13), weight_decay=0.1),
            shaped("scaled, L1", (67,), (2, 3), grad_scale=0.3, l1=0.05, weight_decay=0.1),
            shaped("one empty array", (0,)),
            shaped("no state yet", (67,), (3, 3), fresh=True),
            shaped("zero gradients", (19,), fresh=True, special=(0.0,) * 19),
            shaped("non-finite gradients", (19,), special=(np.nan, np.inf, -np.inf)),
            *(
                case(label, (*roles, *extra), *SHAPES, **{**required, **options})
                for label, (extra, options) in variants.items()
            ),
        ),
        forward=forward,
        bound=bound,
        cost=cost,
        writes=written,
        errors=errors,
        large=(shaped("many", (700, 1001), (300_007,), (5,)),),
        bench=(
            shaped("2^24 parameters", (1 << 24,)),
            shaped("ResNet-20", *[(n, n, 3, 3) for n in (16, 32, 64) for _ in range(6)]),
            shaped("LeNet-5", (6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)),
        ),
    )


def broken(name: str, roles: tuple[str, ...], **required: Any) -> tuple[Error, ...]:
    """The errors that every optimizer has."""

    def arrays(**given: Any) -> Arrays:
        return {**{role: [f32(3), f32(2, 2)] for role in roles}, **given}

    def error(label: str, match: str, kind: Any = ValueError, **given: Any) -> Error:
        arguments = {**required, **given}
        options = {k: v for k, v in arguments.items() if k not in roles}
        replaced = {k: v for k, v in arguments.items() if k in roles}
        return Error(
            label,
            lambda ns: getattr(ns, name)(**arrays(**replaced), **options),
            kind,
            f"^{name}: {match}",
        )

    def missing(role: str) -> Error:
        match = rf"{role} must be .*got None"
        if role == "momentum_buffers":
            return error("no buffers for momentum", match, momentum=0.9, **{role: None})
        return error(f"{role} is None", match, (TypeError, ValueError), **{role: None})

    def misfits(role: str) -> tuple[Error, ...]:
        wrong_shape = rf"{role}\b.* must be .*\(2, 2\), got float32 \(4,\)"
        either = (TypeError, ValueError)
        return (
            error(f"too few {role}", rf"{role} must be .*got", **{role: [f32(3)]}),
            error(f"{role} of wrong shape", wrong_shape, **{role: [f32(3), f32(4)]}),
            error(f"{role} is one array", rf"{role} must be .*got", either, **{role: f32(3)}),
            missing(role),
        )

    return (
        error("lr is NaN", r"lr must be .*got nan", lr=np.nan),
        error("lr is infinite", r"lr must be .*got inf", lr=np.inf),
        error("negative lr", r"lr must be .*got -0\.1", lr=-0.1),
        error("lr is a string", r"lr must be .*got", TypeError, lr="fast"),
        error("weight_decay is NaN", r"weight_decay must be .*got nan", weight_decay=np.nan),
        error("l1 is NaN", r"l1 must be .*got nan", l1=np.nan),
        error("negative l1", r"l1 must be .*got -1", l1=-1.0),
        error("grad_scale is infinite", r"grad_scale must be .*got inf", grad_scale=np.inf),
        error("negative weight_decay", r"weight_decay must be .*got -1", weight_decay=-1.0),
        *(found for role in roles[1:] for found in misfits(role)),
    )


def value_errors(
    name: str, roles: tuple[str, ...], *wrong: Options, **required: Any
) -> tuple[Error, ...]:
    """One error for each set of options; the message names one of them, or what they need."""

    def error(options: Options) -> Error:
        given = {**{role: f32(3) for role in roles}, **required, **options}
        needed = r"momentum_buffers|grad_avgs|max_exp_avg_sqs"
        return Error(
            f"{options}",
            lambda ns: getattr(ns, name)(**given),
            ValueError,
            rf"^{name}: ({'|'.join(options)}|{needed}) must be .*got",
        )

    return tuple(error(options) for options in wrong)


SGD = ("params", "grads", "momentum_buffers")
ADAGRAD = ("params", "grads", "state_sums")
RMSPROP = ("params", "grads", "square_avgs")
ADAM = ("params", "grads", "exp_avgs", "exp_avg_sqs")


SPECS = (
    optimizer(
        "sgd_step_",
        SGD[:2],
        sgd,
        4,
        {
            "momentum": (SGD[2:], {"momentum": 0.9}),
            "dampening, decay": (
                SGD[2:],
                {"momentum": 0.8, "dampening": 0.3, "weight_decay": 1e-2},
            ),
            "nesterov": (SGD[2:], {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
            "buffers without momentum": (SGD[2:], {"dampening": 0.5}),  # neither plays a part
            "lr 0": ((), {"lr": 0.0}),
        },
        broken("sgd_step_", SGD, lr=0.1, momentum=0.9)
        + value_errors(
            "sgd_step_",
            SGD,
            {"momentum": -0.1},
            {"momentum": np.nan},
            {"dampening": np.nan},
            {"nesterov": True, "momentum": 0.0},
            {"nesterov": True, "dampening": 0.5},
            lr=0.1,
            momentum=0.9,
        ),
        lr=0.1,
    ),
    optimizer(
        "adagrad_step_",
        ADAGRAD,
        adagrad,
        8,
        {"decay, eps": ((), {"weight_decay": 1e-2, "eps": 1e-3})},
        broken("adagrad_step_", ADAGRAD, lr=0.1)
        + value_errors("adagrad_step_", ADAGRAD, {"eps": -1e-8}, {"eps": np.nan}, lr=0.1),
        lr=0.1,
    ),
    optimizer(
        "rmsprop_step_",
        RMSPROP,
        rmsprop,
        10,
        {
            "momentum": (("momentum_buffers",), {"momentum": 0.9, "alpha": 0.9}),
            "centered": (("grad_avgs",), {"centered": True, "weight_decay": 1e-2}),
            "all together": (
                ("momentum_buffers", "grad_avgs"),
                {"momentum": 0.5, "centered": True, "eps": 1e-3, "weight_decay": 0.1},
            ),
        },
        broken("rmsprop_step_", RMSPROP, lr=0.1)
        + value_errors(
            "rmsprop_step_",
            RMSPROP,
            {"alpha": -0.1},
            {"alpha": 1.1},
            {"alpha": np.nan},
            {"eps": -1.0},
            {"momentum": -1.0},
            {"momentum": 0.5},
            {"centered": True},
            lr=0.1,
        ),
        lr=0.01,
    ),
    optimizer(
        "adam_step_",
        ADAM,
        adam,
        15,
        {
            "step 1000": ((), {"step": 1000, "weight_decay": 1e-2}),
            "decoupled": ((), {"decoupled": True, "weight_decay": 0.1}),
            "amsgrad": (("max_exp_avg_sqs",), {"amsgrad": True, "step": 7}),
            "own betas": ((), {"betas": (0.8, 0.95), "eps": 1e-4, "step": 3}),
            "betas 0": ((), {"betas": (0.0, 0.0)}),
        },
        broken("adam_step_", ADAM, lr=0.1, step=1)
        + value_errors(
            "adam_step_",
            ADAM,
            {"betas": (1.0, 0.999)},
            {"betas": (0.9, -0.1)},
            {"betas": (np.nan, 0.9)},
            {"eps": -1e-8},
            {"eps": np.nan},
            {"step": 0},
            {"step": -1},
            {"amsgrad": True},
            lr=0.1,
            step=1,
        ),
        lr=0.01,
        step=1,
    ),
)
