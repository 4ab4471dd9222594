"""Numerical check of gradients: is the backward the derivative of the forward?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nn import Module
from .differences import Difference, compare
from .objective import of_function, of_model

KINKS = "kinks only"


@dataclass(frozen=True)
class GradientRow:
    """What was found for one array.

    Attributes
    ----------
    name : str
    size, checked : int
        Values of the array, and how many of them were compared.
    kinks : int
        Compared values where the objective has a kink nearby, so that nothing can be said.
    failures : int
        Compared values whose gradient is wrong.
    error : float
        Largest relative error outside kinks: abs(analytic - numerical) over the larger of them,
        or over what rounding / rtol is if that is more.
    worst : tuple of int
        Where that is.
    analytic, numerical : float
        The gradient there.
    """

    name: str
    size: int
    checked: int
    kinks: int
    failures: int
    error: float
    worst: tuple[int, ...]
    analytic: float
    numerical: float

    @property
    def verdict(self) -> str:
        """``"ok"``, ``"WRONG"``, or ``"kinks only"`` where nothing could be said."""
        if self.failures:
            return "WRONG"
        return KINKS if self.checked and self.kinks == self.checked else "ok"


@dataclass(frozen=True)
class GradientReport:
    """Result of :func:`gradient_check`; printing it gives a table.

    Attributes
    ----------
    rows : tuple of GradientRow
        One an array.
    """

    rows: tuple[GradientRow, ...]

    @property
    def ok(self) -> bool:
        """No gradient is wrong, and of every array some could be judged."""
        return all(row.verdict == "ok" for row in self.rows)

    @property
    def error(self) -> float:
        """Largest relative error."""
        return max((row.error for row in self.rows), default=0.0)

    def __str__(self) -> str:
        width = max([len(row.name) for row in self.rows] + [5])
        lines = [f"{'array':{width}}  checked  kinks  relative error  verdict"]
        for row in self.rows:
            line = f"{row.name:{width}}  {row.checked:7}  {row.kinks:5}  {row.error:14.1e}  "
            line += row.verdict
            if row.failures:
                line += f": {row.failures} of {row.checked}, worst at {list(row.worst)}: "
                line += f"analytic {row.analytic:.8g}, numerical {row.numerical:.8g}"
            lines.append(line)
        if any(row.verdict == KINKS for row in self.rows):
            lines.append(
                f"{KINKS}: all values tried lie at kinks (ReLUs of exactly 0?), so nothing is "
                "known; try another x, a smaller h, or biases other than 0"
            )
        return "\n".join(lines)


def gradient_check(
    model: Module | Callable[..., Any],
    x: np.ndarray | Sequence[np.ndarray],
    y: np.ndarray | None = None,
    loss: Callable[[np.ndarray, np.ndarray], tuple[Any, np.ndarray]] | None = None,
    *,
    backward: Callable[..., Any] | None = None,
    options: Mapping[str, Any] | None = None,
    coordinates: int | None = 20,
    h: float = 1e-5,
    rtol: float = 1e-6,
    seed: int = 0,
) -> GradientReport:
    """Compare gradients with central differences (f(w + h) - f(w - h)) / (2 h), in float64.

    A model is copied and converted to float64; it is not touched. The copy runs in training mode,
    with the same dropout masks each time. ``x``, if it holds floats, is checked as well.

    At a kink, such as a ReLU's whose input changes its sign between the two evaluations, the
    quotient is not the derivative. There the third and the fourth difference over -2h, -h, 0, h, 2h
    do not vanish, whereas for a smooth function they are of order h^3 and h^4. A value counts as
    wrong only if the two gradients differ by more than 4 times those differences over h, and as a
    kink if they differ by less.

    Parameters
    ----------
    model : Module, or function
        A function takes the arrays ``x`` and ``options``. It returns ``y``, ``(y, saved)`` or, as
        a loss does, ``(loss, gradient of the first array)``.
    x : ndarray, or for a function a sequence of them
        Float arrays are converted to float64; others, such as integer targets, are only passed on.
    y : ndarray, optional
        Targets of ``loss``. None: the objective is the sum of the outputs times random numbers.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: softmax cross entropy.
    backward : callable, optional
        Of a function: takes ``dy``; then ``saved`` if there is one, the output or the input's shape
        if that argument is called ``y`` or ``x_shape``, or else the arrays ``x``; then ``options``.
        Returns the gradients of the float arrays in order, None for one that is not to be checked.
        None: the function's name + "_backward" in ``fastnn.functional``.
    options : mapping, optional
        Keyword arguments of a function and its backward.
    coordinates : int, optional
        Values compared per array, chosen at random; None: all. Each takes four forwards.
    h : float
        Step, multiplied by max(1, abs(w)).
    rtol : float
        Relative error that is allowed. Rounding is allowed for besides.
    seed : int
        Of the random numbers.

    Returns
    -------
    report : GradientReport
        ``assert report.ok, report``.

    Raises
    ------
    TypeError
        ``model`` is a function without a backward.
    ValueError
        A gradient is not of its array's shape, or ``h``, ``rtol`` or ``coordinates`` is not
        positive.

    References
    ----------
    Baydin et al., "Automatic differentiation in machine learning", JMLR 18, 2018, section 2.1;
    the cautions are those of Stanford's CS231n, "Gradient checks".
    """
    for name, value in (("h", h), ("rtol", rtol), ("coordinates", coordinates)):
        if value is not None and not value > 0:
            raise ValueError(f"gradient_check: {name} must be positive, got {value}")
    rng = np.random.default_rng(seed)
    if isinstance(model, Module):
        if not isinstance(x, np.ndarray):
            raise TypeError(
                f"gradient_check: x must be an array for a Module, got {type(x).__name__}"
            )
        objective = of_model(model, x, y, loss, rng)
    else:
        inputs = [x] if isinstance(x, np.ndarray) else list(x)
        objective = of_function(model, inputs, backward, options or {}, rng)
    base, rows = objective.values(), []
    for name, (array, gradient) in objective.arrays.items():
        if gradient.shape != array.shape:
            raise ValueError(
                f"gradient_check: gradient of {name} must be of shape {array.shape}, "
                f"got {gradient.shape}"
            )
        places = np.sort(rng.permutation(array.size)[:coordinates])
        found = [
            compare(objective.values, base, array, gradient, int(at), h, rtol) for at in places
        ]
        rows.append(_row(name, array, found, rtol))
    return GradientReport(tuple(rows))


def _row(name: str, array: np.ndarray, found: list[Difference], rtol: float) -> GradientRow:
    kinks = [d for d in found if not d.error <= rtol and d.kink]
    judged = [d for d in found if d.error <= rtol or not d.kink]
    worst = max(judged, key=lambda d: (np.isnan(d.error), d.error), default=None)
    return GradientRow(
        name,
        array.size,
        len(found),
        len(kinks),
        sum(not d.error <= rtol for d in judged),
        0.0 if worst is None else worst.error,
        () if worst is None else worst.place,
        0.0 if worst is None else worst.analytic,
        0.0 if worst is None else worst.numerical,
    )
