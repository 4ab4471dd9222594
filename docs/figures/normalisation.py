"""Figures of the page on normalisation."""

import numpy as np
from matplotlib.figure import Figure


def normalised_axes() -> Figure:
    """Which values share a mean and a variance, for each of the four layers."""
    samples, channels = np.mgrid[:4, :6]
    groups = {
        "batch_norm": channels,
        "layer_norm": samples,
        "instance_norm": samples * 6 + channels,
        "group_norm, 2 groups": samples * 2 + channels // 3,
    }
    figure = Figure(figsize=(8.4, 2.6), layout="constrained")
    for (name, number), axes in zip(groups.items(), figure.subplots(1, 4), strict=True):
        colours = (number * 7 % 24) / 24  # neighbours far apart on the colour wheel
        axes.pcolormesh(colours, cmap="hsv", vmin=0, vmax=1, alpha=0.7, edgecolors="white")
        axes.set(title=name, xlabel="channel", xticks=[], yticks=[])
        axes.invert_yaxis()
    figure.axes[0].set_ylabel("sample")
    return figure
