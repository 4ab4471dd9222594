"""Learning-rate schedules: pure functions from the number of steps done to a learning rate.

They compose: ``warmup(cosine(0.1, total=10_000), 500)``. An optimizer takes one as its ``lr``.
"""

import math
from collections.abc import Callable, Sequence

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "inverse_sqrt",
    "inverse_time",
    "linear",
    "multistep",
    "scale_for_batch_size",
    "step",
    "warmup",
]

Schedule = Callable[[int], float]
"""Steps done (from 0) -> learning rate of the next step."""


def _positive(function: str, **values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{function}: {name} must be positive, got {value}")


def constant(lr: float) -> Schedule:
    """lr."""
    return lambda t: lr


def step(lr: float, every: int, gamma: float = 0.1) -> Schedule:
    """lr * gamma^(t // every)."""
    _positive("step", every=every)
    return lambda t: lr * gamma ** (t // every)


def multistep(lr: float, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    """lr * gamma^(number of milestones <= t)."""
    stones = tuple(milestones)
    return lambda t: lr * gamma ** sum(t >= stone for stone in stones)


def exponential(lr: float, gamma: float) -> Schedule:
    """lr * gamma^t."""
    return lambda t: lr * gamma**t


def inverse_time(lr: float, decay: float) -> Schedule:
    """lr / (1 + decay * t)."""
    return lambda t: lr / (1 + decay * t)


def cosine(lr: float, total: int, final: float = 0.0) -> Schedule:
    """final + (lr - final) * (1 + cos(pi * t / total)) / 2, and ``final`` from ``total`` on.

    References
    ----------
    Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts.
    """
    _positive("cosine", total=total)
    return lambda t: final + (lr - final) * (1 + math.cos(math.pi * min(t, total) / total)) / 2


def linear(lr: float, total: int, final: float = 0.0) -> Schedule:
    """lr + (final - lr) * t / total, and ``final`` from ``total`` on."""
    _positive("linear", total=total)
    return lambda t: lr + (final - lr) * min(t, total) / total


def inverse_sqrt(lr: float) -> Schedule:
    """lr / sqrt(t + 1): the classical rate with steps counted from 1."""
    return lambda t: lr / math.sqrt(t + 1)


def warmup(schedule: float | Schedule, steps: int) -> Schedule:
    """schedule(t) * min(1, (t + 1) / steps): linear warm-up that does not shift the schedule.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD", arXiv:1706.02677, section 2.2.
    """
    _positive("warmup", steps=steps)
    rate = schedule if callable(schedule) else constant(schedule)
    return lambda t: rate(t) * min(1.0, (t + 1) / steps)


def scale_for_batch_size(
    schedule: float | Schedule, batch_size: int, base_batch_size: int = 256
) -> Schedule:
    """schedule(t) * batch_size / base_batch_size, the linear scaling rule.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD", arXiv:1706.02677, section 2.1.
    """
    _positive("scale_for_batch_size", batch_size=batch_size, base_batch_size=base_batch_size)
    rate = schedule if callable(schedule) else constant(schedule)
    return lambda t: rate(t) * batch_size / base_batch_size
