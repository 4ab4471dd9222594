"""Figures of the page on hyper-parameter search."""

import numpy as np
from matplotlib.figure import Figure


def grid_and_random() -> Figure:
    """The figure of Bergstra and Bengio 2012: what either search sees of the one that matters."""

    def good(x: np.ndarray) -> np.ndarray:
        return np.exp(-(((x - 0.63) / 0.13) ** 2))

    side = (np.arange(3) + 0.5) / 3
    points = {
        "grid: 3 values": np.stack(np.meshgrid(side, side), -1).reshape(-1, 2),
        "random: 9 values": np.random.default_rng(57).random((9, 2)),
    }
    curve = np.linspace(0, 1, 200)
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    for (name, p), axes in zip(points.items(), figure.subplots(1, 2), strict=True):
        axes.plot(curve, 1.05 + 0.4 * good(curve), "C1", clip_on=False)
        axes.plot(p[:, 0], p[:, 1], "C0o")
        axes.vlines(p[:, 0], p[:, 1], 1.05 + 0.4 * good(p[:, 0]), color="0.8", linewidth=0.8)
        axes.set(title=name, xlim=(0, 1), ylim=(0, 1.5), xticks=[], yticks=[])
        axes.set(xlabel="important parameter", ylabel="unimportant parameter")
    return figure
