"""Metrics of outputs and targets: functions of a batch, and sums over a whole set."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..cuda._arrays import to_host

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


READ_EVERY, READ_BYTES = 32, 64 << 20
"""Steps and bytes of outputs that may wait on a CUDA device before they are read."""

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
        for name, metric in metrics.items():
            if name in RESERVED or name.startswith("val_"):
                raise ValueError(
                    f"Trainer: metrics must not be named val_... or {', '.join(RESERVED)}, "
                    f"got {name!r}"
                )
            instance = isinstance(metric, Metric)
            if not instance and (isinstance(metric, type) or not callable(metric)):
                raise TypeError(
                    f"Trainer: metrics[{name!r}] must be a function (outputs, targets) -> float or "
                    f"an instance of Metric, got {metric!r}"
                )
        self._metrics = dict(metrics)
        self.samples = 0
        self._loss = self._weight = 0.0
        self._sums: dict[str, Any] = {}  # floats of functions, arrays of Metrics
        self._waiting: list[tuple[Any, Any, Any, float]] = []  # batches still on a CUDA device
        self._waiting_bytes = 0

    def add(self, outputs: np.ndarray, targets: np.ndarray, loss: Any, weight: float) -> None:
        """A batch whose mean loss counts ``weight`` times; one on a CUDA device is read later."""
        self.samples += len(outputs)
        if isinstance(outputs, np.ndarray):
            self._add(outputs, targets, float(loss), weight)
            return
        self._waiting.append((outputs, targets, loss, weight))
        self._waiting_bytes += outputs.nbytes
        if len(self._waiting) >= READ_EVERY or self._waiting_bytes >= READ_BYTES:
            self.read()

    def read(self) -> None:
        """Wait for the batches that are on a CUDA device."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for outputs, targets, loss, weight in waiting:
            self._add(to_host(outputs), to_host(targets), float(loss), weight)

    def _add(self, outputs: np.ndarray, targets: np.ndarray, loss: float, weight: float) -> None:
        number = len(outputs)
        self._loss += loss * weight
        self._weight += weight
        for name, metric in self._metrics.items():
            try:
                if isinstance(metric, Metric):
                    counts: Any = metric.counts(outputs, targets)
                else:
                    counts = _number(metric(outputs, targets)) * number
            except Exception as error:
                error.add_note(
                    f"raised by metric {name!r} for outputs {outputs.dtype} {outputs.shape} and "
                    f"targets {targets.dtype} {targets.shape}"
                )
                raise
            self._sums[name] = self._sums[name] + counts if name in self._sums else counts

    def results(self) -> dict[str, float]:
        """Loss and metrics over all that was added."""
        self.read()
        values = {"loss": self._loss / self._weight}
        for name, metric in self._metrics.items():
            sums = self._sums[name]
            value = metric.value(sums) if isinstance(metric, Metric) else sums / self.samples
            values[name] = float(value)
        return values

    def state_dict(self) -> dict[str, np.ndarray]:
        """The sums, as arrays of float64 or of a Metric's dtype."""
        self.read()
        common = np.array([self.samples, self._loss, self._weight], np.float64)
        return {"common": common, **{f"of.{n}": np.asarray(s) for n, s in self._sums.items()}}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from :meth:`state_dict`.

        Raises
        ------
        ValueError
            The state is of other metrics.
        """
        samples, self._loss, self._weight = state["common"].tolist()
        self.samples = int(samples)
        sums = {n.removeprefix("of."): array for n, array in state.items() if n != "common"}
        if self.samples and sums.keys() != self._metrics.keys():
            raise ValueError(
                "Trainer.fit: metrics must be those of the run to resume within an epoch, "
                f"{', '.join(sums) or 'none'}, got {', '.join(self._metrics) or 'none'}"
            )
        for name, array in sums.items():
            whole = isinstance(self._metrics[name], Metric)
            self._sums[name] = array if whole else float(array)


def _number(value: Any) -> float:
    if type(value) is not float and np.ndim(value) != 0:
        raise TypeError(
            f"it must return a number, got {type(value).__name__} of shape {np.shape(value)}"
        )
    return float(value)


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
