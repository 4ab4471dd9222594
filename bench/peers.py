"""What PyTorch calls the same thing: one entry an op, in each of PyTorch's layouts."""

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import torch
    import torch.nn.functional as T
except ImportError:
    torch = None

Arrays = dict[str, Any]


def activated(y: Any, options: Arrays) -> Any:
    """Apply the option ``activation``."""
    name = options.get("activation")
    return y if name is None else getattr(T, name)(y)


def batch_norm(a: Arrays, o: Arrays) -> Any:
    y = T.batch_norm(
        a["x"], a["running_mean"], a["running_var"], a.get("weight"), a.get("bias"), o["training"]
    )
    return activated(y + a["residual"] if a.get("residual") is not None else y, o)


def layer_norm(a: Arrays, o: Arrays) -> Any:
    shape = a["x"].shape[-1:]
    return activated(T.layer_norm(a["x"], shape, a.get("weight"), a.get("bias")), o)


def group_norm(a: Arrays, o: Arrays) -> Any:
    return activated(T.group_norm(a["x"], o["num_groups"], a.get("weight"), a.get("bias")), o)


def instance_norm(a: Arrays, o: Arrays) -> Any:
    return activated(T.instance_norm(a["x"], None, None, a.get("weight"), a.get("bias")), o)


def conv2d(a: Arrays, o: Arrays) -> Any:
    options = {k: v for k, v in o.items() if k != "activation"}
    return activated(T.conv2d(a["x"], a["weight"], a.get("bias"), **options), o)


FORWARD: dict[str, Callable[[Arrays, Arrays], Any]] = {
    "relu": lambda a, o: T.relu(a["x"]),
    "leaky_relu": lambda a, o: T.leaky_relu(a["x"], **o),
    "elu": lambda a, o: T.elu(a["x"], **o),
    "sigmoid": lambda a, o: torch.sigmoid(a["x"]),
    "tanh": lambda a, o: torch.tanh(a["x"]),
    "linear": lambda a, o: activated(T.linear(a["x"], a["weight"], a.get("bias")), o),
    "conv2d": conv2d,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "avg_pool2d": lambda a, o: T.avg_pool2d(a["x"], **o),
    "fractional_max_pool2d": lambda a, o: T.fractional_max_pool2d(
        a["x"], o["kernel_size"], None, (o["output_ratio"],) * 2
    ),
    "max_pool2d": lambda a, o: T.max_pool2d(a["x"], **o),
    "adaptive_avg_pool2d": lambda a, o: T.adaptive_avg_pool2d(a["x"], **o),
    "dropout": lambda a, o: T.dropout(a["x"], o.get("p", 0.5), True),
    "dropout2d": lambda a, o: T.dropout2d(a["x"], o.get("p", 0.5), True),
    "alpha_dropout": lambda a, o: T.alpha_dropout(a["x"], o.get("p", 0.5), True),
    "dropconnect": lambda a, o: T.linear(a["x"], T.dropout(a["weight"], 0.5), a["bias"]),
    "softmax_cross_entropy": lambda a, o: T.cross_entropy(a["logits"], a["target"], **o),
}


def optimizer(name: str, arrays: Arrays, options: Arrays, **mode: Any) -> Callable[[], object]:
    """A step of torch.optim over the same parameters and gradients."""
    kinds = {
        "sgd_step_": torch.optim.SGD,
        "adagrad_step_": torch.optim.Adagrad,
        "rmsprop_step_": torch.optim.RMSprop,
        "adam_step_": torch.optim.AdamW if options.get("decoupled") else torch.optim.Adam,
    }
    keep = {"lr", "momentum", "nesterov", "weight_decay", "alpha", "centered", "betas", "eps"}
    params = as_list(arrays["params"])
    for p, g in zip(params, as_list(arrays["grads"]), strict=True):
        p.requires_grad_()
        p.grad = g
    made = kinds[name](params, **{k: v for k, v in options.items() if k in keep}, **mode)
    return made.step


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def tensors(arrays: Arrays, channels_last: bool) -> Arrays:
    """Copies of the arrays as tensors, rank 4 in the given memory format."""

    def tensor(v: Any) -> Any:
        if isinstance(v, list):
            return [tensor(item) for item in v]
        if not isinstance(v, np.ndarray):
            return v
        t = torch.from_numpy(np.ascontiguousarray(v).copy())
        if t.ndim != 4:
            return t
        return t.contiguous(
            memory_format=torch.channels_last if channels_last else torch.contiguous_format
        )

    return {name: tensor(value) for name, value in arrays.items()}


def modes(name: str, arrays: Arrays, options: Arrays) -> dict[str, dict[str, Callable[[], object]]]:
    """PyTorch's ways to do this op: mode -> {"forward": call, "backward": call}."""
    if torch is None:
        return {}
    if name.endswith("_step_"):
        found = {}
        for mode in ({"foreach": True}, {"fused": True}, {"foreach": False}):
            label = next(iter(mode)) if next(iter(mode.values())) else "plain"
            try:
                step = optimizer(name, tensors(arrays, False), options, **mode)
                step()
            except (RuntimeError, TypeError, ValueError):
                continue  # this optimizer has no such mode
            found[label] = {"forward": step}
        return found
    if name not in FORWARD:
        return {}
    spatial = any(getattr(v, "ndim", 0) == 4 for v in arrays.values())
    return {
        label: layout(name, tensors(arrays, last), options)
        for label, last in (("NCHW", False), ("channels_last", True))[: 2 if spatial else 1]
    }


def layout(name: str, a: Arrays, options: Arrays) -> dict[str, Callable[[], object]]:
    """Forward without a graph, and the backward alone over a graph that is kept."""
    f = FORWARD[name]

    def forward() -> object:
        with torch.no_grad():
            return f(a, options)

    inputs = [
        v.requires_grad_()
        for key, v in a.items()
        if torch.is_tensor(v) and v.is_floating_point() and not key.startswith("running")
    ]
    y = f(a, options)
    dy = torch.randn_like(y)

    def backward() -> object:
        return torch.autograd.grad(y, inputs, dy, retain_graph=True)

    return {"forward": forward, "backward": backward}
