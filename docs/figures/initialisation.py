"""Figures of the page on weight initialisation."""

import numpy as np
from matplotlib.figure import Figure

import fastnn.functional as F
from fastnn import init


def six_layers() -> Figure:
    """Histograms of the outputs of six tanh layers of 512 units."""
    starts = {
        "normal, 0.01": lambda shape, rng: init.normal(shape, 0.01, rng=rng),
        "normal, 0.05": lambda shape, rng: init.normal(shape, 0.05, rng=rng),
        "normal, 1": lambda shape, rng: init.normal(shape, 1.0, rng=rng),
        "xavier_normal": lambda shape, rng: init.xavier_normal(shape, rng=rng),
    }
    figure = Figure(figsize=(8.4, 5), layout="constrained")
    grid = figure.subplots(len(starts), 6, sharex=True)
    for row, (name, start) in zip(grid, starts.items(), strict=True):
        x = np.random.default_rng(0).standard_normal((500, 512), dtype=np.float32)
        for layer, axes in enumerate(row):
            x = F.linear(x, start((512, 512), layer), activation="tanh")
            axes.hist(x.ravel(), bins=50, range=(-1, 1), color="C0")
            axes.set_yticks([])
            axes.set_title(f"std {x.std():.2g}", fontsize=8)
        row[0].set_ylabel(name, fontsize=8)
    for layer, axes in enumerate(grid[-1], 1):
        axes.set_xlabel(f"layer {layer}")
    return figure
