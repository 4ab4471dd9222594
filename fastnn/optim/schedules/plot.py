"""Plot of schedules."""

import os
from collections.abc import Mapping

import numpy as np

from ..._figure import new_figure
from .compose import Schedule, as_schedule, check_positive

POINTS = 2000
"""Steps shown at most: more than a picture has pixels."""


def plot(
    schedules: float | Schedule | Mapping[str, float | Schedule],
    total: int,
    path: str | os.PathLike[str],
    *,
    log: bool = False,
    ylabel: str = "learning rate",
) -> None:
    """Draw a schedule, or several by name, over the steps 0 ... total - 1 into a PNG file.

    Parameters
    ----------
    schedules : schedule, or mapping of str to schedule
    total : int
    path : path
    log : bool
        Logarithmic axis of the values.
    ylabel : str

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        ``total`` is not positive.
    """
    check_positive("plot", total=total)
    named = schedules if isinstance(schedules, Mapping) else {"": schedules}
    steps = np.unique(np.linspace(0, total - 1, min(total, POINTS)).astype(int)).tolist()
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    for name, schedule in named.items():
        rate = as_schedule(schedule)
        axes.plot(steps, [rate(t) for t in steps], label=name, linewidth=1.6)
    axes.set(xlabel="step", ylabel=ylabel, yscale="log" if log else "linear")
    axes.grid(alpha=0.3)
    if isinstance(schedules, Mapping):
        figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=120)
