"""Optimizers over flat buffers, and learning-rate schedules."""

from . import schedules
from .optimizer import Optimizer
from .rules import SGD, AdaGrad, Adam, AdamW, RMSprop

__all__ = ["SGD", "AdaGrad", "Adam", "AdamW", "Optimizer", "RMSprop", "schedules"]
