"""Pictures of a search, as PNG files. Needs matplotlib: the extra ``fastnn[plot]``."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._figure import new_figure
from .axis import Axis
from .refine import best_trials
from .table import last_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.study import Study
    from optuna.trial import FrozenTrial

Path = str | os.PathLike[str]


def _split(function: str, study: "Study") -> "tuple[list[FrozenTrial], list[FrozenTrial]]":
    """The trials that have a value, and those that diverged before they had one."""
    trials = study.get_trials(deepcopy=False)
    valued = [t for t in trials if last_value(t) is not None]
    if not any(t.params for t in valued):
        raise ValueError(f"{function}: study must have trials with values, got none")
    return valued, [t for t in trials if last_value(t) is None and "diverged" in t.user_attrs]


def _names(trials: "Sequence[FrozenTrial]") -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.params))


def _values(trials: "Sequence[FrozenTrial]") -> np.ndarray:
    return np.array([last_value(trial) for trial in trials], float)


def plot_search(study: "Study", path: Path, *, ylabel: str = "value") -> None:
    """Result against each hyper-parameter: which one matters, and where its best values lie.

    Pruned trials are crosses at the last result that they reported, trials that diverged before
    they had one are at the bottom; the best trial is a star.

    Parameters
    ----------
    study : optuna study
    path : path
    ylabel : str
        What the objective returns.

    Raises
    ------
    ValueError
        No trial has a value.
    ImportError
        matplotlib is not installed.
    """
    trials, lost = _split("plot_search", study)
    names, values = _names(trials), _values(trials)
    done = np.array([t.state.name == "COMPLETE" for t in trials])
    order = np.array([t.number for t in trials])
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(2.9 * columns + 1.6, 2.9 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(names) :]:
        axes.axis("off")
    for axes, name in zip(grid.flat, names, strict=False):
        axis = Axis(name, trials + lost)
        x = axis.places(trials)
        axis.dress(axes)
        kind = {"vmin": 0, "vmax": max(1, order.max()), "cmap": "viridis"}
        shown = axes.scatter(x[done], values[done], 26, order[done], label="finished", **kind)
        if not done.all():
            axes.scatter(
                x[~done], values[~done], 22, order[~done], marker="x", label="pruned", **kind
            )
        _mark_diverged(axes, axis.places(lost))
        if best := best_trials(study, 1):
            axes.plot(axis.places(best), _values(best), "C3*", markersize=13, label="best")
        axes.grid(alpha=0.25)
    for row in grid:
        row[0].set_ylabel(ylabel)
    grid[0, 0].legend(fontsize=8)
    figure.colorbar(shown, ax=grid, label="trial", aspect=30)
    figure.savefig(path, dpi=120)


def _mark_diverged(axes: "Axes", x: np.ndarray) -> None:
    if len(x):
        bottom = axes.get_xaxis_transform()
        axes.plot(x, x * 0 + 0.03, "x", color="C3", ms=6, transform=bottom, label="diverged")


def plot_parallel(study: "Study", path: Path, *, ylabel: str = "value") -> None:
    """Parallel coordinates: a line a trial through its hyper-parameters to its result.

    Arguments and errors as in :func:`plot_search`; good trials are bright and lie on top.
    """
    trials, _ = _split("plot_parallel", study)
    sign = -1 if study.direction.name == "MINIMIZE" else 1
    trials.sort(key=lambda t: sign * float(last_value(t) or 0.0))
    names, values = _names(trials), _values(trials)
    axis = [Axis(name, trials) for name in names]
    columns = [a.to_unit(a.places(trials)) for a in axis]
    ticks = [[(float(a.to_unit(np.array(v))), text) for v, text in a.marks().items()] for a in axis]
    span = float(np.ptp(values)) or 1.0
    columns.append((values - values.min()) / span)
    ends = (values.min(), values.min() + span / 2, values.min() + span)
    ticks.append([((v - values.min()) / span, f"{v:.3g}") for v in ends])
    figure = new_figure(1.9 * len(columns) + 1.4, 4.2)
    axes = figure.subplots()
    lines = np.array(columns).T
    from matplotlib import colormaps

    shades = colormaps["viridis"](lines[:, -1] if sign > 0 else 1 - lines[:, -1])
    for line, shade in zip(lines, shades, strict=True):
        axes.plot(line, color=shade, linewidth=1.4, alpha=0.85)
    for place, marks in enumerate(ticks):
        axes.axvline(place, color="0.3", linewidth=0.8)
        for height, text in marks:
            axes.annotate(
                text,
                (place, height),
                (4, 0),
                textcoords="offset points",
                fontsize=8,
                va="center",
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
            )
    axes.set_xticks(range(len(columns)), [*names, ylabel])
    axes.set(yticks=[], ylim=(-0.05, 1.05), xlim=(-0.1, len(columns) - 0.55))
    axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=120)


def plot_grid_and_random(
    grid: "Study",
    random: "Study",
    path: Path,
    *,
    important: str,
    unimportant: str,
    ylabel: str = "value",
) -> None:
    """Two searches side by side: how many values of the hyper-parameter that matters each tried.

    The figure of Bergstra and Bengio 2012, with measured results: trials in the plane of two
    hyper-parameters, and above it what each value of the important one gave.

    Parameters
    ----------
    grid, random : optuna study
    path : path
    important, unimportant : str
        Hyper-parameters on the horizontal and the vertical axis.
    ylabel : str
        What the objective returns.

    Raises
    ------
    ValueError
        A study has no values, or none of these hyper-parameters.
    ImportError
        matplotlib is not installed.
    """
    studies = {"grid": grid, "random": random}
    results = {name: _split("plot_grid_and_random", study) for name, study in studies.items()}
    for name, (trials, _) in results.items():
        if not {important, unimportant} <= set(_names(trials)):
            raise ValueError(
                f"plot_grid_and_random: {name} must have searched {important!r} and "
                f"{unimportant!r}, got {_names(trials)}"
            )
    every = np.concatenate([_values(trials) for trials, _ in results.values()])
    figure = new_figure(9.6, 5.6)
    axes = figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=[1, 2.2], squeeze=False)
    for column, (name, (trials, lost)) in enumerate(results.items()):
        upper, lower = axes[0, column], axes[1, column]
        tried = trials + lost
        horizontal, vertical = Axis(important, tried), Axis(unimportant, tried)
        x, y, values = horizontal.places(trials), vertical.places(trials), _values(trials)
        best = int(
            values.argmax() if studies[name].direction.name == "MAXIMIZE" else values.argmin()
        )
        kind = {"vmin": every.min(), "vmax": every.max(), "cmap": "viridis", "zorder": 3}
        upper.vlines(x, every.min(), values, color="0.7", linewidth=1)
        upper.scatter(x, values, 30, values, **kind)
        shown = lower.scatter(x, y, 60, values, **kind)
        for place in horizontal.places(tried):
            lower.axvline(place, color="0.85", linewidth=1)
        far = horizontal.places(lost)
        lower.plot(far, vertical.places(lost), "x", color="C3")
        _mark_diverged(upper, far)
        for panel, height in ((upper, values[best]), (lower, y[best])):
            panel.plot(x[best], height, "C3*", markersize=15, zorder=4)
        different = len(np.unique(horizontal.places(tried)))
        upper.set_title(
            f"{name}: {len(tried)} trials, {different} values of {important}\n"
            f"best {ylabel} {values[best]:.4g}" + (f", {len(lost)} diverged (x)" if lost else ""),
            fontsize=10,
        )
        horizontal.dress(lower)
        vertical.dress(lower, "y")
    axes[0, 0].set_ylabel(ylabel)
    axes[1, 1].set_ylabel("")
    figure.colorbar(shown, ax=axes, label=ylabel, aspect=30)
    figure.savefig(path, dpi=120)
