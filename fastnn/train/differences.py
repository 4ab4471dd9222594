"""Central differences, and whether they can be trusted."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

EPS = float(np.finfo(np.float64).eps)

ROUNDING = 100
"""Rounding error of the objective that is allowed for, in units of eps times its magnitude."""

UNSETTLED = 4
"""How many times the higher differences an error must be to count as one. A single kink makes an
error of at most half of them, wherever it lies; several may add up."""


class Difference(NamedTuple):
    """A gradient's value beside the difference quotient.

    ``error`` is relative to the larger of them, and to rounding / rtol at least: an error within
    rounding is within rtol. ``kink`` says that the quotient itself is not settled to within the
    error.
    """

    place: tuple[int, ...]
    analytic: float
    numerical: float
    error: float
    kink: bool


def compare(
    values: Callable[[], np.ndarray],
    base: np.ndarray,
    array: np.ndarray,
    gradient: np.ndarray,
    place: int,
    h: float,
    rtol: float,
) -> Difference:
    """Move one value of ``array`` by -2h, -h, h, 2h, times max(1, its magnitude), and back.

    ``base`` is what ``values()`` gives before.

    Outputs that do not change drop out of the differences before they are summed, and so does
    their rounding, but for a last one.
    """
    index = tuple(int(i) for i in np.unravel_index(place, array.shape))
    value = float(array[index])
    step = h * max(1.0, abs(value))
    change, touched = {}, np.zeros(base.shape, bool)
    for k in (-2, -1, 1, 2):
        array[index] = value + k * step
        moved = values()
        touched |= moved != base
        change[k] = float((moved - base).sum())
    array[index] = value
    numerical = (change[1] - change[-1]) / (2 * step)
    third = change[2] - 2 * change[1] + 2 * change[-1] - change[-2]
    fourth = change[2] - 4 * change[1] - 4 * change[-1] + change[-2]
    analytic = float(gradient[index])
    error = abs(analytic - numerical)
    magnitude = ROUNDING * np.abs(base[touched]).sum() + np.abs(base).sum()
    rounding = EPS * float(magnitude) / step
    size = max(abs(analytic), abs(numerical), rounding / rtol)
    kink = error <= UNSETTLED * max(abs(third), abs(fourth)) / step
    return Difference(index, analytic, numerical, error / size if error else 0.0, kink)
