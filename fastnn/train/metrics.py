"""Metrics of outputs and targets: functions of a batch, and sums over a whole set."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MetricFunction = Callable[[np.ndarray, np.ndarray], float]


class Metric:
    """A metric of a whole set that is not the mean of its batches' values.

    Its result is ``value(sum of counts(batch))``: it does not depend on how the set was cut into
    batches, and a checkpoint within an epoch keeps the sum.
    """

    def counts(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """What a batch adds: an array of one shape for all batches."""
        raise NotImplementedError

    def value(self, counts: np.ndarray) -> float:
        """The metric, from the sum over all batches."""
        raise NotImplementedError


class _Mean(Metric):
    """Mean over samples of a function of a batch."""

    def __init__(self, function: MetricFunction) -> None:
        self.function = function

    def counts(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        value: Any = self.function(outputs, targets)
        if np.ndim(value) != 0:
            raise TypeError(
                f"it must return a number, got {type(value).__name__} of shape {np.shape(value)}"
            )
        return np.array([float(value) * len(outputs), len(outputs)])

    def value(self, counts: np.ndarray) -> float:
        return float(counts[0] / counts[1])


RESERVED = ("epoch", "loss", "lr", "samples_per_second", "seconds", "step")
"""Columns of the history that no metric may have for a name."""


class Totals:
    """Sums over batches from which the loss and the metrics follow.

    Parameters
    ----------
    metrics : mapping of str to callable or Metric

    Raises
    ------
    TypeError
        ``metrics`` is no mapping, or one of them cannot be called.
    ValueError
        A name is reserved.
    """

    def __init__(self, metrics: Mapping[str, MetricFunction | Metric]) -> None:
        if not isinstance(metrics, Mapping):
            raise TypeError(
                "Trainer: metrics must be a mapping such as {'accuracy': train.accuracy}, "
                f"got {type(metrics).__name__}"
            )
        self._metrics: dict[str, Metric] = {}
        for name, metric in metrics.items():
            if name in RESERVED or name.startswith("val_"):
                raise ValueError(
                    f"Trainer: metrics must not be named val_... or {', '.join(RESERVED)}, "
                    f"got {name!r}"
                )
            if not isinstance(metric, Metric) and (
                isinstance(metric, type) or not callable(metric)
            ):
                raise TypeError(
                    f"Trainer: metrics[{name!r}] must be a function (outputs, targets) -> float or "
                    f"an instance of Metric, got {metric!r}"
                )
            self._metrics[name] = metric if isinstance(metric, Metric) else _Mean(metric)
        self.sums: dict[str, np.ndarray] = {}

    def add(self, outputs: np.ndarray, targets: np.ndarray, loss: float, weight: float) -> None:
        """A batch whose mean loss counts ``weight`` times."""
        self._add("loss", np.array([loss * weight, weight, len(outputs)]))
        for name, metric in self._metrics.items():
            try:
                counts = metric.counts(outputs, targets)
            except Exception as error:
                error.add_note(
                    f"raised by metric {name!r} for outputs {outputs.dtype} {outputs.shape} and "
                    f"targets {targets.dtype} {targets.shape}"
                )
                raise
            self._add(name, counts)

    def _add(self, name: str, counts: np.ndarray) -> None:
        self.sums[name] = self.sums[name] + counts if name in self.sums else counts

    @property
    def samples(self) -> int:
        """Samples added."""
        return int(self.sums["loss"][2]) if self.sums else 0

    def results(self) -> dict[str, float]:
        """Loss and metrics over all that was added."""
        loss, weight, _ = self.sums["loss"]
        values = {n: float(m.value(self.sums[n])) for n, m in self._metrics.items()}
        return {"loss": float(loss / weight), **values}


def target_classes(function: str, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The targets' classes, once the shapes have been found to fit."""
    if outputs.ndim != 2:
        raise ValueError(f"{function}: outputs must be of shape (N, C), got {outputs.shape}")
    if targets.shape == outputs.shape:
        return np.asarray(targets.argmax(1))
    if targets.shape != outputs.shape[:1]:
        raise ValueError(
            f"{function}: targets must be of shape {outputs.shape[:1]} or {outputs.shape}, "
            f"got {targets.shape}"
        )
    if targets.dtype.kind not in "iu":
        raise TypeError(f"{function}: targets of one axis must be integers, got {targets.dtype}")
    return targets


def check_classes(function: str, classes: np.ndarray, number: int) -> None:
    """Refuse classes outside [0, number)."""
    if len(classes) and not 0 <= classes.min() <= classes.max() < number:
        raise ValueError(
            f"{function}: targets must be in [0, {number}), "
            f"got values from {classes.min()} to {classes.max()}"
        )


def accuracy(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Share of rows whose largest output is the target class.

    Parameters
    ----------
    outputs : ndarray (N, C)
    targets : integer ndarray (N,) of classes, or (N, C) of probabilities, whose largest counts

    Raises
    ------
    ValueError
        A shape does not fit.
    TypeError
        The classes are no integers.
    """
    classes = target_classes("accuracy", outputs, targets)
    return float(np.count_nonzero(outputs.argmax(1) == classes)) / len(outputs)


def top_k_accuracy(outputs: np.ndarray, targets: np.ndarray, k: int = 5) -> float:
    """Share of rows whose target class is among the ``k`` largest outputs.

    The first of equal outputs counts as the largest, so that ``k=1`` is :func:`accuracy`; no class
    is found in a row by an output that is not a number. As a metric for another ``k``:
    ``functools.partial(top_k_accuracy, k=3)``.

    Parameters
    ----------
    outputs : ndarray (N, C)
    targets : integer ndarray (N,) of classes, or (N, C) of probabilities, whose largest counts
    k : int in [1, C]

    Raises
    ------
    ValueError
        A shape or ``k`` does not fit, or a class is out of range.
    TypeError
        The classes are no integers.
    """
    classes = target_classes("top_k_accuracy", outputs, targets)
    if not 1 <= k <= outputs.shape[1]:
        raise ValueError(
            f"top_k_accuracy: k must be in [1, {outputs.shape[1]}], the number of classes, got {k}"
        )
    check_classes("top_k_accuracy", classes, outputs.shape[1])
    own = np.take_along_axis(outputs, classes[:, None], 1)
    # Not "greater": what is not a number is ahead of all and behind all.
    ahead = ~(outputs <= own)
    ties = (outputs == own) & (np.arange(outputs.shape[1]) < classes[:, None])
    return float(np.count_nonzero((ahead | ties).sum(1) < k)) / len(outputs)
