"""Training: the loop, its callbacks and checkpoints, history, metrics and plots."""

from .activations import ActivationStatistics, LayerStatistics, activation_statistics
from .activations_plot import plot_activations
from .callback import Callback
from .callbacks import EarlyStopping, ExplosionGuard, ModelCheckpoint, OptunaPruning
from .checkpoint import load_run, save_run
from .confusion import F1, ConfusionMatrix, Precision, Recall, class_weights, confusion_matrix
from .history import History
from .loggers import CSVLogger, JSONLLogger, TensorBoard
from .metrics import Metric, accuracy, top_k_accuracy
from .plot import plot_confusion, plot_history, plot_mistakes
from .progress import describe
from .trainer import BEST, LAST, Trainer

__all__ = [
    "BEST",
    "F1",
    "LAST",
    "ActivationStatistics",
    "CSVLogger",
    "Callback",
    "ConfusionMatrix",
    "EarlyStopping",
    "ExplosionGuard",
    "History",
    "JSONLLogger",
    "LayerStatistics",
    "Metric",
    "ModelCheckpoint",
    "OptunaPruning",
    "Precision",
    "Recall",
    "TensorBoard",
    "Trainer",
    "accuracy",
    "activation_statistics",
    "class_weights",
    "confusion_matrix",
    "describe",
    "load_run",
    "plot_activations",
    "plot_confusion",
    "plot_history",
    "plot_mistakes",
    "save_run",
    "top_k_accuracy",
]
