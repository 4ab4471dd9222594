"""Callbacks that end a run, or keep its weights."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..io import save_safetensors
from .callback import Callback, Logs
from .diagnose import largest_gradient
from .history import direction

if TYPE_CHECKING:
    from .trainer import Trainer


def monitored(owner: str, monitor: str, logs: Logs) -> float:
    """Value of the column ``monitor``.

    Raises
    ------
    ValueError
        There is no such column.
    """
    if monitor not in logs:
        hint = "; did fit get no validation?" if monitor.startswith("val_") else ""
        raise ValueError(
            f"{owner}: monitor must be one of {', '.join(logs)}, got {monitor!r}{hint}"
        )
    return float(logs[monitor])


class EarlyStopping(Callback):
    """Stop when ``monitor`` has not improved for ``patience`` epochs; go back to the best weights.

    With s[t] the smoothed value after epoch t, an epoch improves if s[t] is better by more than
    ``min_delta`` than at the last epoch that improved. Smoothing is the exponential mean without
    bias, m[t] = b * m[t-1] + (1 - b) * v[t], s[t] = m[t] / (1 - b^t): with a noisy measure a
    single lucky epoch neither prolongs the run nor ends it. The best weights are those of the best
    v[t].

    Parameters
    ----------
    monitor : str
        Column of the history.
    min_delta : float >= 0
    patience : int >= 1
        Epochs in a row without improvement that end the run.
    mode : "auto", "min" or "max"
        "auto": smaller is better if the name ends in "loss", else larger.
    smoothing : float in [0, 1)
        b; 0 takes the values as they are.
    restore_best : bool
        Give the model the weights of its best epoch on any end of training: after the last epoch,
        Ctrl-C and an exception too. A checkpoint to resume from is written before.

    Attributes
    ----------
    best_epoch : int or None
        Epoch whose weights are kept.

    Raises
    ------
    ValueError
        An argument is out of range.

    References
    ----------
    Prechelt, "Early stopping - but when?", 1998; the unbiased mean: Kingma and Ba, "Adam", ICLR
    2015, section 3.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        min_delta: float = 0.0,
        patience: int = 3,
        mode: str = "auto",
        smoothing: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta must be at least 0, got {min_delta}")
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be at least 1, got {patience}")
        if not 0 <= smoothing < 1:
            raise ValueError(f"EarlyStopping: smoothing must be in [0, 1), got {smoothing}")
        self.monitor, self.min_delta, self.patience = monitor, min_delta, patience
        self.mode, self.smoothing, self.restore_best = mode, smoothing, restore_best
        self.sign = direction("EarlyStopping", monitor, mode)
        self.best_epoch: int | None = None
        self._weights: Mapping[str, np.ndarray] | None = None

    def on_train_begin(self, trainer: "Trainer") -> None:
        if not trainer.history.epochs:
            self.best_epoch = self._weights = None
        else:
            self._judge(trainer)

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        monitored("EarlyStopping", self.monitor, logs)
        if trainer.history.best(self.monitor, self.mode) is logs and self.restore_best:
            self._weights = trainer.model.state_dict()
        self._judge(trainer)

    def _judge(self, trainer: "Trainer") -> None:
        """Decide by the history alone, so that a resumed run decides as the unbroken one."""
        best = trainer.history.best(self.monitor, self.mode)
        self.best_epoch = None if best is None else best["epoch"]
        waited = self.epochs_without_improvement(trainer.history[self.monitor])
        if waited >= self.patience:
            trainer.stop(f"{self.monitor} has not improved for {waited} epochs")

    def epochs_without_improvement(self, values: list[float]) -> int:
        """Epochs since the last of ``values`` that improved; one that is not finite never does."""
        mean, count, best, waited = 0.0, 0, -math.inf, 0
        for value in values:
            waited += 1
            if math.isfinite(value):
                count += 1
                mean += (1 - self.smoothing) * (value - mean)
                smoothed = self.sign * mean / (1 - self.smoothing**count)
                if smoothed > best + self.min_delta:
                    best, waited = smoothed, 0
        return waited

    def on_train_end(self, trainer: "Trainer") -> None:
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._weights or {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._weights = dict(state)


class ModelCheckpoint(Callback):
    """Write the model's ``state_dict`` as safetensors after epochs.

    Parameters
    ----------
    path : path
        May name columns: ``"runs/epoch-{epoch:03d}.safetensors"``.
    monitor : str
        Column of the history that tells which epoch is best.
    mode : "auto", "min" or "max"
        "auto": smaller is better if the name ends in "loss", else larger.
    save_best_only : bool
        False writes every epoch, whatever ``monitor`` says.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        *,
        mode: str = "auto",
        save_best_only: bool = True,
    ) -> None:
        direction("ModelCheckpoint", monitor, mode)
        self.path, self.monitor, self.mode = Path(path), monitor, mode
        self.save_best_only = save_best_only

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        metadata = {"epoch": str(logs["epoch"])}
        if self.save_best_only:
            metadata[self.monitor] = repr(monitored("ModelCheckpoint", self.monitor, logs))
            if trainer.history.best(self.monitor, self.mode) is not logs:
                return
        target = Path(str(self.path).format(**logs))
        target.parent.mkdir(parents=True, exist_ok=True)
        save_safetensors(trainer.model.state_dict(), target, metadata=metadata)


class ExplosionGuard(Callback):
    """End a run whose loss exceeds ``factor`` times that of its first step.

    The trainer itself ends every run whose loss or gradient is not finite, and names the layer.

    Parameters
    ----------
    factor : float > 1
        The rule of thumb of the course CS231n, section "hyperparameter search": a cost above
        three times the initial one will not come back. For a model that starts untrained: one
        that is fine-tuned has a small initial loss, which a batch may well exceed.

    Raises
    ------
    ValueError
        ``factor`` is not above 1.
    FloatingPointError
        The loss exceeded the limit; the message names step, loss and the largest gradient.
    """

    def __init__(self, factor: float = 3.0) -> None:
        if not factor > 1:
            raise ValueError(f"ExplosionGuard: factor must be above 1, got {factor}")
        self.factor = factor

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        first, loss = float(trainer.history.steps[0]), float(logs["loss"])
        if loss > self.factor * first:
            raise FloatingPointError(
                f"ExplosionGuard: the loss {loss:.4g} at step {logs['step']} (lr "
                f"{logs['lr']:g}) is over {self.factor:g} times the initial {first:.4g}; "
                f"{largest_gradient(trainer.model)}"
            )


class OptunaPruning(Callback):
    """Report every epoch to an Optuna trial and end those that it prunes. Needs ``fastnn[tune]``.

    Epochs are reported as steps 0, 1, ..., as Optuna's own integrations do, so that a pruner's
    ``n_warmup_steps`` counts whole epochs.

    Parameters
    ----------
    trial : optuna.trial.Trial
    monitor : str
        Column of the history, in the study's direction.

    Raises
    ------
    ImportError
        Optuna is not installed.
    optuna.TrialPruned
        At the end of an epoch: the trial is not worth going on.
    """

    def __init__(self, trial: Any, monitor: str = "val_accuracy") -> None:
        try:
            from optuna import TrialPruned
        except ImportError as error:
            raise ImportError(
                "OptunaPruning needs optuna, which is not installed: pip install 'fastnn[tune]'"
            ) from error
        self.trial, self.monitor, self._pruned = trial, monitor, TrialPruned

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        value = monitored("OptunaPruning", self.monitor, logs)
        self.trial.report(value, logs["epoch"] - 1)
        if self.trial.should_prune():
            raise self._pruned(f"epoch {logs['epoch']}: {self.monitor} {value:.4g}")
