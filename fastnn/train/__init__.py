"""Training: the loop, its checkpoints, history, metrics and plots."""

from .checkpoint import load_run, save_run
from .gradient_check import GradientReport, GradientRow, gradient_check
from .history import History
from .metrics import accuracy
from .plot import plot_history, plot_mistakes
from .progress import describe
from .trainer import BEST, LAST, Trainer

__all__ = [
    "BEST",
    "LAST",
    "GradientReport",
    "GradientRow",
    "History",
    "Trainer",
    "accuracy",
    "describe",
    "gradient_check",
    "load_run",
    "plot_history",
    "plot_mistakes",
    "save_run",
]
