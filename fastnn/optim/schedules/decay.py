"""Schedules that only fall."""

import math
from collections.abc import Sequence

from .compose import Schedule, check_positive


def between(first: float, last: float, share: float, anneal: str) -> float:
    """The value at ``share`` of the way from ``first`` to ``last``, straight or along a cosine."""
    if anneal == "linear":
        return first + (last - first) * share
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def constant(lr: float) -> Schedule:
    """lr."""
    return lambda t: lr


def step(lr: float, every: int, gamma: float = 0.1) -> Schedule:
    """lr * gamma^(t // every)."""
    check_positive("step", every=every)
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


def linear(lr: float, total: int, final: float = 0.0) -> Schedule:
    """lr + (final - lr) * t / total, and ``final`` from ``total`` on."""
    check_positive("linear", total=total)
    return lambda t: between(lr, final, min(t, total) / total, "linear")


def cosine(lr: float, total: int, final: float = 0.0) -> Schedule:
    """final + (lr - final) * (1 + cos(pi * t / total)) / 2, and ``final`` from ``total`` on.

    References
    ----------
    Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts.
    """
    check_positive("cosine", total=total)
    return lambda t: between(lr, final, min(t, total) / total, "cos")


def polynomial(lr: float, total: int, power: float = 1.0, final: float = 0.0) -> Schedule:
    """final + (lr - final) * (1 - t / total)^power, and ``final`` from ``total`` on."""
    check_positive("polynomial", total=total, power=power)
    return lambda t: final + (lr - final) * (1 - min(t, total) / total) ** power


def inverse_sqrt(lr: float, warmup_steps: int = 1) -> Schedule:
    """lr * min(s / w, sqrt(w / s)), s = t + 1, w = ``warmup_steps``: ``lr`` is the peak.

    With w = 1 it is the classical lr / sqrt(s), with steps counted from 1.
    """
    check_positive("inverse_sqrt", warmup_steps=warmup_steps)
    return lambda t: lr * min((t + 1) / warmup_steps, math.sqrt(warmup_steps / (t + 1)))


def noam(d_model: int, warmup_steps: int = 4000, factor: float = 1.0) -> Schedule:
    """factor * d_model^-0.5 * min(s^-0.5, s * warmup_steps^-1.5), s = t + 1: the Transformer's.

    References
    ----------
    Vaswani et al., "Attention is all you need", NIPS 2017, equation 3.
    """
    check_positive("noam", d_model=d_model, warmup_steps=warmup_steps)
    return inverse_sqrt(factor / math.sqrt(d_model * warmup_steps), warmup_steps)
