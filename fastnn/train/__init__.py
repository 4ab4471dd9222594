"""Training: the loop, its callbacks and checkpoints, history and plots, and what comes after."""

from .activations import ActivationStatistics, LayerStatistics, activation_statistics
from .activations_plot import plot_activations
from .calibration import (
    Reliability,
    expected_calibration_error,
    fit_temperature,
    plot_reliability,
    reliability,
)
from .callback import Callback
from .callbacks import EarlyStopping, ExplosionGuard, ModelCheckpoint, OptunaPruning
from .checkpoint import load_run, save_run
from .confusion import F1, ConfusionMatrix, Precision, Recall, class_weights, confusion_matrix
from .ensemble import Ensemble, snapshots
from .history import History
from .loggers import CSVLogger, JSONLLogger, TensorBoard
from .mc_dropout import MCPrediction, mc_dropout
from .metrics import Metric, accuracy, top_k_accuracy
from .plot import plot_confusion, plot_history, plot_mistakes
from .predict import predict_proba
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
    "Ensemble",
    "ExplosionGuard",
    "History",
    "JSONLLogger",
    "LayerStatistics",
    "MCPrediction",
    "Metric",
    "ModelCheckpoint",
    "OptunaPruning",
    "Precision",
    "Recall",
    "Reliability",
    "TensorBoard",
    "Trainer",
    "accuracy",
    "activation_statistics",
    "class_weights",
    "confusion_matrix",
    "describe",
    "expected_calibration_error",
    "fit_temperature",
    "load_run",
    "mc_dropout",
    "plot_activations",
    "plot_confusion",
    "plot_history",
    "plot_mistakes",
    "plot_reliability",
    "predict_proba",
    "reliability",
    "save_run",
    "snapshots",
    "top_k_accuracy",
]
