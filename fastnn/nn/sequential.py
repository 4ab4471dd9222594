"""Sequential: layers one after the other, fused where an activation follows."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from typing import NamedTuple, cast

import numpy as np

from .activation import Activation
from .fusable import Fusable, check_distinct, fusion_enabled, structure, structure_changed
from .module import Module


class Step(NamedTuple):
    """A layer to run and the activation that it applies in place of the layer after it."""

    layer: Module
    activation: str | None
    forward: Callable[[np.ndarray], np.ndarray]


def _trains(module: Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


class Sequential(Fusable):
    """Layers one after the other.

    Parameters
    ----------
    *layers : Module, or one mapping of names to Modules
        Names default to "0", "1", ... and are the prefixes of the ``state_dict`` keys.

    Raises
    ------
    TypeError
        A layer is no Module.
    ValueError
        A layer appears twice.
    """

    _transient = ("_saved", "forward", "_plan")
    _plan: tuple[int, list[Step]] = (-1, [])

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        first = layers[0] if len(layers) == 1 else None
        named = (
            first
            if isinstance(first, Mapping)
            else dict(zip(map(str, count()), layers, strict=False))
        )
        for name, layer in named.items():
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: layer {name} must be a Module, got {type(layer)}")
        self.replace_layers(cast(Mapping[str, Module], named))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        yield from self._layers.items()

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers.values())

    def __getitem__(self, index: int) -> Module:
        return list(self._layers.values())[index]

    def __setitem__(self, index: int, layer: Module) -> None:
        self.replace_layers({**self._layers, list(self._layers)[index]: layer})

    def append(self, layer: Module) -> "Sequential":
        """Add a layer at the end."""
        self.replace_layers({**self._layers, str(len(self._layers)): layer})
        return self

    def replace_layers(self, layers: Mapping[str, Module]) -> None:
        """Run these named layers from now on."""
        check_distinct("Sequential", layers.values())
        self._layers = dict(layers)
        structure_changed()

    def plan(self) -> list[Step]:
        """The layers to run and the activation that each applies; made once per structure."""
        made_for, steps = self._plan
        if made_for == structure():
            return steps
        steps = []
        for layer in self._layers.values():
            if steps and fusion_enabled() and isinstance(layer, Activation) and layer.fusable():
                before, applied, _ = steps[-1]
                if applied is None and isinstance(before, Fusable) and before.takes_activation():
                    name = layer.fused_name
                    steps[-1] = Step(before, name, partial(before.forward_fused, activation=name))
                    continue
            steps.append(Step(layer, None, layer.forward))
        self._plan = (structure(), steps)
        return steps

    def _last_fusable(self) -> Fusable | None:
        steps = self.plan()
        if not fusion_enabled() or not steps or not super().takes_activation():
            return None
        last = steps[-1]
        return last.layer if last.activation is None and isinstance(last.layer, Fusable) else None

    def takes_activation(self) -> bool:
        last = self._last_fusable()
        return last is not None and last.takes_activation()

    def takes_residual(self) -> bool:
        last = self._last_fusable()
        return last is not None and last.takes_residual()

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        steps = self.plan()
        fused = activation is not None or residual is not None
        for step in steps[:-1] if fused else steps:
            x = step.forward(x)
        if fused:
            x = cast(Fusable, steps[-1].layer).forward_fused(x, activation, residual)
        self._saved = (steps, fused, residual is not None) if self.training else None
        return x

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        steps, fused, with_residual = self._take()
        stop = 0
        if not input_grad:
            trained = (i for i, step in enumerate(steps) if _trains(step.layer))
            stop = next(trained, len(steps))
        dx: np.ndarray | None = dy
        dresidual: np.ndarray | None = None
        for i in reversed(range(len(steps))):
            layer, wanted = steps[i].layer, input_grad or i > stop
            if fused and dx is not None and (with_residual or i >= stop):
                dx, dresidual = cast(Fusable, layer).backward_fused(dx, wanted)
            elif dx is not None and i >= stop:
                dx = layer.backward(dx, input_grad=wanted)
            else:
                layer.release()
            fused = False  # only the last layer was
        return dx if input_grad else None, dresidual
