"""Figures of the page on dropout."""

import numpy as np
from matplotlib.figure import Figure

import fastnn.functional as F


def dropout_mask() -> Figure:
    """What dropout and dropout2d drop of eight channels of one image, black."""
    x = np.ones((1, 8, 12, 12), np.float32)
    figure = Figure(figsize=(8.4, 2.5), layout="constrained")
    for name, axes in zip(("dropout", "dropout2d"), figure.subplots(1, 2), strict=True):
        y = getattr(F, name)(x, 0.4, seed=3)
        tiles = np.pad(y[0], ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
        picture = tiles.reshape(2, 4, 14, 14).transpose(0, 2, 1, 3).reshape(28, 56)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=y.max() * 1.15)
        axes.set_title(f"{name}(x, 0.4, seed=3)")
        axes.axis("off")
    return figure
