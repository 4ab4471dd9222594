"""Optimizers over flat buffers, parameter groups, weight averages and schedules."""

from . import schedules
from .averaging import EMA, AveragedModel, update_bn
from .groups import param_groups
from .optimizer import Optimizer
from .rules import SGD, AdaGrad, Adam, AdamW, RMSprop

__all__ = [
    "EMA",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "AveragedModel",
    "Optimizer",
    "RMSprop",
    "param_groups",
    "schedules",
    "update_bn",
]
