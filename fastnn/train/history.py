"""``History``: what a run measured."""

import json
import math
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from ..io import write_atomically

MODES = ("auto", "min", "max")


@dataclass(repr=False)
class History:
    """Losses by step and results by epoch.

    Attributes
    ----------
    steps : list of float
        Training loss of every step.
    learning_rates : list of float
        Learning rate of every step, of the first parameter group.
    epochs : list of dict
        One an epoch: ``epoch``, ``step`` (steps done in all), ``loss``, the metrics, ``val_loss``,
        ``val_...``, ``lr``, ``seconds``, ``samples_per_second``. Training figures are over the
        epoch's batches, as the model was when it saw them. ``pandas.DataFrame(history.epochs)``
        is a table.
    interrupted : bool
        Whether Ctrl-C ended the run.
    stopped : str or None
        Why the run ended before its last epoch.
    best_epoch : int or None
        Epoch of the best checkpoint, None without validation.
    """

    steps: list[float] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    stopped: str | None = None
    best_epoch: int | None = None

    def __getitem__(self, name: str) -> list[Any]:
        """The column ``name``, one value an epoch.

        Raises
        ------
        KeyError
            An epoch has no such column.
        """
        try:
            return [row[name] for row in self.epochs]
        except KeyError:
            columns = ", ".join(self.epochs[0])
            raise KeyError(f"History: name must be one of {columns}, got {name!r}") from None

    def __repr__(self) -> str:
        """One line: what a notebook shows after ``trainer.fit(...)``."""
        last = f"; the last: {describe(self.epochs[-1])}" if self.epochs else ""
        ending = f"; stopped: {self.stopped}" if self.stopped else ""
        return f"<History: {len(self.steps)} steps, {len(self.epochs)} epochs{last}{ending}>"

    def best(self, monitor: str, mode: str = "auto") -> dict[str, Any] | None:
        """Row of the best epoch, the first of equals; None if no value is a number.

        Parameters
        ----------
        monitor : str
            A column.
        mode : "auto", "min" or "max"
            "auto": the smallest if the name ends in "loss", else the largest.
        """
        sign = direction("History.best", monitor, mode)
        rows = [
            row
            for row, value in zip(self.epochs, self[monitor], strict=True)
            if not math.isnan(value)
        ]
        return max(rows, key=lambda row: sign * float(row[monitor]), default=None)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Learning curves as PNG; see :func:`plot_history`."""
        from .plot import plot_history

        plot_history(self, path)

    def to_dict(self) -> dict[str, Any]:
        """Copy as plain data, by attribute."""
        # Not dataclasses.asdict: it copies every float by itself, a second for a million steps.
        lists = {"steps": self.steps[:], "learning_rates": self.learning_rates[:]}
        return {**vars(self), **lists, "epochs": [dict(row) for row in self.epochs]}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON, atomically."""
        write_atomically(path, json.dumps(self.to_dict()).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            The file is no history.
        """
        data = json.loads(Path(path).read_bytes())
        names = {f.name for f in fields(cls)}
        if not isinstance(data, dict) or data.keys() != names:
            raise ValueError(
                f"History.load: {os.fspath(path)} must have {', '.join(sorted(names))}"
            )
        return cls(**data)


def direction(owner: str, monitor: str, mode: str) -> int:
    """-1 where smaller is better, 1 where larger is."""
    if mode not in MODES:
        raise ValueError(f"{owner}: mode must be one of {', '.join(MODES)}, got {mode!r}")
    smaller = monitor.endswith("loss") if mode == "auto" else mode == "min"
    return -1 if smaller else 1


def describe(row: dict[str, Any]) -> str:
    """An epoch's results in one line."""
    parts = []
    for name, value in row.items():
        if name.endswith("accuracy"):
            parts.append(f"{name} {100 * value:.2f} %")
        elif name == "samples_per_second":
            parts.append(f"{value:,.0f} images/s")
        elif name not in ("epoch", "step", "lr", "seconds"):
            parts.append(f"{name} {value:.4f}")
    return ", ".join(parts)
