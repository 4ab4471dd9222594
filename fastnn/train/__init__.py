"""Training: the loop, its callbacks and checkpoints, history and plots, and what comes after."""

from .activations import ActivationStatistics, LayerStatistics, activation_statistics
from .activations_plot import plot_activations
from .averaging import WeightAveraging
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
from .dead_units import DeadRow, DeadUnits, dead_units
from .ensemble import Ensemble, snapshots
from .gradient_check import GradientReport, GradientRow, gradient_check
from .history import History, describe
from .initial_loss import InitialLoss, check_initial_loss
from .loggers import CSVLogger, JSONLLogger, TensorBoard
from .lr_finder import LRRange, find_lr
from .mc_dropout import MCPrediction, mc_dropout
from .metrics import Metric, accuracy, top_k_accuracy
from .overfit import Overfit, overfit_small_batch
from .plot import plot_confusion, plot_history, plot_mistakes
from .predict import predict_proba
from .trainer import BEST, LAST, Trainer
from .update_ratios import UpdateRatios, update_ratios

__all__ = [
    "BEST",
    "F1",
    "LAST",
    "ActivationStatistics",
    "CSVLogger",
    "Callback",
    "ConfusionMatrix",
    "DeadRow",
    "DeadUnits",
    "EarlyStopping",
    "Ensemble",
    "ExplosionGuard",
    "GradientReport",
    "GradientRow",
    "History",
    "InitialLoss",
    "JSONLLogger",
    "LRRange",
    "LayerStatistics",
    "MCPrediction",
    "Metric",
    "ModelCheckpoint",
    "OptunaPruning",
    "Overfit",
    "Precision",
    "Recall",
    "Reliability",
    "TensorBoard",
    "Trainer",
    "UpdateRatios",
    "WeightAveraging",
    "accuracy",
    "activation_statistics",
    "check_initial_loss",
    "class_weights",
    "confusion_matrix",
    "dead_units",
    "describe",
    "expected_calibration_error",
    "find_lr",
    "fit_temperature",
    "gradient_check",
    "load_run",
    "mc_dropout",
    "overfit_small_batch",
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
    "update_ratios",
]
