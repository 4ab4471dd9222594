"""Schedules that rise as well as fall: restarts, cycles, one cycle."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from .compose import Schedule, check_positive
from .decay import between


def cosine_restarts(lr: float, period: int, mult: float = 1, final: float = 0.0) -> Schedule:
    """Cosine from ``lr`` to ``final`` that starts anew after ``period`` steps, and again.

    final + (lr - final) * (1 + cos(pi * t_cur / t_i)) / 2, t_i = period * mult^i.

    Parameters
    ----------
    lr, final : float
    period : int
        Steps of the first cycle.
    mult : float >= 1
        How much longer each cycle is than the one before.

    Raises
    ------
    ValueError
        ``period`` is not positive, or ``mult`` is below 1.

    References
    ----------
    Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5.
    """
    check_positive("cosine_restarts", period=period)
    if not mult >= 1:
        raise ValueError(f"cosine_restarts: mult must be at least 1, got {mult}")

    def rate(t: int) -> float:
        done, length = (float(t % period), float(period)) if mult == 1 else (float(t), period)
        while done >= length:
            done, length = done - length, length * mult
        return between(lr, final, done / length, "cos")

    return rate


def cyclic(
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Schedule:
    """Linear from ``base_lr`` up to ``max_lr`` and down again, and again.

    Parameters
    ----------
    base_lr, max_lr : float
    step_size_up, step_size_down : int
        Steps of the rise and of the fall; None: the same.
    mode : "triangular", "triangular2" or "exp_range"
        The height of a triangle stays, halves with each cycle, or is multiplied by gamma^t.
    gamma : float

    Raises
    ------
    ValueError
        A step size is not positive, or the mode is unknown.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.
    """
    down = step_size_up if step_size_down is None else step_size_down
    check_positive("cyclic", step_size_up=step_size_up, step_size_down=down)
    heights: dict[str, Callable[[int, int], float]] = {
        "triangular": lambda cycle, t: 1.0,
        "triangular2": lambda cycle, t: 0.5**cycle,
        "exp_range": lambda cycle, t: gamma**t,
    }
    if mode not in heights:
        raise ValueError(f"cyclic: mode must be one of {', '.join(heights)}, got {mode!r}")
    height = heights[mode]

    def rate(t: int) -> float:
        cycle, place = divmod(t, step_size_up + down)
        rising = place <= step_size_up
        share = place / step_size_up if rising else (step_size_up + down - place) / down
        return base_lr + (max_lr - base_lr) * share * height(cycle, t)

    return rate


def _phases(
    function: str,
    values: Sequence[float],
    total: int,
    pct_start: float,
    anneal: str,
) -> Schedule:
    """From each value to the next: the rise, its mirror image if there are three, the rest."""
    check_positive(function, total=total)
    most = 1.0 if len(values) == 3 else 0.5
    if not 0 <= pct_start <= most:
        raise ValueError(f"{function}: pct_start must be in [0, {most:g}], got {pct_start}")
    if anneal not in ("cos", "linear"):
        raise ValueError(f'{function}: anneal must be "cos" or "linear", got {anneal!r}')
    rise = pct_start * total
    ends = [rise - 1, *([2 * rise - 2] if len(values) == 4 else []), total - 1.0]

    def rate(t: int) -> float:
        start = 0.0
        for (first, last), end in zip(pairwise(values), ends, strict=True):
            if t <= end:
                share = (t - start) / (end - start) if end > start else 1.0
                return between(first, last, share, anneal)
            start = end
        return values[-1]

    return rate


def one_cycle(
    max_lr: float,
    total: int,
    pct_start: float = 0.3,
    anneal: str = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Schedule:
    """Up from max_lr / div_factor to ``max_lr``, then down to almost nothing.

    Parameters
    ----------
    max_lr : float
    total : int
        Steps of the run; later ones stay at the end value.
    pct_start : float
        Share of the steps in which the rate rises.
    anneal : "cos" or "linear"
    div_factor, final_div_factor : float
        The first rate is max_lr / div_factor, the last is the first / final_div_factor.
    three_phase : bool
        Fall as fast as the rise, back to the first rate, and only then to the last.

    Raises
    ------
    ValueError
        ``total`` is not positive, or ``pct_start`` or ``anneal`` is none of these.

    References
    ----------
    Smith and Topin, "Super-convergence", arXiv:1708.07120, section 2; form and defaults are those
    of PyTorch's ``OneCycleLR``. The momentum that goes with it: :func:`one_cycle_momentum`.
    """
    check_positive("one_cycle", div_factor=div_factor, final_div_factor=final_div_factor)
    first = max_lr / div_factor
    values = [first, max_lr, *([first] if three_phase else []), first / final_div_factor]
    return _phases("one_cycle", values, total, pct_start, anneal)


def one_cycle_momentum(
    total: int,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    pct_start: float = 0.3,
    anneal: str = "cos",
    three_phase: bool = False,
) -> Schedule:
    """Momentum that falls while :func:`one_cycle` rises, and rises while it falls.

    ``SGD(params, lr=one_cycle(0.1, 1000), momentum=one_cycle_momentum(1000))``, or for Adam
    ``betas=lambda t: (momentum(t), 0.999)``. Arguments and errors as in :func:`one_cycle`.
    """
    values = [max_momentum, base_momentum, *([max_momentum] if three_phase else []), max_momentum]
    return _phases("one_cycle_momentum", values, total, pct_start, anneal)
