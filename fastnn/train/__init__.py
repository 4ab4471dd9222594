"""Training: the loop, its checkpoints, history, metrics and plots, and what comes after it."""

from .calibration import (
    Reliability,
    expected_calibration_error,
    fit_temperature,
    plot_reliability,
    reliability,
)
from .checkpoint import load_run, save_run
from .ensemble import Ensemble, snapshots
from .history import History
from .mc_dropout import MCPrediction, mc_dropout
from .metrics import accuracy
from .plot import plot_history, plot_mistakes
from .predict import predict_proba
from .progress import describe
from .trainer import BEST, LAST, Trainer

__all__ = [
    "BEST",
    "LAST",
    "Ensemble",
    "History",
    "MCPrediction",
    "Reliability",
    "Trainer",
    "accuracy",
    "describe",
    "expected_calibration_error",
    "fit_temperature",
    "load_run",
    "mc_dropout",
    "plot_history",
    "plot_mistakes",
    "plot_reliability",
    "predict_proba",
    "reliability",
    "save_run",
    "snapshots",
]
