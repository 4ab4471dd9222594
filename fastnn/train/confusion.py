"""Confusion matrix, and what follows from it: precision, recall, F1, class weights."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import Metric, check_classes, target_classes


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, 0 where nothing is divided by nothing: scikit-learn's ``zero_division=0``."""
    result = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


@dataclass(frozen=True)
class ConfusionMatrix:
    """What :func:`confusion_matrix` returns.

    Attributes
    ----------
    counts : int ndarray (C, C)
        ``counts[i, j]``: samples of class i that were taken for class j, as in scikit-learn.
    """

    counts: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of the samples on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def precision(self) -> np.ndarray:
        """By class: share of what was taken for it that is of it; 0 if nothing was."""
        return _ratio(np.diag(self.counts), self.counts.sum(0))

    @property
    def recall(self) -> np.ndarray:
        """By class: share of it that was found; 0 if there is none of it."""
        return _ratio(np.diag(self.counts), self.counts.sum(1))

    @property
    def f1(self) -> np.ndarray:
        """By class: 2 * precision * recall / (precision + recall)."""
        return _ratio(2 * np.diag(self.counts), self.counts.sum(0) + self.counts.sum(1))

    @property
    def present(self) -> np.ndarray:
        """By class: whether it occurs among targets or predictions; macro means are over these."""
        return np.asarray(self.counts.sum(0) + self.counts.sum(1) > 0)

    def plot(self, path: str | os.PathLike[str], names: Sequence[str] | None = None) -> None:
        """Draw as PNG, with ``names`` for the classes."""
        from .plot import plot_confusion

        plot_confusion(self, path, names)


def confusion_matrix(outputs: np.ndarray, targets: np.ndarray) -> ConfusionMatrix:
    """Count which class was taken for which.

    Parameters
    ----------
    outputs : ndarray (N, C)
        Such as :meth:`Trainer.predict` returns; the largest of a row counts.
    targets : integer ndarray (N,) of classes, or (N, C) of probabilities, whose largest counts

    Raises
    ------
    ValueError
        A shape does not fit, or a class is out of range.
    TypeError
        The classes are no integers.
    """
    classes = target_classes("confusion_matrix", outputs, targets)
    number = outputs.shape[1]
    check_classes("confusion_matrix", classes, number)
    places = classes.astype(np.int64) * number + outputs.argmax(1)
    return ConfusionMatrix(np.bincount(places, minlength=number**2).reshape(number, number))


class _Macro(Metric):
    """Mean of a column of the confusion matrix over the classes that occur."""

    def counts(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return confusion_matrix(outputs, targets).counts

    def value(self, counts: np.ndarray) -> float:
        matrix = ConfusionMatrix(counts)
        return float(self.column(matrix)[matrix.present].mean())

    def column(self, matrix: ConfusionMatrix) -> np.ndarray:
        """One value a class."""
        raise NotImplementedError


class Precision(_Macro):
    """Precision of a whole set, its mean over the classes: scikit-learn's ``average="macro"``."""

    def column(self, matrix: ConfusionMatrix) -> np.ndarray:
        return matrix.precision


class Recall(_Macro):
    """Recall of a whole set, its mean over the classes: scikit-learn's ``average="macro"``."""

    def column(self, matrix: ConfusionMatrix) -> np.ndarray:
        return matrix.recall


class F1(_Macro):
    """F1 of a whole set, its mean over the classes: scikit-learn's ``average="macro"``."""

    def column(self, matrix: ConfusionMatrix) -> np.ndarray:
        return matrix.f1


def class_weights(y: np.ndarray, num_classes: int | None = None) -> np.ndarray:
    """Weights that give every class the same total: n / (C * count), "balanced" in scikit-learn.

    Parameters
    ----------
    y : integer ndarray (N,) of classes, or (N, C) of probabilities
    num_classes : int, optional
        C; None: the largest class and those below it.

    Returns
    -------
    weights : float64 ndarray (C,)
        For ``nn.CrossEntropyLoss(weight=...)``. Their mean over the samples is 1.

    Raises
    ------
    ValueError
        A class does not occur, or is out of range.
    TypeError
        The classes are no integers.

    References
    ----------
    King and Zeng, "Logistic regression in rare events data", 2001.
    """
    if y.ndim == 2:
        counts = y.sum(0, dtype=np.float64)
    elif y.ndim != 1 or y.dtype.kind not in "iu":
        raise TypeError(
            f"class_weights: y must be integers (N,) or probabilities (N, C), got {y.dtype} "
            f"{y.shape}"
        )
    else:
        number = int(y.max(initial=-1)) + 1 if num_classes is None else num_classes
        check_classes("class_weights", y, number)
        counts = np.bincount(y, minlength=number).astype(np.float64)
    missing = np.flatnonzero(counts <= 0)
    if len(missing) or not len(counts):
        raise ValueError(
            f"class_weights: every class must occur in y, got none of {missing.tolist() or 'any'}"
        )
    return np.asarray(counts.sum() / (len(counts) * counts))
