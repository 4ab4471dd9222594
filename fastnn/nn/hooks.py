"""Looking into a network while it runs: a hook behind every layer, and a way back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..cuda._arrays import copied
from .fusable import structure_changed
from .module import Module

Hook = Callable[[str, Module, np.ndarray, np.ndarray], np.ndarray | None]
"""Called with the layer's dotted name, the layer, its input and its output."""


@contextmanager
def forward_hooks(model: Module, hook: Hook) -> Iterator[None]:
    """Call ``hook(name, layer, x, y)`` after the forward of every layer of ``model``.

    Inside the ``with`` block nothing is fused in this model, so that every layer's own output is
    seen, those of containers too. What the hook returns, unless None, takes the place of ``y``.

    Parameters
    ----------
    model : Module
        Its own name is "". A child that adds no level has its parent's name, and runs before it.
    hook : callable
        Must not write to ``x`` or ``y``; they may be the very arrays that a backward needs.

    Examples
    --------
    >>> with nn.forward_hooks(model, lambda name, layer, x, y: print(name, y.shape)):
    ...     model(x)
    """
    before = [(layer, vars(layer).get("forward")) for _, layer in model.named_modules()]
    for name, layer in model.named_modules():
        vars(layer)["forward"] = _hooked(hook, name, layer)
    structure_changed()
    try:
        yield
    finally:
        for layer, forward in before:
            del vars(layer)["forward"]
            if forward is not None:  # of a block around this one
                vars(layer)["forward"] = forward
        structure_changed()


def _hooked(hook: Hook, name: str, layer: Module) -> Callable[[np.ndarray], np.ndarray]:
    original = layer.forward

    def forward(x: np.ndarray) -> np.ndarray:
        y = original(x)
        other = hook(name, layer, x, y)
        return y if other is None else other

    return forward


@contextmanager
def preserved(model: Module) -> Iterator[None]:
    """Leave ``model`` as it was: modes, buffers, random streams, and what awaits a backward.

    Its parameters are not looked after.
    """
    names = ("training", "rng", "_saved")
    before: list[tuple[Module, str, Any]] = [
        (layer, name, getattr(layer, name)) for layer in model.modules() for name in names
    ]
    buffers = [(buffer, copied(buffer)) for buffer in model.buffers()]
    try:
        yield
    finally:
        for layer, name, value in before:
            if getattr(layer, name) is not value:
                setattr(layer, name, value)
        for buffer, values in buffers:
            buffer[...] = values
