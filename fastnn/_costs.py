"""From the shapes of a call of a public op to its FLOPs and bytes, by the op's own spec."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastnn.specs import SPECS, Cost, Spec

VARYING = frozenset(["seed", "offset", "step", "lr"])
"""Arguments that change from call to call and cost nothing."""

Mark = Hashable


class Call(NamedTuple):
    """A call without its arrays: what the cost of it depends on."""

    op: str
    args: tuple[Mark, ...]
    kwargs: dict[str, Mark]
    result: Mark
    forward: "Call | None"  # the call that returned the `saved` of this one


class Array(NamedTuple):
    """Shape and bytes of an element."""

    shape: tuple[int, ...]
    itemsize: int


class Sequence(NamedTuple):
    """What a list or tuple holds."""

    items: tuple[Mark, ...]


def mark(value: Any) -> Mark:
    """Stand-in for an argument or a result."""
    if isinstance(value, np.ndarray):
        return Array(value.shape, value.itemsize)
    if isinstance(value, (list, tuple)):
        return Sequence(tuple(mark(item) for item in value))
    if isinstance(value, (float, np.floating)):
        return float(bool(value))
    return value if isinstance(value, (str, int, type(None))) else None


def call(
    op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any, forward: Call | None
) -> Call:
    """Stand-in for a call."""
    named = {name: mark(value) for name, value in kwargs.items()}
    return Call(op, tuple(map(mark, args)), named, mark(result), forward)


def add_to_key(key: list[Hashable], values: Iterable[Any]) -> None:
    """Append what tells two calls apart, in a tenth of the time that :func:`call` takes."""
    for value in values:
        kind = type(value)
        if kind is np.ndarray:
            key += (value.shape, value.itemsize)
        elif kind in PLAIN:
            key.append(value)
        elif kind is not float:
            key.append(mark(value))


PLAIN = frozenset([int, str, bool, type(None)])


def revive(value: Mark) -> Any:
    """An argument of the marked shape that takes no memory."""
    match value:
        case Array(shape, itemsize):
            kind = {1: "u1", 2: "f2", 4: "f4"}.get(itemsize, "f8")
            return np.broadcast_to(np.zeros((), kind), shape)
        case Sequence(items):
            values = [revive(item) for item in items]
            arrays = any(isinstance(v, np.ndarray) for v in values)
            return values if arrays else tuple(values)
    return value


@cache
def specs() -> dict[str, tuple[Spec, bool]]:
    """Public name -> its spec, and whether it is the backward; only ops whose cost is known."""
    found = {spec.name: (spec, False) for spec in SPECS.values()}
    for spec in SPECS.values():
        if spec.backward is not None and spec.backward_cost is not None:
            found[f"{spec.name}_backward"] = (spec, True)
    return found


def itemsize(c: Call) -> int:
    """Bytes of an element of the first array: its dtype is that of the arithmetic."""
    for value in (*c.args, *c.kwargs.values()):
        item = value.items[0] if isinstance(value, Sequence) and value.items else value
        if isinstance(item, Array):
            return item.itemsize
    return 4


def cost(c: Call, signature: Callable[[str], inspect.Signature]) -> Cost | None:
    """FLOPs and bytes of a call; None if they can't be told from its shapes.

    ``signature`` gives that of a public op.
    """
    spec, backward = specs()[c.op]
    try:
        if not backward:
            arrays, options, outputs = forward_arguments(c, spec, signature)
            return spec.cost(arrays, options, outputs)
        return backward_cost(c, spec, signature)
    except (TypeError, KeyError, AttributeError, ValueError, IndexError):
        return None  # an argument that is no ndarray, or a `saved` from elsewhere


Arguments = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def bind(c: Call, signature: inspect.Signature) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the options of a call by name, defaults filled in."""
    kwargs = {name: revive(value) for name, value in c.kwargs.items()}
    bound = signature.bind_partial(*map(revive, c.args), **kwargs)
    bound.apply_defaults()
    arrays, options = {}, {}
    for name, value in bound.arguments.items():
        if isinstance(value, (np.ndarray, list)):
            arrays[name] = value
        else:
            options[name] = value
    return arrays, options


def forward_arguments(
    c: Call, spec: Spec, signature: Callable[[str], inspect.Signature]
) -> Arguments:
    """Arrays, options and outputs as the spec's functions take them."""
    arrays, options = bind(c, signature(c.op))
    result = revive(c.result)
    outputs = {name: arrays[name] for name in spec.writes if name in arrays}
    outputs[spec.primary] = result[0] if isinstance(result, (list, tuple)) else result
    return arrays, options, outputs


def backward_cost(c: Call, spec: Spec, signature: Callable[[str], inspect.Signature]) -> Cost:
    """Cost of a backward; what ``needs`` leaves out is neither computed nor written."""
    arrays, options = bind(c, signature(c.op))
    dy = arrays.pop("dy")
    if "saved" in arrays | options:
        if c.forward is None:
            raise ValueError("the forward was not recorded")
        arrays, options, outputs = forward_arguments(c.forward, spec, signature)
        if outputs[spec.primary].shape != dy.shape:
            raise ValueError("this `saved` has the address of one that was recorded and is gone")
    forward = signature(spec.name).parameters
    arrays = {name: value for name, value in arrays.items() if name in forward}
    result = revive(c.result)
    gradients = result if isinstance(result, (list, tuple)) else [result]
    needs = options.get("needs", spec.differentiable) if spec.needs else spec.differentiable
    for name, gradient in zip(spec.differentiable, gradients, strict=False):
        if isinstance(gradient, np.ndarray):
            arrays.setdefault(name, gradient)
    assert spec.backward_cost is not None
    full = spec.backward_cost(arrays, options, {spec.primary: dy})
    if not spec.needs:
        return full
    # The products with dy, of which a bias has none, take the arithmetic in equal shares.
    products = [name for name in spec.differentiable if name != "bias"]
    done = sum(name in needs for name in products)
    unwritten = sum(arrays[n].nbytes for n in spec.differentiable if n in arrays and n not in needs)
    return Cost(full.flops * done / len(products), full.bytes - unwritten)
