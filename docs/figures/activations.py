"""Figures of the page on activations."""

import numpy as np
from matplotlib.figure import Figure

import fastnn.functional as F


def activations() -> Figure:
    """Every activation and its derivative."""
    x = np.linspace(-4, 4, 401)
    names = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus")
    figure = Figure(figsize=(8.4, 6.2), layout="constrained")
    for name, axes in zip(names, figure.subplots(3, 3, sharex=True).flat, strict=True):
        y = getattr(F, name)(x)
        kept = y if name in ("sigmoid", "tanh") else x
        slope = getattr(F, f"{name}_backward")(np.ones_like(x), kept)
        axes.axhline(0, color="0.8", linewidth=0.8)
        axes.plot(x, y, label="y")
        axes.plot(x, slope, "--", label="dy/dx")
        axes.set(title=name, ylim=(-2, 4))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(loc="upper left")
    return figure
