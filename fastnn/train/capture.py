"""Whole steps of a CUDA device, captured in a graph and replayed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..cuda._arrays import copied, dtype_of, memory_order, moved, to_host
from ..cuda._graphs import Graph, StepInputs
from ..data import Batch
from ..nn import BatchNorm, Module, Parameter
from ..nn.fusable import structure
from ..optim import Optimizer
from .update import Loss, Result, check_number, divisor

NUMBERS = 64 << 10
"""Bytes for the numbers that differ from step to step."""

PLAIN = (int, float, str, bool, type(None), np.generic)

Step = tuple[dict[str, Any], list[Result]]


class CapturedSteps:
    """Replays the step of the batch's shape that was captured last; runs what was not.

    The third step in a row of one shape is captured: the first makes what is made once, the second
    what the graph's own memory needs.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
    loss : callable

    Raises
    ------
    ValueError
        The model is on the CPU.
    """

    def __init__(self, model: Module, optimizer: Optimizer, loss: Loss) -> None:
        if optimizer.place is None:
            raise ValueError(
                "Trainer: capture needs a model on a CUDA device (model.to('cuda') before the "
                "optimizer is made), got one on the CPU"
            )
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self._made: _Captured | None = None
        self._key: Any = None
        self._in_a_row = 0
        self._graph: Graph | None = None

    def update(self, batch: Batch, eager: Callable[[], Step]) -> Step:
        """One step on a batch; ``eager`` runs it without a graph."""
        key = (describe(batch), *state_of(self.model, self.optimizer, self.loss))
        if self._made is not None and self._made.key == key:
            step = self._made.replay(batch)
            self._key = None
            if step is not None:
                return step
            self._drop()
        self._in_a_row = self._in_a_row + 1 if key == self._key else 1
        self._key = key
        place = self.optimizer.place
        assert place is not None
        if self._in_a_row == 1 or any("forward" in vars(layer) for layer in self.model.modules()):
            return eager()
        if self._in_a_row == 2 or self._graph is None:
            self._graph = place.library.graph(place.device)
            return self._graph.warm_up(eager)  # type: ignore[no-any-return]
        self._drop()
        graph, self._graph, self._key = self._graph, None, None
        self._made = _Captured(self.model, self.optimizer, self.loss, batch, key, graph)
        return self._made.launch(batch, self._made.rate)

    def _drop(self) -> None:
        """Forget the graph once the device is done with it."""
        if self._made is not None:
            to_host(self._made.value)
            self._made = None


class _Captured:
    """One captured step: the graph, its input and output arrays, and what the CPU does beside."""

    def __init__(
        self, model: Module, optimizer: Optimizer, loss: Loss, batch: Batch, key: Any, graph: Graph
    ) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.key, self.graph = key, graph
        place = optimizer.place
        assert place is not None
        self.inputs = [moved(np.array(to_host(a), order="K"), place) for a in batch]
        self.numbers = StepInputs(place.library.zeros(NUMBERS // 4, "f4", place.device))
        self.rate = optimizer.learning_rate()
        check_layers(model)
        before = _HostState(model, optimizer)
        try:
            with noting(self.numbers.record, self.numbers):
                self.outputs, self.value = graph.capture(self._step)
            self._check(key)
            self.moves = before.moves()
            self.draws = traced(self.numbers.positions, self.moves)
        except BaseException as error:
            before.restore()
            model.release()
            error.add_note("raised while Trainer(capture=True) captured a step; nothing was done")
            raise
        self.counted = before.counted()
        self.written = [p for p in model.parameters() if p.grad is not None]

    def _step(self) -> tuple[Any, Any]:
        x, y = self.inputs
        self.optimizer.zero_grad()
        outputs = self.model(x)
        value, gradient = self.loss(outputs, y)
        check_number(value)
        self.model.backward(gradient, input_grad=False)
        self.optimizer.step()
        return outputs, value

    def _check(self, key: Any) -> None:
        after = state_of(self.model, self.optimizer, self.loss)
        changed = [a for a, b in zip(key[1:], after, strict=False) if a is not b and a != b]
        if changed or len(after) != len(key) - 1:
            raise ValueError(
                "Trainer: a step can be captured where no layer or loss changes a number of its "
                f"own in it, got a change of {changed[0] if changed else 'the layers'!r}"
            )
        used = sum(bool(flat.active()) for flat in self.optimizer._flats)
        if self.numbers.updates < used:
            raise ValueError(
                "Trainer: a step can be captured with the optimizers of fastnn.optim, "
                f"got {type(self.optimizer).__name__}, whose updates are not theirs"
            )

    def replay(self, batch: Batch) -> Step | None:
        """The step on another batch; None, with nothing done, if its updates would be others."""
        for parameter in self.model.parameters():
            parameter.zero_grad()
        for parameter in self.written:
            parameter.written()
        rate, before = self.optimizer.learning_rate(), _HostState(self.model, self.optimizer)
        try:
            with noting(self.numbers.refill, self.numbers):
                self.optimizer.step()
        except BaseException:
            before.restore()
            raise
        if not self.numbers.refilled:
            before.restore()
            return None
        self.numbers.positions = [
            (layer.rng[0], layer.rng[1] + ahead) for layer, ahead in self.draws if layer.rng
        ]
        for layer, (start, end) in self.moves:
            assert layer.rng is not None
            layer.rng = (layer.rng[0], layer.rng[1] + end[1] - start[1])
        for buffer, change in self.counted:
            buffer += change
        place = self.optimizer.place
        for array, given in zip(self.inputs, batch, strict=True):
            array[...] = moved(given, place)
        return self.launch(batch, rate)

    def launch(self, batch: Batch, rate: float) -> Step:
        """Run the graph; the results are copies, since the next launch overwrites its own."""
        self.numbers.send()
        self.graph.launch()
        outputs, value = copied(self.outputs), copied(self.value)
        logs = {"loss": value, "lr": rate, "grad_norm": float("nan"), "samples": len(outputs)}
        return logs, [Result(outputs, batch[1], value, divisor(self.loss, batch[1]))]


Moves = list[tuple[Module, tuple[tuple[int, int], tuple[int, int]]]]
"""Layers that draw, and where their random streams stood before and after a step."""


class _HostState:
    """What a step changes on the CPU: random streams, counting buffers, the optimizer's counts."""

    def __init__(self, model: Module, optimizer: Optimizer) -> None:
        layers = {id(layer): layer for layer in model.modules()}.values()
        self.streams = [(layer, layer.rng) for layer in layers if layer.rng is not None]
        buffers = [b for b in model.buffers() if isinstance(b, np.ndarray)]
        self.buffers = [(buffer, buffer.copy()) for buffer in buffers]
        self.optimizer, self.steps = optimizer, optimizer.steps
        self.counts = [list(flat.counts) for flat in optimizer._flats]

    def moves(self) -> Moves:
        """The streams that have moved on."""
        after = [(layer, start, layer.rng) for layer, start in self.streams]
        return [(layer, (start, end)) for layer, start, end in after if end and end != start]

    def counted(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """What the buffers on the CPU have grown by."""
        return [(b, b - old) for b, old in self.buffers if np.any(b != old)]

    def restore(self) -> None:
        for layer, rng in self.streams:
            layer.rng = rng
        for buffer, old in self.buffers:
            buffer[...] = old
        self.optimizer.steps = self.steps
        for flat, counts in zip(self.optimizer._flats, self.counts, strict=True):
            flat.counts = counts


@contextmanager
def noting(begin: Callable[[], None], numbers: StepInputs) -> Iterator[None]:
    """Kernel calls note the numbers of their step inside the block."""
    begin()
    try:
        yield
    finally:
        numbers.end()


def traced(positions: list[tuple[int, int]], moves: Moves) -> list[tuple[Module, int]]:
    """The layer that each draw belongs to, and how far ahead of the layer's stream it began.

    Raises
    ------
    ValueError
        A draw is no layer's, or may be that of several.
    """
    found = []
    for seed, offset in positions:
        owners = [m for m in moves if m[1][0][0] == seed and m[1][0][1] <= offset < m[1][1][1]]
        if len(owners) != 1:
            why = "share it" if owners else "it is no layer's (see Module.rng)"
            raise ValueError(
                "Trainer: a step can be captured where every layer draws from a stream of its own, "
                f"got a draw from seed {seed}, offset {offset}: "
                + (f"{len(owners)} layers {why}" if owners else why)
            )
        layer, (start, _) = owners[0]
        found.append((layer, offset - start[1]))
    return found


def check_layers(model: Module) -> None:
    """Refuse a running average whose weights change from step to step."""
    for layer in model.modules():
        if (
            isinstance(layer, BatchNorm)
            and layer.momentum is None
            and layer.running_mean is not None
        ):
            raise ValueError(
                "Trainer: a step can be captured if every BatchNorm has a momentum, got "
                "momentum=None, a weight that differs from step to step"
            )


def describe(batch: Batch) -> Any:
    """Shape, dtype and memory order of a batch's arrays."""
    return tuple((tuple(a.shape), dtype_of(a), memory_order(a)) for a in batch)


def state_of(model: Module, optimizer: Optimizer, loss: Loss) -> list[Any]:
    """What a captured step has taken in, beyond the batch: another one needs another capture.

    Layers and their plain numbers, parameters and buffers by identity, the optimizer's arrays.
    """
    found: list[Any] = [structure(), *(id(flat) for flat in optimizer._flats)]
    for layer in model.modules():
        found.append(id(layer))
        buffers = layer._buffers
        for name, value in vars(layer).items():
            if isinstance(value, Parameter):
                found.append((name, id(value), id(value.data), value.requires_grad))
            elif name in buffers:
                found.append((name, id(value)))
            elif name[0] != "_" and name != "rng" and plain(value):
                found.append((type(layer).__name__, name, value))
    found += [(name, v) for name, v in getattr(loss, "__dict__", {}).items() if plain(v)]
    return found


def plain(value: Any) -> bool:
    """Whether a value is a number or a word, or a tuple of such."""
    if isinstance(value, tuple):
        return all(isinstance(v, PLAIN) for v in value)
    return isinstance(value, PLAIN)
