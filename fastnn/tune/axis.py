"""A hyper-parameter as an axis of a plot."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

MARGIN = 0.06
"""Share of the range left free at each end, so that trials at a border are seen as such."""


class Axis:
    """Scale, range and ticks of the hyper-parameter ``name``, as it was searched."""

    def __init__(self, name: str, trials: "Sequence[FrozenTrial]") -> None:
        self.name = name
        found: list[Any] = [t.distributions[name] for t in trials if name in t.distributions]
        self.log = bool(getattr(found[0], "log", False))
        self.labels = [str(choice) for choice in getattr(found[0], "choices", ())]
        self.integer = not self.labels and isinstance(found[0].low, int)
        self.low = 0.0 if self.labels else min(d.low for d in found)
        self.high = len(self.labels) - 1.0 if self.labels else max(d.high for d in found)

    def places(self, trials: "Sequence[FrozenTrial]") -> np.ndarray:
        """The trials' values; a choice is its number, a value that is missing NaN."""
        values = [t.params.get(self.name, math.nan) for t in trials]
        if self.labels:
            return np.array([self.labels.index(str(v)) for v in values], float)
        return np.array(values, float)

    def to_unit(self, places: np.ndarray) -> np.ndarray:
        """From 0 at the lower end of the range to 1 at the upper, on the axis's scale."""
        low, high = (math.log(v) if self.log else v for v in (self.low, self.high))
        scaled = np.log(places) if self.log else places
        return np.asarray((scaled - low) / (high - low) if high > low else scaled * 0 + 0.5)

    def marks(self) -> dict[float, str]:
        """Ticks: the choices, or both ends of the range and its middle."""
        if self.labels:
            return {float(i): label for i, label in enumerate(self.labels)}
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        middle = round(middle) if self.integer else middle
        return {v: f"{v:.3g}" for v in (self.low, middle, self.high)}

    def dress(self, axes: "Axes", which: str = "x") -> None:
        """Name, scale, limits and ticks of the ``which`` axis."""
        axes.set(**{f"{which}label": self.name, f"{which}scale": "log" if self.log else "linear"})
        if self.log:
            spare = (self.high / self.low) ** MARGIN if self.high > self.low else 1.1
            limits = (self.low / spare, self.high * spare)
        else:
            spare = MARGIN * (self.high - self.low) or 0.5
            limits = (self.low - spare, self.high + spare)
        if limits[0] < limits[1]:
            axes.set(**{f"{which}lim": limits})
        few = self.integer and self.high - self.low <= 6
        if self.labels or few or (self.log and self.high < 100 * self.low):
            whole = range(int(self.low), int(self.high) + 1)
            marks = {float(v): str(v) for v in whole} if few else self.marks()
            axes.set(**{f"{which}ticks": list(marks), f"{which}ticklabels": list(marks.values())})
            axes.minorticks_off()
