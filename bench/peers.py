"""PyTorch doing the same thing, in each of its modes.

An op's peer is the function of its name in ``torch.nn.functional`` or ``torch``, called with the
same arguments; OWN holds what PyTorch calls differently. A peer whose values are not those of the
op is no peer and stays out.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fastnn.specs import Arrays, Options, Spec

from .ring import rotate
from .timing import Call

Function = Callable[[Arrays, Options], Any]

DEVICE = "cpu"  # of the tensors
RENAMED = {"axis": "dim"}
OURS_ALONE = {"seed", "offset", "activation", "residual"}  # drawn or fused: no arguments of torch's


@cache
def torch() -> Any:
    """The module, or None where it is not installed."""
    try:
        import torch as module
    except ImportError:
        return None
    import torch._functorch.config
    import torch.nn.functional

    module._functorch.config.donated_buffer = False  # a graph that is kept for many backwards
    return module


def same_name(name: str, positional: bool) -> Function | None:
    """Torch's function of this name with our arguments."""
    f = getattr(torch().nn.functional, name, None) or getattr(torch(), name, None)
    if not callable(f):
        return None

    def call(a: Arrays, o: Options) -> Any:
        (_, x), *rest = ((k, v) for k, v in a.items() if k not in OURS_ALONE)
        options = {RENAMED.get(k, k): v for k, v in o.items() if k not in OURS_ALONE}
        more = (v for _, v in rest)
        y = f(x, *more, **options) if positional else f(x, **dict(rest), **options)
        y = y[0] if isinstance(y, tuple) else y
        y = y + a["residual"] if a.get("residual") is not None else y
        activation = o.get("activation")
        return y if activation is None else getattr(torch().nn.functional, activation)(y)

    return call


OWN: dict[str, Function] = {
    "channels_last": lambda a, o: a["x"].contiguous(memory_format=torch().channels_last),
    "flatten": lambda a, o: torch().flatten(a["x"], 1),
    "maxout": lambda a, o: a["x"].unflatten(1, (-1, o["pieces"])).max(2).values,
    "softmax_cross_entropy": lambda a, o: torch().nn.functional.cross_entropy(
        a["logits"], a["target"], a.get("weight"), **o
    ),
}


def function(spec: Spec, arrays: Arrays, options: Options, outputs: Arrays) -> Function | None:
    """Torch's way to this op, if it computes the same, and does compute."""
    known = OWN.get(spec.name)
    for f in [known] if known else [same_name(spec.name, p) for p in (False, True)]:
        if f is None:
            continue
        try:
            with torch().no_grad():
                y = f(tensors(arrays, False), options).cpu().numpy()
        except (TypeError, RuntimeError, ValueError, AttributeError, IndexError):
            continue  # it takes other arguments, or lacks one of these options
        if agrees(y, outputs[spec.primary], "seed" in options):
            return f
    return None


def agrees(theirs: np.ndarray, ours: np.ndarray, random: bool) -> bool:
    """The same shape, and unless they are random, values as near as two roundings are."""
    if theirs.shape != np.shape(ours):
        return False
    size = float(np.max(np.abs(ours), initial=1e-30))
    return random or bool(np.allclose(theirs, ours, rtol=1e-2, atol=1e-3 * size))


def is_view(f: Function, arrays: Arrays, options: Options, last: bool) -> bool:
    """The result is the first argument's memory: nothing was computed that could be timed."""
    a = tensors(arrays, last)
    with torch().no_grad():
        return bool(f(a, options).data_ptr() == next(iter(a.values())).data_ptr())


def tensors(arrays: Arrays, channels_last: bool) -> Arrays:
    """Copies of the arrays as tensors, rank 4 in the given memory format."""

    def tensor(v: Any) -> Any:
        if isinstance(v, list):
            return [tensor(item) for item in v]
        if not isinstance(v, np.ndarray):
            return v
        t = torch().from_numpy(np.ascontiguousarray(v).copy()).to(DEVICE)
        if t.ndim != 4:
            return t
        formats = torch().contiguous_format, torch().channels_last
        return t.contiguous(memory_format=formats[channels_last])

    return {name: tensor(value) for name, value in arrays.items()}


def calls(
    spec: Spec,
    arrays: Arrays,
    options: Options,
    dy: np.ndarray | None,
    outputs: Arrays,
    count: int,
    compiled: bool,
) -> dict[str, dict[str, Call]]:
    """PyTorch's ways to do this op over `count` sets of arguments: mode -> direction -> call."""
    if torch() is None:
        return {}
    if spec.name in OPTIMIZERS:
        return optimizers(spec.name, arrays, options, count)
    f = function(spec, arrays, options, outputs)
    if f is None:
        return {}
    spatial = any(np.ndim(v) == 4 for v in arrays.values())
    modes = {"torch NCHW": (f, False), "torch channels_last": (f, True)}
    if not spatial:
        modes = {"torch": (f, False)}
    if compiled:
        modes["torch compile"] = (torch().compile(f), spatial)
    found = {}
    for mode, (way, last) in modes.items():
        if is_view(f, arrays, options, last):
            continue
        try:
            found[mode] = rotate(
                lambda way=way, last=last: one(spec, way, arrays, options, dy, last), count
            )
        except RuntimeError:
            continue  # no backward, or nothing the compiler can do
    return found


def one(
    spec: Spec, f: Function, arrays: Arrays, options: Options, dy: Any, last: bool
) -> dict[str, Call]:
    """Forward without a graph, and the backward alone over a graph that is kept."""
    a = tensors(arrays, last)
    grad = torch().autograd.grad

    def forward() -> object:
        with torch().no_grad():
            return f(a, options)

    if spec.backward is None:
        return {"forward": forward}
    inputs = [a[name].requires_grad_() for name in spec.differentiable if a.get(name) is not None]
    if spec.loss:
        return {"both": lambda: grad(f(a, options).sum(), inputs)}
    y = f(a, options)
    gradient = tensors({"dy": dy}, last)["dy"]

    def backward() -> object:
        return grad(y, inputs, gradient, retain_graph=True)

    return {"forward": forward, "backward": backward}


OPTIMIZERS: dict[str, Callable[[Options], Any]] = {
    "sgd_step_": lambda o: torch().optim.SGD,
    "adagrad_step_": lambda o: torch().optim.Adagrad,
    "rmsprop_step_": lambda o: torch().optim.RMSprop,
    "adam_step_": lambda o: torch().optim.AdamW if o.get("decoupled") else torch().optim.Adam,
}


def optimizers(
    name: str, arrays: Arrays, options: Options, count: int
) -> dict[str, dict[str, Call]]:
    """Steps of torch.optim over the same parameters and gradients: fused, foreach and plain."""
    modes: dict[str, dict[str, bool]] = {
        "torch fused": {"fused": True},
        "torch foreach": {"foreach": True},
        "torch plain": {"foreach": False},
    }
    kind = OPTIMIZERS[name](options)
    options = {k: v for k, v in options.items() if k not in ("step", "decoupled")}

    def make(mode: dict[str, bool]) -> dict[str, Call]:
        a = tensors({k: arrays[k] for k in ("params", "grads")}, False)
        params, grads = (v if isinstance(v, list) else [v] for v in a.values())
        for p, g in zip(params, grads, strict=True):
            p.requires_grad_().grad = g
        step = kind(params, **options, **mode).step
        step()  # makes its state
        return {"forward": step}

    found = {}
    for label, mode in modes.items():
        try:
            found[label] = rotate(lambda mode=mode: make(mode), count)
        except (RuntimeError, TypeError, ValueError):
            continue  # this optimizer has no such mode
    return found
