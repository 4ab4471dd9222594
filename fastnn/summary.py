"""What a network consists of: shapes, parameters, FLOPs and memory of every layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike

from .nn import Module, Parameter
from .nn.hooks import forward_hooks, preserved
from .profiler import profile

NO_LIMITS = {"fma_peak": 1.0, "copy": 1.0}
"""For a profile of which only the FLOPs are read."""


@dataclass(eq=False)
class LayerSummary:
    """A layer, without those below it.

    Attributes
    ----------
    name, kind : str
        Dotted name and class.
    depth : int
        0 for the model itself, 1 for its children.
    output_shape : tuple of int or None
        None if the layer did not run.
    parameters, trainable : int
        Numbers in parameters, and in those that are not frozen.
    flops : float
        Of one forward in eval mode, a multiplication and an addition being two.
    output_bytes : int
        Of the output, if it is memory of its own.
    """

    name: str
    kind: str
    depth: int
    output_shape: tuple[int, ...] | None = None
    parameters: int = 0
    trainable: int = 0
    flops: float = 0.0
    output_bytes: int = 0

    def add(self, other: "LayerSummary") -> None:
        """Count a layer below this one as a part of it."""
        self.parameters += other.parameters
        self.trainable += other.trainable
        self.flops += other.flops
        self.output_bytes += other.output_bytes


@dataclass
class Summary:
    """What ``model.summary`` returns; ``print`` it.

    Attributes
    ----------
    input_shape : tuple of int
    parameter_bytes, buffer_bytes : int
    layers : list of LayerSummary
        The model, then what is in it, in its order.
    """

    input_shape: tuple[int, ...]
    parameter_bytes: int
    buffer_bytes: int
    layers: list[LayerSummary]

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        """Parameters that are not frozen."""
        return sum(layer.trainable for layer in self.layers)

    @property
    def flops(self) -> float:
        """FLOPs of one forward of the whole batch."""
        return sum(layer.flops for layer in self.layers)

    @property
    def output_bytes(self) -> int:
        """Bytes of all outputs, as an unfused training forward makes them."""
        return sum(layer.output_bytes for layer in self.layers)

    def to_depth(self, depth: int) -> "Summary":
        """A summary in which what lies deeper than ``depth`` is counted with its container."""
        layers: list[LayerSummary] = []
        for layer in self.layers:
            if layer.depth <= depth:
                layers.append(replace(layer))
            else:
                layers[-1].add(layer)
        return replace(self, layers=layers)

    def __str__(self) -> str:
        names = ["  " * x.depth + f"{x.name.split('.')[-1]}  {x.kind}".strip() for x in self.layers]
        shapes = [str(x.output_shape or "-") for x in self.layers]
        wide = max(map(len, names))
        broad = max(map(len, [*shapes, "output shape"])) + 2
        header = f"{'layer':{wide}}{'output shape':>{broad}}"
        lines = [f"{header}{'parameters':>13} {'FLOP':>9}{'output':>10}"]
        for name, shape, x in zip(names, shapes, self.layers, strict=True):
            star = "*" if x.trainable < x.parameters else " "
            parameters = f"{x.parameters:,}{star}" if x.parameters else "- "
            flops = _short(x.flops) if x.flops else "- "
            output = _bytes(x.output_bytes) if x.output_bytes else "- "
            lines.append(f"{name:{wide}}{shape:>{broad}}{parameters:>14}{flops:>9}{output:>10}")
        frozen = self.parameters - self.trainable
        note = f", {frozen:,} of them frozen (*)" if frozen else ""
        buffers = f"; buffers {_bytes(self.buffer_bytes)}" if self.buffer_bytes else ""
        lines += [
            "",
            f"{self.parameters:,} parameters{note}: {_bytes(self.parameter_bytes)}{buffers}",
            f"input {self.input_shape}: {_short(self.flops)}FLOP forward, "
            f"{_bytes(self.output_bytes)} of outputs",
        ]
        return "\n".join(line.rstrip() for line in lines)


def summary(
    model: Module,
    input_shape: Sequence[int],
    *,
    depth: int | None = None,
    dtype: DTypeLike | None = None,
) -> Summary:
    """Run ``model`` on zeros and note what every layer has and does.

    Parameters
    ----------
    model : Module
        Runs in eval mode, unfused; it is left as it was, statistics and random streams included.
    input_shape : sequence of int
        With the batch: (1, 3, 32, 32).
    depth : int, optional
        Count what lies deeper with its container; 1 shows the children of the model alone.
    dtype : float32 or float64, optional
        Of the input; None: that of the first parameter, else float32.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        The model does not take an input of that shape, or ``depth`` is below 1.
    TypeError
        ``input_shape`` is no sequence.

    Notes
    -----
    FLOPs are those of the ops' specs: arithmetic as defined, whatever the algorithm. Memory is
    counted before fusion, in which an activation has no output of its own.

    Examples
    --------
    >>> print(fastnn.models.lenet5().summary((1, 1, 28, 28)))
    """
    if not isinstance(input_shape, Sequence):
        raise TypeError(
            f"summary: input_shape must be a sequence, with the batch, got {input_shape!r}"
        )
    shape = tuple(input_shape)
    if depth is not None and depth < 1:
        raise ValueError(f"summary: depth must be at least 1, got {depth}")
    first = next((p.data.dtype for p in model.parameters()), np.dtype(np.float32))
    x = np.zeros(shape, first if dtype is None else dtype)
    rows: dict[int, LayerSummary] = {}
    _list_layers(model, LayerSummary("", type(model).__name__, 0), rows)
    last: np.ndarray | None = None

    def note(name: str, layer: Module, x: np.ndarray, y: np.ndarray) -> None:
        nonlocal last
        row = rows[id(layer)]
        row.output_shape = y.shape
        if y is not last and not np.may_share_memory(x, y):  # else a child's output, or a view
            row.output_bytes += y.nbytes
        last = y

    with preserved(model), profile(NO_LIMITS) as recorded, forward_hooks(model, note):
        try:
            model.eval().forward(x)
        except (ValueError, TypeError) as error:
            raise ValueError(
                "summary: input_shape must be a shape that the model takes, with the batch, "
                f"got {shape}: {error}"
            ) from error
    for layer in model.modules():
        rows[id(layer)].flops += recorded.flops_of(layer)
    found = Summary(
        shape,
        sum(p.data.nbytes for p in model.parameters()),
        sum(b.nbytes for b in model.buffers()),
        list(dict.fromkeys(rows.values())),
    )
    return found if depth is None else found.to_depth(depth)


def _list_layers(layer: Module, row: LayerSummary, rows: dict[int, LayerSummary]) -> None:
    """One row a layer; a child without a name, which adds no level, shares its parent's."""
    rows[id(layer)] = row
    for name, value in vars(layer).items():
        if isinstance(value, Parameter) and not name.startswith("_"):
            row.parameters += value.data.size
            row.trainable += value.data.size if value.requires_grad else 0
    for name, child in layer.named_children():
        full = f"{row.name}.{name}" if row.name else name
        own = LayerSummary(full, type(child).__name__, row.depth + 1) if name else row
        _list_layers(child, own, rows)


def _short(value: float) -> str:
    """Three digits and a prefix."""
    prefixes = iter(("", "k", "M", "G", "T"))
    prefix = next(prefixes)
    while value >= 999.5 and prefix != "T":
        value, prefix = value / 1000, next(prefixes)
    return f"{value:.3g} {prefix}"


def _bytes(value: float) -> str:
    return f"{_short(value)}B"
