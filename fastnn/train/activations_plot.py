"""Histograms of activations, layer by layer, as the lectures show them."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .._figure import new_figure
from .activations import RANGES, ActivationStatistics, LayerStatistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 8
BARS = 40


def plot_activations(
    runs: Mapping[str, ActivationStatistics], path: str | os.PathLike[str]
) -> None:
    """Histograms of the activations as a PNG file, a row a run and a panel a layer.

    The panels of a run share their range; heights are relative to the tallest bar. A bar that is
    over three times as tall as all others, such as that of ReLU's zeros, is cut there.

    Parameters
    ----------
    runs : mapping of str to ActivationStatistics
        The name of each run and its statistics: networks with different initialisations, say.
        A single run with many layers takes several rows.
    path : path

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        There is no run, or a run has no layer.
    """
    if not runs or not all(run.layers for run in runs.values()):
        raise ValueError(f"plot_activations: runs must have layers, got {list(runs) or 'none'}")
    rows: list[tuple[str, list[LayerStatistics], tuple[float, float]]] = []
    for name, run in runs.items():
        layers, extent = run.activations, _extent(run.activations)
        for start in range(0, len(layers), COLUMNS):
            rows.append(("" if start else name, layers[start : start + COLUMNS], extent))
    columns = max(len(layers) for _, layers, _ in rows)
    figure = new_figure(1.9 * columns + 0.4, 1.75 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, layers, extent) in zip(grid, rows, strict=True):
        line[0].set_ylabel(name)
        for axes in line[len(layers) :]:
            axes.axis("off")
        for axes, layer in zip(line, layers, strict=False):
            _panel(axes, layer, extent)
    figure.savefig(path, dpi=120)


def _extent(layers: list[LayerStatistics]) -> tuple[float, float]:
    """From the least value to the largest of a run, but for one in a thousand of each layer."""
    ends = []
    for layer in layers:
        if layer.kind in RANGES:
            ends.append((layer.edges[0], layer.edges[-1]))
        elif layer.counts.sum():
            share = np.cumsum(layer.counts) / layer.counts.sum()
            low, high = np.searchsorted(share, (0.0005, 0.9995))
            ends.append((layer.edges[low], layer.edges[high + 1]))
    if not ends:
        return 0.0, 1.0
    return float(min(low for low, _ in ends)), float(max(high for _, high in ends))


def _panel(axes: "Axes", layer: LayerStatistics, extent: tuple[float, float]) -> None:
    centres = (layer.edges[:-1] + layer.edges[1:]) / 2
    heights, edges = np.histogram(centres, BARS, extent, weights=layer.counts)
    *_, second, tallest = np.sort(heights)
    top = 3 * second if 0 < 3 * second < tallest else tallest
    axes.stairs(heights, edges, fill=True, color="C0")
    axes.set(xlim=extent, ylim=(0, 1.05 * top or 1), yticks=[])
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=4)
    share = "" if layer.saturated is None else f"\n{100 * layer.saturated:.0f} % saturated"
    axes.set_title(
        f"{layer.name} {layer.kind}\nmean {layer.mean:.2g}, std {layer.std:.2g}{share}", fontsize=7
    )
