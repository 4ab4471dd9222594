"""Statistics of what every layer puts out: is the signal alive, dying or saturated?"""

import copy
import os
from dataclasses import dataclass

import numpy as np

from .. import functional as F
from ..nn import Module, Residual, Sigmoid, forward_hooks
from ..nn.activation import Activation
from ..nn.hooks import preserved
from ..nn.linear import Weighted
from ..nn.norm import BatchNorm
from ..nn.sample_norm import SampleNorm

FLAT = 0.05
"""Share of an activation's steepest slope below which a value counts as saturated."""
BINS = 240
RANGES = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}


@dataclass(frozen=True)
class LayerStatistics:
    """The values of one layer's output.

    Attributes
    ----------
    name, kind : str
        Dotted name and class.
    shape : tuple of int
    mean, std : float
    saturated : float or None
        Share of the values where the activation is flat: its slope is below 5 % of its steepest,
        which is 1/4 for the sigmoid and taken to be 1 for all others. For ReLU these are the
        zeros, for tanh abs(y) > 0.975, for the sigmoid y < 0.013 and y > 0.987. None where the
        layer is no activation.
    dead : float or None
        Share of the units (positions on axis 1: features, or channels) all of whose values are
        saturated. No gradient, or hardly any, reaches their weights.
    counts, edges : ndarray (bins,), (bins + 1,)
        Histogram of the finite values; on [-1, 1] for tanh and [0, 1] for the sigmoid, else from
        the least value to the largest.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    saturated: float | None
    dead: float | None
    counts: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True)
class ActivationStatistics:
    """What :func:`activation_statistics` returns: ``print`` it, or :meth:`plot` it.

    Attributes
    ----------
    layers : list of LayerStatistics
        In the order in which they ran.
    """

    layers: list[LayerStatistics]

    @property
    def activations(self) -> list[LayerStatistics]:
        """The activations alone; all layers where there are none."""
        return [layer for layer in self.layers if layer.saturated is not None] or self.layers

    def __str__(self) -> str:
        names = [f"{layer.name}  {layer.kind}" for layer in self.layers]
        wide = max(map(len, [*names, "layer"]))
        lines = [f"{'layer':{wide}}{'mean':>12}{'std':>11}{'saturated':>12}{'dead':>8}"]
        for name, layer in zip(names, self.layers, strict=True):
            line = f"{name:{wide}}{layer.mean:12.3g}{layer.std:11.3g}"
            if layer.saturated is not None and layer.dead is not None:
                line += f"{100 * layer.saturated:10.1f} %{100 * layer.dead:6.1f} %"
            lines.append(line)
        return "\n".join(lines)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Histograms of the activations as a PNG file, a panel a layer.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        from .activations_plot import plot_activations

        plot_activations({"": self}, path)


def activation_statistics(model: Module, x: np.ndarray) -> ActivationStatistics:
    """Mean, standard deviation, saturated and dead share of every layer's output on ``x``.

    Seen are activations, residual blocks with one, layers with a weight, and norms. The model runs
    once in its present mode (dropout and the statistics of the batch count in training mode), and
    its running statistics, random streams and pending backward are left as they were.

    Parameters
    ----------
    model : Module
    x : ndarray
        A batch of inputs.

    Returns
    -------
    ActivationStatistics

    Raises
    ------
    ValueError
        ``x`` is empty.
    TypeError
        ``x`` is no ndarray.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, section 3: histograms of activations, layer by layer.

    Examples
    --------
    >>> statistics = fastnn.train.activation_statistics(model, x)
    >>> print(statistics)
    >>> statistics.plot("activations.png")
    """
    if not isinstance(x, np.ndarray):
        raise TypeError(f"activation_statistics: x must be an ndarray, got {type(x).__name__}")
    if x.size == 0:
        raise ValueError(f"activation_statistics: x must not be empty, got shape {x.shape}")
    layers: list[LayerStatistics] = []

    def look(name: str, layer: Module, x: np.ndarray, y: np.ndarray) -> None:
        slope = _slope(layer, x, y)
        if slope is not None or isinstance(layer, (Weighted, BatchNorm, SampleNorm)):
            layers.append(_statistics(name, layer, y, slope))

    with preserved(model), forward_hooks(model, look), np.errstate(all="ignore"):
        model.forward(x)
    return ActivationStatistics(layers)


def _slope(layer: Module, x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Derivative of the layer's activation at each value, in units of its steepest."""
    slope: np.ndarray | None
    if isinstance(layer, Activation):
        twin = copy.deepcopy(layer).train()
        twin.forward(x)
        slope = twin.backward(np.ones_like(y))
        steepest = 0.25 if isinstance(layer, Sigmoid) else 1
    elif isinstance(layer, Residual) and layer.activation is not None:
        # Two of these take y; the others only the sign of their input, which y has too.
        backward = getattr(F, f"{layer.activation}_backward")
        elu = layer.activation == "elu"
        slope = np.minimum(y, 0) + 1 if elu else backward(np.ones_like(y), y)
        steepest = 0.25 if layer.activation == "sigmoid" else 1
    else:
        return None
    return None if slope is None else slope / steepest


def _statistics(
    name: str, layer: Module, y: np.ndarray, slope: np.ndarray | None
) -> LayerStatistics:
    saturated = dead = None
    if slope is not None:
        flat = np.abs(slope) < FLAT
        saturated = float(flat.mean())
        others = tuple(axis for axis in range(y.ndim) if axis != 1)
        dead = float(flat.all(axis=others).mean())
    finite = y[np.isfinite(y)]
    extent = RANGES.get(type(layer).__name__)
    counts, edges = np.histogram(finite, BINS, extent)
    return LayerStatistics(
        name or "model",
        type(layer).__name__,
        y.shape,
        float(y.mean(dtype=np.float64)),
        float(y.std(dtype=np.float64)),
        saturated,
        dead,
        counts,
        edges,
    )
