"""Everything that takes part in a race over one case, on arguments of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastnn
import fastnn.functional as F
from fastnn.specs import Arrays, Case, Cost, Options, Spec
from fastnn.specs._spec import each

from . import jax_peer, numpy_peer, peers
from .ring import is_hot, rotate, sets
from .timing import Call
from .verify import check

OURS = "fastnn"
PEERS = ("NumPy", "torch")


@dataclass(frozen=True)
class Entry:
    """A case ready to be timed: its result was right."""

    calls: dict[str, dict[str, Call]]  # direction -> contender -> call
    cost: dict[str, Cost]
    hot: bool
    checked: str


def enter(
    spec: Spec,
    case: Case,
    dtype: np.dtype[Any],
    *,
    hot: bool = False,
    compiled: bool = False,
    effort: float = 2.0,
    kinds: Sequence[str] = PEERS,
) -> Entry:
    """Draw the arguments, verify the op on them, and set up its contenders.

    Raises
    ------
    Mismatch
        The op's result is wrong: there is nothing to time.
    """
    arrays, options = case.arguments(spec.name, dtype)
    mine = placed(spec, arrays)
    checked = check(spec, mine, options, effort)
    outputs, _ = spec.forward(F, placed(spec, arrays), options)
    cost = costs(spec, mine, options, outputs)
    nbytes = max(c.bytes for c in cost.values())
    count = sets(nbytes, hot)
    dy = None
    if spec.backward is not None and not spec.loss:
        dy = np.random.default_rng(1).standard_normal(outputs[spec.primary].shape).astype(dtype)
    contenders = {OURS: rotate(lambda: ours(spec, placed(spec, arrays), options, dy), count)}
    if "NumPy" in kinds:
        plain = rotate(lambda: numpy_peer.calls(spec, copied(arrays), options, dy), count)
        contenders["NumPy"] = plain
    if "torch" in kinds:
        contenders |= peers.calls(spec, arrays, options, dy, outputs, count, compiled)
    if "JAX" in kinds and jax_peer.jax() is not None:
        contenders |= jax_peer.calls(spec, arrays, options, dy, outputs, count)
    calls = {
        direction: {name: made[direction] for name, made in contenders.items() if direction in made}
        for direction in cost
    }
    return Entry(calls, cost, is_hot(nbytes, count), checked)


def ours(spec: Spec, arrays: Arrays, options: Options, dy: Any) -> dict[str, Call]:
    """The directions of an op of fastnn over one set of arguments."""
    if spec.loss:
        return {"both": lambda: spec.forward(F, arrays, options)}
    made: dict[str, Call] = {"forward": lambda: spec.forward(F, arrays, options)}
    if spec.backward is not None:
        backward = spec.backward
        outputs, saved = spec.forward(F, arrays, options)
        gradient = pooled(dy)
        made["backward"] = lambda: backward(F, arrays, options, gradient, outputs, saved)
    return made


def costs(spec: Spec, arrays: Arrays, options: Options, outputs: Arrays) -> dict[str, Cost]:
    """Direction -> cost."""
    forward = spec.cost(arrays, options, outputs)
    if spec.loss:
        return {"both": forward}
    if spec.backward_cost is None:
        return {"forward": forward}
    return {"forward": forward, "backward": spec.backward_cost(arrays, options, outputs)}


def placed(spec: Spec, arrays: Arrays) -> Arrays:
    """Copies of the arrays as a network on the fast path has them.

    The exception is an op that makes this layout: it would have nothing to do.
    """
    if spec.returns_input and spec.layout == "channels_last":
        return copied(arrays)
    return {name: each(pooled, value) for name, value in arrays.items()}


def pooled(value: np.ndarray) -> np.ndarray:
    """A copy in channels-last order; floats in the pool's memory, where activations live."""
    if value.dtype.kind != "f":
        return value.copy()
    # leaky_relu of slope 1 copies into memory of the pool
    return F.leaky_relu(fastnn.channels_last(value) if value.ndim > 3 else value, 1.0)


def copied(arrays: Arrays) -> Arrays:
    """Copies in C order."""
    return {name: each(np.array, value) for name, value in arrays.items()}
