"""Plots as PNG files. Needs matplotlib: the extra ``fastnn[plot]``."""

import os

import numpy as np

from .._figure import new_figure
from .history import History


def plot_history(history: History, path: str | os.PathLike[str]) -> None:
    """Learning curves: loss of every step with its moving average, and accuracy by epoch.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    losses = np.array(history.steps)
    window = max(1, len(losses) // 50)
    left.scatter(np.arange(len(losses)), losses, s=4, alpha=0.35, label="step")
    smooth = np.convolve(losses, np.full(window, 1 / window), "valid")
    left.plot(np.arange(len(smooth)) + window - 1, smooth, "C1", label=f"mean of {window} steps")
    left.set(xlabel="step", ylabel="loss", yscale="log", title="Training loss")
    left.legend()
    columns = (
        [name for name in history.epochs[0] if name.endswith("accuracy")] if history.epochs else []
    )
    for name in columns:
        label = "validation" if name.startswith("val_") else "training"
        right.plot(history["epoch"], 100 * np.array(history[name]), ".-", label=label)
    right.set(xlabel="epoch", ylabel="accuracy (%)", title="Accuracy")
    right.xaxis.get_major_locator().set_params(integer=True)
    if columns:
        right.legend()
    figure.savefig(path, dpi=120)


def plot_mistakes(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    path: str | os.PathLike[str],
    *,
    limit: int = 24,
) -> int:
    """Grid of the images whose prediction is not their label; returns how many there are.

    Parameters
    ----------
    images : ndarray (N, C, H, W), C = 1 or 3
    labels, predictions : integers (N,)
    path : path
    limit : int
        Images shown at most.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    wrong = np.flatnonzero(labels != predictions)
    shown = wrong[:limit]
    columns = min(8, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure = new_figure(1.4 * max(columns, 3), 1.7 * rows + 0.5)
    figure.suptitle(f"{len(wrong)} of {len(labels)} wrong")
    for place, axes in enumerate(np.ravel(figure.subplots(rows, columns, squeeze=False))):
        axes.axis("off")
        if place < len(shown):
            i = shown[place]
            axes.imshow(images[i].transpose(1, 2, 0).squeeze(), cmap="gray_r")
            axes.set_title(f"{labels[i]}, not {predictions[i]}", fontsize=9)
    figure.savefig(path, dpi=120)
    return len(wrong)
