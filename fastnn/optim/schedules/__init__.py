"""Schedules: pure functions from the number of steps done to a learning rate.

They compose: ``warmup(cosine(0.1, total=10_000), 500)``. An optimizer takes one as its ``lr``, or
as any other hyper-parameter. Steps count from 0; nothing has a state, so nothing needs saving.
"""

from .compose import Schedule, join, scale_for_batch_size, warmup
from .cycles import cosine_restarts, cyclic, one_cycle, one_cycle_momentum
from .decay import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    linear,
    multistep,
    noam,
    polynomial,
    step,
)
from .plot import plot

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "cosine_restarts",
    "cyclic",
    "exponential",
    "inverse_sqrt",
    "inverse_time",
    "join",
    "linear",
    "multistep",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "plot",
    "polynomial",
    "scale_for_batch_size",
    "step",
    "warmup",
]
