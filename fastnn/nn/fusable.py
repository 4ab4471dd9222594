"""Fusion: layers that apply the activation, or the residual sum, that follows them."""

from collections.abc import Iterable

import numpy as np

from .module import Module

_enabled = True
_structure = 0


def set_fusion(enabled: bool) -> None:
    """Switch fusion in containers on (the default) or off, from the next forward on.

    Fused and unfused results agree within rounding; off is for finding a fault.
    """
    global _enabled
    _enabled = enabled
    structure_changed()


def fusion_enabled() -> bool:
    """Whether containers fuse."""
    return _enabled


def structure_changed() -> None:
    """Make every container plan anew: a container changed, or the switch did."""
    global _structure
    _structure += 1


def structure() -> int:
    """Number that changes with every :func:`structure_changed`."""
    return _structure


def check_distinct(owner: str, children: Iterable[Module]) -> None:
    """Refuse a layer that stands in two places.

    Raises
    ------
    ValueError
        A layer appears twice.
    """
    seen: set[int] = set()
    for child in children:
        for module in child.modules():
            if id(module) in seen:
                raise ValueError(
                    f"{owner}: the same {type(module).__name__} appears twice; a layer keeps what "
                    "its backward needs, so every place needs a layer of its own"
                )
            seen.add(id(module))


class Fusable(Module):
    """A layer that can apply what follows it in the same pass.

    A subclass that overrides ``forward`` or ``backward`` is never fused, since that would skip its
    code; nor is a layer with a hook behind its ``forward``.
    """

    def takes_activation(self) -> bool:
        """Whether :meth:`forward_fused` takes an activation."""
        own = type(self).forward, type(self).backward
        return own == (Fusable.forward, Fusable.backward) and "forward" not in vars(self)

    def takes_residual(self) -> bool:
        """Whether :meth:`forward_fused` takes a residual."""
        return False

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.forward_fused(x)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        return self.backward_fused(dy, input_grad)[0]

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        """activation(layer(x) + residual)."""
        raise NotImplementedError

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Gradients of the input and of the residual (None where there is none)."""
        raise NotImplementedError
