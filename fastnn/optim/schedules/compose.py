"""What a schedule is, and schedules made of schedules."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

Schedule = Callable[[int], float]
"""Steps done (from 0) -> learning rate of the next step."""


def check_positive(function: str, **values: float) -> None:
    """Refuse values that are not above 0.

    Raises
    ------
    ValueError
        Names the function, the argument and the value.
    """
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{function}: {name} must be positive, got {value}")


def as_schedule(schedule: float | Schedule) -> Schedule:
    """The schedule itself, or the constant one."""
    if callable(schedule):
        return schedule
    return lambda t: schedule


def warmup(schedule: float | Schedule, steps: int) -> Schedule:
    """schedule(t) * min(1, (t + 1) / steps): linear warm-up that does not shift the schedule.

    For one that shifts it: ``join([linear(0.0, 500, final=0.1), cosine(0.1, 9_500)], [500])``.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD", arXiv:1706.02677, section 2.2.
    """
    check_positive("warmup", steps=steps)
    rate = as_schedule(schedule)
    return lambda t: rate(t) * min(1.0, (t + 1) / steps)


def join(schedules: Sequence[float | Schedule], milestones: Sequence[int]) -> Schedule:
    """One schedule after the other; each counts its steps from the milestone where it begins.

    Parameters
    ----------
    schedules : sequence of schedule or float
    milestones : sequence of int
        The steps at which the second, third, ... takes over: PyTorch's ``SequentialLR``, optax's
        ``join_schedules``.

    Raises
    ------
    ValueError
        There is not one milestone fewer than schedules, or they do not increase.
    """
    rates, starts = [as_schedule(s) for s in schedules], [0, *milestones]
    if len(rates) != len(starts):
        raise ValueError(
            f"join: milestones must be one fewer than the {len(rates)} schedules, got {milestones}"
        )
    if any(not a < b for a, b in pairwise(starts)):
        raise ValueError(f"join: milestones must increase from above 0, got {milestones}")

    def rate(t: int) -> float:
        place = bisect_right(starts, t) - 1
        return rates[place](t - starts[place])

    return rate


def scale_for_batch_size(
    schedule: float | Schedule, batch_size: int, base_batch_size: int = 256
) -> Schedule:
    """schedule(t) * batch_size / base_batch_size, the linear scaling rule.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD", arXiv:1706.02677, section 2.1.
    """
    check_positive("scale_for_batch_size", batch_size=batch_size, base_batch_size=base_batch_size)
    rate = as_schedule(schedule)
    return lambda t: rate(t) * batch_size / base_batch_size
