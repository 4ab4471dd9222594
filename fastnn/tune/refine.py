"""``refine``: from a coarse search to a finer one."""

import math
import warnings
from typing import TYPE_CHECKING

from .space import Categorical, Dimension, Range, Space, check_space

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

BORDER = 0.1
"""Share of a range at each end that counts as its border."""


def best_trials(study: "Study", count: int | None = None) -> "list[FrozenTrial]":
    """The finished trials, best first, ties in the order of their numbers."""
    done = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    sign = -1 if study.direction.name == "MAXIMIZE" else 1
    return sorted(done, key=lambda t: (sign * (t.value or 0.0), t.number))[:count]


def refine(
    study: "Study", space: Space, *, top: int | None = None, margin: float = 0.1
) -> dict[str, Dimension]:
    """Narrow ``space`` around the best trials of ``study``.

    A numeric dimension becomes the range of its values in the best trials, widened on either side
    by ``margin`` of the old range (on its own scale) and kept within it; a categorical one keeps
    the choices that the best trials made.

    Parameters
    ----------
    study : optuna study
    space : mapping of str to dimension
        That of the study.
    top : int, optional
        Number of best trials; None: a fifth of those that finished, at least three.
    margin : float >= 0

    Warns
    -----
    UserWarning
        The best trial lies in the outermost tenth of a range: what is best may lie outside.

    Raises
    ------
    ValueError
        No trial has finished, ``top`` is not positive or ``margin`` negative.
    """
    check_space("refine", space)
    done = best_trials(study)
    if not done:
        raise ValueError("refine: study must have finished trials, got none")
    if (top is not None and top < 1) or not margin >= 0:
        raise ValueError(f"refine: top must be positive and margin >= 0, got {top} and {margin}")
    chosen = done[: max(3, len(done) // 5) if top is None else top]
    for text in at_border(study, space):
        warnings.warn(f"refine: {text}", stacklevel=2)
    finer: dict[str, Dimension] = {}
    for name, dimension in space.items():
        values = [trial.params[name] for trial in chosen]
        if isinstance(dimension, Categorical):
            finer[name] = Categorical([c for c in dimension.choices if c in values])
        else:
            finer[name] = _narrow(dimension, values, margin)
    return finer


def _narrow(dimension: Range, values: list[float], margin: float) -> Range:
    places = [dimension.to_unit(value) for value in values]
    low = dimension.from_unit(max(0.0, min(places) - margin))
    high = dimension.from_unit(min(1.0, max(places) + margin))
    if dimension.integer:
        low, high = max(math.floor(low), dimension.low), min(math.ceil(high), dimension.high)
    return type(dimension)(low, high)


def at_border(study: "Study", space: Space) -> list[str]:
    """A sentence for each range at whose border the best trial lies."""
    found = []
    best = best_trials(study, 1)[0]
    for name, dimension in space.items():
        if isinstance(dimension, Categorical) or dimension.low == dimension.high:
            continue
        value = best.params[name]
        place = dimension.to_unit(value)
        if place < BORDER or place > 1 - BORDER:
            side = "lower" if place < BORDER else "upper"
            found.append(
                f"the best {name}, {value:.4g}, lies at the {side} border of "
                f"[{dimension.low:.4g}, {dimension.high:.4g}]; try a wider range"
            )
    return found
