"""Training: the loop, its checkpoints, history, metrics and plots."""

from .activations import ActivationStatistics, LayerStatistics, activation_statistics
from .activations_plot import plot_activations
from .checkpoint import load_run, save_run
from .history import History
from .metrics import accuracy
from .plot import plot_history, plot_mistakes
from .progress import describe
from .trainer import BEST, LAST, Trainer

__all__ = [
    "BEST",
    "LAST",
    "ActivationStatistics",
    "History",
    "LayerStatistics",
    "Trainer",
    "accuracy",
    "activation_statistics",
    "describe",
    "load_run",
    "plot_activations",
    "plot_history",
    "plot_mistakes",
    "save_run",
]
