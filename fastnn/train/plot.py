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

    A run without accuracy shows its learning rate in their place.

    Parameters
    ----------
    history : History, or mapping of str to History
        Several runs share the axes, a colour each.
    path : path

    Raises
    ------
    ValueError
        There is no run, or one has no step.
    ImportError
        matplotlib is not installed.
    """
    runs = {"": history} if isinstance(history, History) else dict(history)
    if not runs or not all(run.steps for run in runs.values()):
        counts = {name: len(run.steps) for name, run in runs.items()}
        raise ValueError(
            f"plot_history: history must be one or more runs of at least a step, got {counts}"
        )
    figure = new_figure(11, 4.2)
    from matplotlib.ticker import LogLocator, MaxNLocator

    alone = len(runs) == 1
    left, right = figure.subplots(1, 2)
    for number, (name, run) in enumerate(runs.items()):
        training, validation = ("C0", "C1") if alone else (f"C{number}", f"C{number}")
        _plot_losses(left, run, "" if alone else name, training, validation)
        _plot_accuracies(right, run, "" if alone else name, training, validation)
    left.set(xlabel="step", ylabel="loss", yscale="log", title="Loss")
    left.yaxis.set_major_formatter("{x:g}")
    low, high = left.get_ylim()
    if high < 100 * low:  # else the decades are labels enough
        left.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        left.yaxis.set_minor_formatter("{x:g}")
    if right.lines:
        right.set(xlabel="epoch", ylabel="accuracy (%)", title="Accuracy")
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        for name, run in runs.items():
            right.plot(run.learning_rates, label=None if alone else name)
        right.set(xlabel="step", ylabel="learning rate", title="Learning rate")
    for axes, dashed in ((left, "validation"), (right, "training")):
        axes.grid(alpha=0.25)
        if not alone and (axes is left or right.get_xlabel() == "epoch"):
            axes.plot([], [], "--", color="grey", label=dashed)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    figure.savefig(path, dpi=120)


def _plot_losses(axes: "Axes", run: History, name: str, training: str, validation: str) -> None:
    """``name`` is empty for a run alone."""
    losses = np.array(run.steps)
    steps = np.arange(1, len(losses) + 1)
    window = max(1, len(losses) // 50)
    mean = np.convolve(losses, np.full(window, 1 / window), "valid")
    alpha, label = (0.15, None) if name else (0.3, "training, a step")
    axes.scatter(steps, losses, 6, training, alpha=alpha, linewidths=0, label=label)
    middle = steps[window // 2 :][: len(mean)]
    axes.plot(middle, mean, color=training, label=name or f"training, mean of {window}")
    if run.epochs and "val_loss" in run.epochs[0]:
        style = "o--" if name else "o-"
        label = None if name else "validation"
        values = run["val_loss"]
        axes.plot(run["step"], values, style, color=validation, lw=1, ms=3, label=label)


def _plot_accuracies(axes: "Axes", run: History, name: str, training: str, validation: str) -> None:
    columns = [n for n in run.epochs[0] if n.endswith("accuracy")] if run.epochs else []
    for column in columns:
        is_training = not column.startswith("val_")
        what = column.removeprefix("val_").removesuffix("accuracy").replace("_", " ").strip()
        part = name or ("training" if is_training else "validation")
        axes.plot(
            run["epoch"],
            100 * np.array(run[column]),
            "." + ("--" if is_training else "-"),
            color=training if is_training else validation,
            alpha=0.5 if what or (name and is_training) else 1,
            label=None if name and is_training else f"{part} {what}".strip(),
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
