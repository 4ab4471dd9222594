"""The references against PyTorch in float64, forward and backward, case by case of the specs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastnn import reference
from fastnn.specs import SPECS, Arrays, Case, Options, Spec
from fastnn.specs._check import FLOAT64, Result, gradient_check, parity, problem, run

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of the references")
F = torch.nn.functional


def activate(x: Any, o: Options) -> Any:
    return getattr(F, o["activation"])(x) if o.get("activation") else x


def margins(padding: Any, kernel: Any, dilation: Any) -> list[int]:
    """[left, right, top, bottom], as F.pad wants them."""
    if padding == "valid":
        return [0, 0, 0, 0]
    if padding == "same":  # as torch's conv2d documents it: the odd one goes last
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        rows, columns = ((total // 2, total - total // 2) for total in totals)
    else:
        rows, columns = padding if isinstance(padding, tuple) else (padding, padding)
        rows, columns = (p if isinstance(p, tuple) else (p, p) for p in (rows, columns))
    return [*columns, *rows]


def pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def conv2d(a: Arrays, o: Options) -> dict[str, Any]:
    stride, dilation = o.get("stride", 1), pair(o.get("dilation", 1))
    padding, x = o.get("padding", 0), a["x"]
    if padding != "same":  # torch's own "same" is the oracle for ours
        x, padding = F.pad(x, margins(padding, a["weight"].shape[2:], dilation)), 0
    y = F.conv2d(
        x, a["weight"], a.get("bias"), stride, padding, dilation, groups=o.get("groups", 1)
    )
    return {"y": activate(y, o)}


def conv_transpose2d(a: Arrays, o: Options) -> dict[str, Any]:
    o = dict(o)
    (top, bottom), (left, right) = (pair(p) for p in pair(o.pop("padding", 0)))
    y = F.conv_transpose2d(a["x"], a["weight"], a.get("bias"), **o)  # padding is what is cut off
    return {"y": y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]}


def max_pool2d(a: Arrays, o: Options) -> dict[str, Any]:
    kernel, dilation = pair(o["kernel_size"]), pair(o.get("dilation", 1))
    rest = {"stride": o.get("stride"), "dilation": dilation, "ceil_mode": o.get("ceil_mode", False)}
    padding = o.get("padding", 0)
    if isinstance(padding, int) or isinstance(padding[0], int):
        return {"y": F.max_pool2d(a["x"], kernel, padding=padding, **rest)}
    x = F.pad(a["x"], margins(padding, kernel, dilation), value=-torch.inf)
    return {"y": F.max_pool2d(x, kernel, **rest)}


def avg_pool2d(a: Arrays, o: Options) -> dict[str, Any]:
    padding, options = o.get("padding", 0), {k: v for k, v in o.items() if k != "padding"}
    if isinstance(padding, int) or isinstance(padding[0], int):
        return {"y": F.avg_pool2d(a["x"], padding=padding, **options)}
    x = F.pad(a["x"], margins(padding, pair(o["kernel_size"]), (1, 1)))
    return {"y": F.avg_pool2d(x, **options)}


def fractional_max_pool2d(a: Arrays, o: Options) -> dict[str, Any]:
    (n, c), sizes = a["x"].shape[:2], {k: o.get(k) for k in ("output_size", "output_ratio")}
    u = reference.philox_words(o["seed"], o.get("offset", 0), 2 * n).reshape(n, 1, 2) / 2.0**32
    samples = torch.tensor(np.repeat(u[..., ::-1], c, 1))  # torch's are (columns, rows)
    ratio = sizes["output_ratio"]
    sizes["output_ratio"] = None if ratio is None else pair(ratio)
    y = F.fractional_max_pool2d(a["x"], o["kernel_size"], **sizes, _random_samples=samples)
    return {"y": y}


def batch_norm(a: Arrays, o: Options) -> dict[str, Any]:
    running = a["running_mean"], a["running_var"]
    y = F.batch_norm(
        a["x"], *running, a.get("weight"), a.get("bias"), o["training"],
        o.get("momentum", 0.1), o.get("eps", 1e-5),
    )  # fmt: skip
    y = activate(y + a["residual"] if "residual" in a else y, o)
    return {"y": y, "running_mean": running[0], "running_var": running[1]}


def layer_norm(a: Arrays, o: Options) -> dict[str, Any]:
    shape = tuple_of(o["normalized_shape"])
    y = F.layer_norm(a["x"], shape, a.get("weight"), a.get("bias"), o.get("eps", 1e-5))
    return {"y": activate(y + a.get("residual", 0), o)}


def tuple_of(value: Any) -> list[int]:
    return list(value) if isinstance(value, tuple) else [value]


def group_norm(a: Arrays, o: Options) -> dict[str, Any]:
    weight = a.get("weight", torch.ones(a["x"].shape[1], dtype=torch.float64))  # torch needs one
    y = F.group_norm(a["x"], o["num_groups"], weight, a.get("bias"), o.get("eps", 1e-5))
    return {"y": activate(y + a.get("residual", 0), o)}


def instance_norm(a: Arrays, o: Options) -> dict[str, Any]:
    running = a["running_mean"], a["running_var"]
    options = {k: v for k, v in o.items() if k != "activation"}
    weight, bias = a.get("weight"), a.get("bias")
    y = F.instance_norm(a["x"], *running, weight, bias, **options)
    y = activate(y + a.get("residual", 0), o)
    return {"y": y, "running_mean": running[0], "running_var": running[1]}


def softmax_cross_entropy(a: Arrays, o: Options) -> dict[str, Any]:
    return {"loss": F.cross_entropy(a["logits"], a["target"], a.get("weight"), **o)}


def multiclass_hinge(a: Arrays, o: Options) -> dict[str, Any]:
    classes = a["scores"].shape[1]  # torch divides by their number
    loss = F.multi_margin_loss(
        a["scores"], a["target"], margin=o.get("margin", 1.0), reduction=o.get("reduction", "mean")
    )
    return {"loss": loss * classes}


def binary_cross_entropy_with_logits(a: Arrays, o: Options) -> dict[str, Any]:
    weights = {"weight": a.get("weight"), "pos_weight": a.get("pos_weight")}
    loss = F.binary_cross_entropy_with_logits(a["logits"], a["target"], **weights, **o)
    return {"loss": loss}


def maxout(a: Arrays, o: Options) -> dict[str, Any]:
    n, c, *rest = a["x"].shape
    grouped = a["x"].reshape(n, c // o["pieces"], o["pieces"], *rest)
    return {"y": grouped.max(2).values}


TORCH: dict[str, Callable[[Arrays, Options], dict[str, Any]]] = {
    "relu": lambda a, o: {"y": F.relu(a["x"])},
    "leaky_relu": lambda a, o: {"y": F.leaky_relu(a["x"], **o)},
    "elu": lambda a, o: {"y": F.elu(a["x"], **o)},
    "sigmoid": lambda a, o: {"y": torch.sigmoid(a["x"])},
    "tanh": lambda a, o: {"y": torch.tanh(a["x"])},
    "selu": lambda a, o: {"y": F.selu(a["x"])},
    "gelu": lambda a, o: {"y": F.gelu(a["x"], **o)},
    "silu": lambda a, o: {"y": F.silu(a["x"])},
    "softplus": lambda a, o: {"y": F.softplus(a["x"], **o)},
    "hardswish": lambda a, o: {"y": F.hardswish(a["x"])},
    "flatten": lambda a, o: {"y": a["x"].reshape(len(a["x"]), -1 if a["x"].numel() else 12)},
    "linear": lambda a, o: {"y": activate(F.linear(a["x"], a["weight"], a.get("bias")), o)},
    "matmul": lambda a, o: {"y": torch.matmul(a["x"], a["other"])},
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "fractional_max_pool2d": fractional_max_pool2d,
    "adaptive_avg_pool2d": lambda a, o: {"y": F.adaptive_avg_pool2d(a["x"], o["output_size"])},
    "prelu": lambda a, o: {"y": F.prelu(a["x"], a["weight"])},
    "maxout": maxout,
    "mse_loss": lambda a, o: {"loss": F.mse_loss(a["x"], a["target"], **o)},
    "l1_loss": lambda a, o: {"loss": F.l1_loss(a["x"], a["target"], **o)},
    "huber_loss": lambda a, o: {"loss": F.huber_loss(a["x"], a["target"], **o)},
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "multiclass_hinge": multiclass_hinge,
    "softmax": lambda a, o: {"y": F.softmax(a["x"], o["axis"])},
    "log_softmax": lambda a, o: {"y": F.log_softmax(a["x"], o["axis"])},
    "softmax_cross_entropy": softmax_cross_entropy,
}
# Random, in place or of no torch counterpart: tested by test_philox, test_optim, test_specs, below.
RANDOM = {"dropout", "dropout2d", "alpha_dropout", "stochastic_depth", "dropconnect"}
ELSEWHERE = (
    {"add", "channels_last", "global_norm"}
    | RANDOM
    | {f"{name}_step_" for name in ("sgd", "adagrad", "rmsprop", "adam")}
)

# torch lets dy through where x is NaN; we do not, for NaN > 0 is false. At the infinities it
# takes 0 * inf for NaN where we take the limits, and far below 0 its 1 + erf(x) or exp(-x) is lost.
TORCH_LETS_NAN_PASS = {"relu", "elu", "selu", "hardswish", "l1_loss"}
TORCH_HAS_NO_LIMIT = {"gelu", "silu", "hardswish"}
# These lose a tail below 1e-17, and NaN, in torch.
SPECIAL_IN_OURS_ONLY = {"binary_cross_entropy_with_logits", "multiclass_hinge"}

CASES = [
    pytest.param(spec, case, id=f"{name}: {case.label}")
    for name, spec in SPECS.items()
    if name in TORCH
    for case in spec.cases
    if not (name in SPECIAL_IN_OURS_ONLY and case.label == "special values")
]
SMOOTH = [
    pytest.param(spec, case, id=f"{name}: {case.label}")
    for name, spec in SPECS.items()
    if spec.backward
    for case in spec.cases
    if case.smooth
]


def test_every_op_has_an_oracle() -> None:
    assert TORCH.keys() | ELSEWHERE == SPECS.keys()


def torch_result(spec: Spec, case: Case) -> Result:
    """Outputs and gradients by PyTorch in float64; ours where there is nothing to differentiate."""
    p = problem(spec, case, FLOAT64)
    a = {name: None if v is None else torch.tensor(v) for name, v in p.arrays.items()}
    if "target" in a and not a["target"].is_floating_point():
        a["target"] = a["target"].long()
    given = [name for name in spec.differentiable if a.get(name) is not None]
    for name in given:
        a[name].requires_grad_()
    outputs = TORCH[spec.name](a, p.options)
    outputs[spec.primary].backward(torch.tensor(p.dy))
    arrays = {name: None if v is None else v.detach().numpy() for name, v in outputs.items()}
    for name, expected in p.outputs.items():
        if type(expected) is float:
            arrays[name] = float(arrays[name])
    return Result(arrays, {**p.gradients, **{name: a[name].grad.numpy() for name in given}})


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch: it may copy
@pytest.mark.parametrize("spec, case", CASES)
def test_agrees_with_torch(spec: Spec, case: Case) -> None:
    theirs = torch_result(spec, case)
    if case.label == "ignored NaN":  # of which torch makes NaN
        ours = problem(spec, case, FLOAT64).gradients["logits"]
        ignored = case.arguments(spec.name, FLOAT64)[0]["target"] == -100
        theirs.gradients["logits"][ignored] = ours[ignored]
    differs = spec.name in TORCH_LETS_NAN_PASS | TORCH_HAS_NO_LIMIT
    if case.label.endswith("special values") and differs:
        x = case.arguments(spec.name, FLOAT64)[0]["x"]
        ours = problem(spec, case, FLOAT64)
        if spec.name in TORCH_LETS_NAN_PASS:
            lost = np.isnan(x) | np.isnan(ours.gradients["x"])
            theirs.gradients["x"][lost] = ours.gradients["x"][lost]
        if spec.name in TORCH_HAS_NO_LIMIT:
            tails = np.isinf(x) | (x <= -20)
            theirs.outputs["y"][tails] = ours.outputs["y"][tails]
            theirs.gradients["x"][tails] = ours.gradients["x"][tails]
    parity(spec, case, FLOAT64, None, theirs)


@pytest.mark.parametrize("spec, case", SMOOTH)
def test_gradient(spec: Spec, case: Case) -> None:
    gradient_check(spec, case, reference)


def arrays_of(shapes: list[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD, decay": ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    "SGD, momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    "SGD, Nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "Adagrad": ("Adagrad", {"lr": 0.1}),
    "Adagrad, decay": ("Adagrad", {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.1}),
    "RMSprop": ("RMSprop", {"lr": 0.01}),
    "RMSprop, momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9, "alpha": 0.9}),
    "RMSprop, centered": (
        "RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "weight_decay": 0.1},
    ),
    "Adam": ("Adam", {"lr": 0.01}),
    "Adam, decay": ("Adam", {"lr": 0.01, "weight_decay": 0.1, "betas": (0.8, 0.95)}),
    "Adam, AMSGrad": ("Adam", {"lr": 0.01, "amsgrad": True, "eps": 1e-3}),
    "AdamW": ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    "AdamW, AMSGrad": ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
}  # fmt: skip


def stepper(kind: str, params: list[np.ndarray], options: Options) -> Callable[..., None]:
    """step(number, grads) with state that starts as zeros."""

    def zeros() -> list[np.ndarray]:
        return [np.zeros_like(w) for w in params]

    options = dict(options)
    first, second, third = zeros(), zeros(), zeros()
    if kind == "SGD":
        return lambda number, grads: reference.sgd_step_(params, grads, first, **options)
    if kind == "Adagrad":
        return lambda number, grads: reference.adagrad_step_(params, grads, first, **options)
    if kind == "RMSprop":
        return lambda number, grads: reference.rmsprop_step_(
            params, grads, first, momentum_buffers=second, grad_avgs=third, **options
        )
    return lambda number, grads: reference.adam_step_(
        params, grads, first, second, max_exp_avg_sqs=third, step=number,
        decoupled=kind == "AdamW", **options,
    )  # fmt: skip


@pytest.mark.parametrize("kind, options", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizer_agrees_with_torch(kind: str, options: Options) -> None:
    steps, shapes = 10, [(5, 3), (7,), (2, 3, 2, 2)]
    ours = arrays_of(shapes, 0)
    theirs = [torch.tensor(w, requires_grad=True) for w in ours]
    optimizer = getattr(torch.optim, kind)(theirs, **options)
    step = stepper(kind, ours, options)
    for number in range(1, steps + 1):
        grads = arrays_of(shapes, number)
        for w, g in zip(theirs, grads, strict=True):
            w.grad = torch.tensor(g)
        optimizer.step()
        step(number, grads)
    eps = np.finfo(np.float64).eps
    for mine, other in zip(ours, theirs, strict=True):
        # each step rounds a dozen operations on values of the size of w; some orders differ
        np.testing.assert_allclose(
            mine, other.detach().numpy(), rtol=0, atol=20 * steps * eps * np.abs(mine).max()
        )


def test_one_array_is_a_list_of_one() -> None:
    (w,), (g,) = arrays_of([(5,)], 0), arrays_of([(5,)], 1)
    listed = w.copy()
    reference.sgd_step_(w, g, lr=0.1)
    reference.sgd_step_([listed], [g], lr=0.1)
    np.testing.assert_array_equal(w, listed)


class Faulty:
    """The reference with a small error in the first value of one output."""

    def __init__(self, name: str, size: float) -> None:
        self.name, self.size = name, size

    def spoil(self, v: Any) -> Any:
        if isinstance(v, float):
            return v + self.size * (abs(v) + 1)
        v = np.array(v, order="C")
        v.reshape(-1)[:1] += v.dtype.type(self.size * (np.nanmax(np.abs(v), initial=1)))
        return v

    def __getattr__(self, name: str) -> Any:
        function = getattr(reference, name)
        if name != self.name:
            return function

        def faulty(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            if result is None:  # in place: the parameters
                params = options["params"]
                for w in [params] if isinstance(params, np.ndarray) else params[:1]:
                    w[...] = self.spoil(w)
                return None
            if not isinstance(result, tuple):
                return self.spoil(result)
            return (self.spoil(result[0]), *result[1:])

        return faulty


FIRST = [pytest.param(spec, id=name) for name, spec in SPECS.items()]


@pytest.mark.parametrize("spec", FIRST)
@pytest.mark.parametrize("dtype, size", [(np.float32, 1e-3), (np.float64, 1e-9)])
def test_the_check_sees_a_small_error(spec: Spec, dtype: Any, size: float) -> None:
    case, dtype = spec.cases[0], np.dtype(dtype)
    names = (spec.name,) if spec.backward is None or spec.loss else spec.covers[:2]
    for name in names:
        with pytest.raises(AssertionError, match="error / bound"):
            parity(spec, case, dtype, Faulty(name, size))
    if spec.backward and not spec.loss:
        with pytest.raises(AssertionError, match="error / bound"):
            gradient_check(spec, case, Faulty(names[1], 1e-6))


@pytest.mark.parametrize("spec", FIRST)
def test_the_check_sees_nan(spec: Spec) -> None:
    dtype = np.dtype(np.float32)
    with pytest.raises(AssertionError, match="inf"):
        parity(spec, spec.cases[0], dtype, Faulty(spec.name, np.nan))


def test_the_check_sees_what_is_no_array() -> None:
    spec = SPECS["relu"]
    p = problem(spec, spec.cases[3], FLOAT64)
    good = run(spec, reference, p.arrays, p.options, p.dy, p.given)
    parity(spec, spec.cases[3], FLOAT64, None, good)
    for wrong in (list(good.outputs["y"]), good.outputs["y"].astype(np.float32), None):
        with pytest.raises(AssertionError):
            parity(spec, spec.cases[3], FLOAT64, None, good._replace(outputs={"y": wrong}))
