"""``plot_augmented``: a picture of what a network sees. Needs matplotlib: ``fastnn[plot]``."""

import os
from collections.abc import Sequence

import numpy as np

from .._figure import new_figure
from .crops import resize
from .fused import Fused, Normalize
from .transforms import Compose, ImageTransform

WHITE = 1.0
INCHES = 0.85
"""Of a cell; with the size of the images at least one dot a pixel."""

DPI = 110


def plot_augmented(
    x: np.ndarray,
    augment: Compose | Sequence[Fused | ImageTransform],
    path: str | os.PathLike[str],
    *,
    index: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    epochs: int = 9,
    seed: int = 0,
    title: str = "",
) -> None:
    """Grid with a row for each image: itself, then as it comes in each epoch.

    Column e shows the very images that a loader over ``x`` with this seed gives in epoch e.

    Parameters
    ----------
    x : uint8 ndarray (N, C, H, W), C = 1 or 3
        The data set.
    augment : Compose or a sequence of transforms
        A :class:`Normalize` in it is undone for the picture.
    path : path
        PNG file to write.
    index : int64 ndarray (n,), optional
        The images to show, a row each; None: the first 8.
    labels : sequence of str, optional
        Written beside the rows.
    epochs : int
        Columns behind the original.
    seed : int
    title : str

    Raises
    ------
    ValueError
        ``x`` is no batch of grey or RGB images, or ``index``, ``labels`` or ``epochs`` do not fit.
    TypeError
        ``x`` is not uint8.
    ImportError
        matplotlib is not installed.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3) or x.size == 0:
        raise ValueError(f"plot_augmented: x must be (N, 1 or 3, H, W) with pixels, got {x.shape}")
    index = np.arange(min(len(x), 8)) if index is None else index
    rows = [""] * len(index) if labels is None else labels
    if epochs < 1 or len(index) == 0:
        raise ValueError(
            f"plot_augmented: epochs and images must be at least 1, got {epochs} and {len(index)}"
        )
    if len(rows) != len(index):
        raise ValueError(f"plot_augmented: labels must be {len(index)}, got {len(rows)}")
    compose = augment if isinstance(augment, Compose) else Compose(augment)
    columns = [
        _shown(compose(x, index, seed=seed, epoch=epoch), compose) for epoch in range(epochs)
    ]
    h, w = columns[0].shape[2:]
    original = x[index] if x.shape[2:] == (h, w) else resize(x[index], (h, w))
    grid = _mosaic([original / np.float32(255), *columns], gap=max(1, round(max(h, w) / 12)))
    height, width = grid.shape[:2]
    cell = max(INCHES, max(h, w) / DPI) / max(h, w)
    figure = new_figure(cell * width + 1, cell * height + 0.7)
    axes = figure.add_subplot()
    axes.imshow(
        grid[..., 0] if grid.shape[2] == 1 else grid,
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    x_middles = np.arange(epochs + 1) * width / (epochs + 1) + w / 2 - 0.5
    y_middles = np.arange(len(rows)) * height / len(rows) + h / 2 - 0.5
    names = ["original", *(f"epoch {epoch}" for epoch in range(epochs))]
    axes.set_xticks(x_middles, names, fontsize=8)
    axes.set_yticks(y_middles, rows, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10)
    figure.savefig(path, dpi=DPI)


def _shown(batch: np.ndarray, compose: Compose) -> np.ndarray:
    """Values from 0 to 1 again."""
    for transform in compose.transforms:
        if isinstance(transform, Normalize):
            mean, std = (np.reshape(v, (1, -1, 1, 1)) for v in (transform.mean, transform.std))
            batch = batch * std + mean
    return batch.clip(0, 1)


def _mosaic(columns: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """(rows, columns, C) of batches side by side on white, with a gap behind and below each."""
    n, c, h, w = columns[0].shape
    grid = np.full((n, h + gap, len(columns), w + gap, c), WHITE, np.float32)
    for i, batch in enumerate(columns):
        grid[:, :h, i, :w] = batch.transpose(0, 2, 3, 1)
    return grid.reshape(n * (h + gap), len(columns) * (w + gap), c)
