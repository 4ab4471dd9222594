"""JAX doing the same thing, compiled by ``jax.jit``; takes part when asked for.

XLA keeps its own threads: their number is that of the process's CPUs, whatever ``--threads`` says.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from fastnn.specs import Arrays, Options, Spec

from .peers import OURS_ALONE, agrees
from .ring import rotate
from .timing import Call

Function = Callable[[Arrays, Options], Any]


@cache
def jax() -> Any:
    """The module, or None where it is not installed."""
    try:
        import jax as module
        import jax.nn
    except ImportError:
        return None
    return module


def same_name(name: str) -> Function | None:
    """JAX's function of this name with our arguments in their order."""
    f = getattr(jax().nn, name, None) or getattr(jax().numpy, name, None)
    if not callable(f):
        return None

    def call(a: Arrays, o: Options) -> Any:
        return f(*a.values(), **{k: v for k, v in o.items() if k not in OURS_ALONE})

    return call


def activated(y: Any, o: Options) -> Any:
    name = o.get("activation")
    return y if name is None else getattr(jax().nn, name)(y)


def linear(a: Arrays, o: Options) -> Any:
    y = a["x"] @ a["weight"].T
    return activated(y if a.get("bias") is None else y + a["bias"], o)


def conv2d(a: Arrays, o: Options) -> Any:
    def pair(value: Any) -> tuple[int, int]:
        return value if isinstance(value, tuple) else (value, value)

    padding = pair(o.get("padding", 0))
    y = jax().lax.conv_general_dilated(
        a["x"],
        a["weight"],
        pair(o.get("stride", 1)),
        [(p, p) for p in padding],
        rhs_dilation=pair(o.get("dilation", 1)),
        feature_group_count=o.get("groups", 1),
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )
    return activated(y if a.get("bias") is None else y + a["bias"][:, None, None], o)


OWN: dict[str, Function] = {"linear": linear, "conv2d": conv2d}


def calls(
    spec: Spec, arrays: Arrays, options: Options, dy: Any, outputs: Arrays, count: int
) -> dict[str, dict[str, Call]]:
    """Forward and backward over `count` sets of arguments, if JAX has such an op."""
    f = OWN.get(spec.name) or same_name(spec.name)
    if f is None or spec.loss or spec.name.endswith("_"):
        return {}
    try:
        y = f(arrays, options)
    except (TypeError, ValueError, AttributeError):
        return {}  # it takes other arguments, or lacks one of these options
    if not agrees(y.__array__(), outputs[spec.primary], "seed" in options):
        return {}

    def forward(a: Arrays) -> Any:
        return f(a, options)

    def backward(a: Arrays, dy: Any) -> Any:
        return jax().vjp(forward, a)[1](dy)

    compiled = jax().jit(forward), jax().jit(backward)

    def one() -> dict[str, Call]:
        a = {name: jax().numpy.array(v) for name, v in arrays.items() if v is not None}
        made: dict[str, Call] = {"forward": lambda: compiled[0](a).block_until_ready()}
        if dy is not None:
            gradient = jax().numpy.array(dy)
            made["backward"] = lambda: jax().block_until_ready(compiled[1](a, gradient))
        return made

    return {"JAX": rotate(one, count)}
