"""Plots as PNG files. Needs matplotlib: the extra ``fastnn[plot]``."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._figure import new_figure
from .history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .confusion import ConfusionMatrix


def plot_history(history: History | Mapping[str, History], path: str | os.PathLike[str]) -> None:
    """Learning curves: loss of every step with its moving average, and accuracy by epoch.

    Parameters
    ----------
    history : History, or mapping of str to History
        Several runs share the axes, a colour each.
    path : path

    Raises
    ------
    ValueError
        The mapping is empty.
    ImportError
        matplotlib is not installed.
    """
    runs = {"": history} if isinstance(history, History) else dict(history)
    if not runs:
        raise ValueError("plot_history: history must hold at least one run, got none")
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    for color, (name, run) in enumerate(runs.items()):
        _plot_losses(left, run, name, color, alone=len(runs) == 1)
        _plot_accuracies(right, run, name, f"C{color}")
    left.set(xlabel="step", ylabel="loss", yscale="log", title="Loss")
    left.legend()
    right.set(xlabel="epoch", ylabel="accuracy (%)", title="Accuracy")
    right.xaxis.get_major_locator().set_params(integer=True)
    if right.lines:
        right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=120)


def _plot_losses(axes: "Axes", run: History, name: str, color: int, alone: bool) -> None:
    losses = np.array(run.steps)
    steps = np.arange(1, len(losses) + 1)
    window = max(1, len(losses) // 50)
    mean = np.convolve(losses, np.full(window, 1 / window), "valid")
    alpha = 0.35 if alone else 0.15
    axes.scatter(
        steps, losses, 5, f"C{color}", alpha=alpha, linewidths=0, label="step" if alone else None
    )
    line = f"C{color + 1}" if alone else f"C{color}"
    label = f"mean of {window} steps"
    axes.plot(steps[window - 1 :], mean, line, label=f"{name} ({label})" if name else label)
    if run.epochs and "val_loss" in run.epochs[0]:
        axes.plot(
            run["step"],
            run["val_loss"],
            marker="o",
            markersize=3.5,
            color="C2" if alone else line,
            linestyle="-" if alone else "--",
            linewidth=1,
            label="validation" if alone else None,
        )


def _plot_accuracies(axes: "Axes", run: History, name: str, color: str) -> None:
    columns = [n for n in run.epochs[0] if n.endswith("accuracy")] if run.epochs else []
    for column in columns:
        validation = column.startswith("val_")
        what = column.removeprefix("val_").replace("_", " ").removesuffix("accuracy")
        label = " ".join(
            filter(None, [name, what.strip(), "validation" if validation else "training"])
        )
        axes.plot(
            run["epoch"],
            100 * np.array(run[column]),
            ".-" if validation else ".--",
            color=color if name else None,
            alpha=1 if validation or not name else 0.5,
            label=label,
        )


def plot_confusion(
    matrix: "ConfusionMatrix", path: str | os.PathLike[str], names: Sequence[str] | None = None
) -> None:
    """Confusion matrix: shares of each true class by colour, counts as numbers.

    Parameters
    ----------
    matrix : ConfusionMatrix
        Counts are written for 25 classes at most.
    path : path
    names : sequence of str, optional
        One a class; None: numbers.

    Raises
    ------
    ValueError
        The number of names is not that of the classes.
    ImportError
        matplotlib is not installed.
    """
    counts = matrix.counts
    number = len(counts)
    names = [str(i) for i in range(number)] if names is None else list(names)
    if len(names) != number:
        raise ValueError(f"plot_confusion: names must be {number}, one a class, got {len(names)}")
    share = counts / np.maximum(1, counts.sum(1, keepdims=True))
    side = min(12.0, 2.5 + 0.42 * number)
    figure = new_figure(side + 0.8, side)
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    ticks = np.arange(number) if number <= 40 else np.arange(0, number, -(-number // 20))
    labels = [names[i] for i in ticks]
    axes.set_xticks(ticks, labels, rotation=90 if max(map(len, labels)) > 3 else 0)
    axes.set_yticks(ticks, labels)
    axes.set(
        xlabel="predicted class",
        ylabel="true class",
        title=f"{100 * matrix.accuracy:.2f} % of {counts.sum():,} right",
    )
    for i, j in np.argwhere(counts) if number <= 25 else ():
        color = "white" if share[i, j] > 0.5 else "black"
        axes.text(j, i, f"{counts[i, j]}", ha="center", va="center", color=color, fontsize=8)
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
