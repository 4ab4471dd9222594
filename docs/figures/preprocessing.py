"""Figures of the page on preprocessing."""

import numpy as np
from matplotlib.figure import Figure

from fastnn import data


def clouds() -> Figure:
    """One cloud of points after each step."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 2)) @ np.array([[2.2, 1.3], [0.0, 0.6]]) + [4, 2.5]
    shown = {"original": x}
    for name, step in {
        "zero-centred": data.ChannelMean,
        "normalised": data.Standardize,
        "decorrelated": data.PCA,
        "whitened": data.PCAWhitening,
    }.items():
        shown[name] = step(dtype=np.float64).fit(x)(x)
    figure = Figure(figsize=(8.4, 2.2), layout="constrained")
    for (name, points), axes in zip(shown.items(), figure.subplots(1, 5), strict=True):
        axes.scatter(*points.T, s=3, alpha=0.5)
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.set(title=name, xlim=(-8, 11), ylim=(-8, 8), aspect="equal")
        axes.tick_params(labelsize=7)
    return figure
