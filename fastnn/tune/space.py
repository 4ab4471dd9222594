"""Search spaces as plain data: what a hyper-parameter may be, and on which scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from optuna.trial import Trial


@dataclass(frozen=True)
class Range:
    """Base of the numeric dimensions: from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: ClassVar[bool] = False
    integer: ClassVar[bool] = False

    def __post_init__(self) -> None:
        name, low, high = type(self).__name__, self.low, self.high
        kind, word = (Integral, "integers") if self.integer else (Real, "numbers")
        if not (isinstance(low, kind) and isinstance(high, kind)):
            raise TypeError(f"{name}: low and high must be {word}, got {low!r} and {high!r}")
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"{name}: low must be at most high, got {low} and {high}")
        if self.log and not low > 0:
            raise ValueError(f"{name}: low must be positive on a logarithmic scale, got {low}")

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}{', logarithmic' if self.log else ''}"

    def suggest(self, trial: "Trial", name: str) -> float:
        """The trial's value of the hyper-parameter ``name``."""
        if self.integer:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, float(self.low), float(self.high), log=self.log)

    def to_unit(self, value: float) -> float:
        """Where ``value`` lies on the scale: 0 at ``low``, 1 at ``high``."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low) if high > low else 0.5

    def from_unit(self, place: float) -> float:
        """The number at ``place`` of the scale; inverse of :meth:`to_unit`, not rounded."""
        low, high = (math.log(v) if self.log else v for v in (self.low, self.high))
        value = low + place * (high - low)
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    def grid(self, points: int) -> list[Any]:
        """``points`` values, evenly spaced on the scale, ends included; one is the middle."""
        places = np.linspace(0, 1, points) if points > 1 else [0.5]
        values = [self.from_unit(float(place)) for place in places]
        return sorted({round(v) for v in values}) if self.integer else values


@dataclass(frozen=True)
class Uniform(Range):
    """A float, uniform from ``low`` to ``high``: dropout, momentum."""


@dataclass(frozen=True)
class LogUniform(Range):
    """A float whose logarithm is uniform: learning rate, weight decay."""

    log: ClassVar[bool] = True


@dataclass(frozen=True)
class Integer(Range):
    """An integer, uniform from ``low`` to ``high``, both included: layers."""

    low: int
    high: int
    integer: ClassVar[bool] = True


@dataclass(frozen=True)
class LogInteger(Integer):
    """An integer that is uniform on a logarithmic scale: units, batch size."""

    log: ClassVar[bool] = True


@dataclass(frozen=True, init=False)
class Categorical:
    """One of some choices without an order: None, booleans, numbers or strings."""

    choices: tuple[Any, ...]

    def __init__(self, choices: Sequence[Any]) -> None:
        if isinstance(choices, str) or not len(choices):
            raise ValueError(f"Categorical: choices must be a list of values, got {choices!r}")
        object.__setattr__(self, "choices", tuple(choices))

    def __str__(self) -> str:
        return "one of " + ", ".join(map(str, self.choices))

    def suggest(self, trial: "Trial", name: str) -> Any:
        """The trial's value of the hyper-parameter ``name``."""
        return trial.suggest_categorical(name, self.choices)

    def grid(self, points: int) -> list[Any]:
        """All choices, however many ``points`` are asked for."""
        return list(self.choices)


Dimension = Range | Categorical
Space = Mapping[str, Dimension]
"""Hyper-parameters by name."""

Params = Mapping[str, Any]
"""Values of the hyper-parameters by name."""


def suggest(trial: "Trial", space: Space) -> dict[str, Any]:
    """The values that an Optuna trial gives to ``space``: its ``suggest_*`` calls.

    Use it in an objective of your own, beside other ``trial.suggest_*`` calls.
    """
    return {name: dimension.suggest(trial, name) for name, dimension in space.items()}


def grid(space: Space, points: int | Mapping[str, int] = 3) -> dict[str, list[Any]]:
    """The values of a grid over ``space``, by name.

    Parameters
    ----------
    space : mapping of str to dimension
    points : int or mapping of str to int
        Values of each numeric dimension, evenly spaced on its scale; a categorical one has all
        its choices.

    Raises
    ------
    ValueError
        A number of points is no positive integer.
    """
    named = points if isinstance(points, Mapping) else dict.fromkeys(space, points)
    counts = {name: named.get(name, 3) for name in space}
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < 1:
            raise ValueError(f"grid: points of {name} must be a positive integer, got {count}")
    return {name: dimension.grid(counts[name]) for name, dimension in space.items()}


def check_space(function: str, space: Space) -> None:
    """TypeError or ValueError unless ``space`` maps names to dimensions."""
    if not isinstance(space, Mapping) or not space:
        raise ValueError(f"{function}: space must map names to dimensions, got {space!r}")
    for name, dimension in space.items():
        if not isinstance(dimension, Range | Categorical):
            raise TypeError(
                f"{function}: space[{name!r}] must be Uniform, LogUniform, Integer, LogInteger or "
                f"Categorical, got {dimension!r}"
            )
