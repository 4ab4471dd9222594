"""Metrics: functions of a batch's outputs and targets whose mean over samples is reported."""

import numpy as np


def accuracy(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Share of rows whose largest output is the target class.

    Parameters
    ----------
    outputs : ndarray (N, C)
    targets : ndarray (N,) of classes, or (N, C) of probabilities, whose largest counts
    """
    classes = targets.argmax(1) if targets.ndim == 2 else targets
    return float(np.count_nonzero(outputs.argmax(1) == classes)) / len(outputs)
