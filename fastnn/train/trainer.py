"""``Trainer``: the training loop."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Batch, Loader
from ..io import save_safetensors
from ..nn import CrossEntropyLoss, Module
from ..optim import Optimizer
from .checkpoint import load_run, save_run
from .history import History
from .interrupt import Interrupt
from .metrics import accuracy
from .progress import Progress

Loss = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
Metric = Callable[[np.ndarray, np.ndarray], float]
Data = Loader | tuple[np.ndarray, np.ndarray]

BEST = "best.safetensors"
LAST = "last.safetensors"


class Trainer:
    """Trains a model, measures it, and keeps its best and last states.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over the model's parameters.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: :class:`fastnn.nn.CrossEntropyLoss`.
    metrics : mapping of str to callable (outputs, targets) -> float, optional
        Means over a batch; None: accuracy.
    monitor : str
        Column of the history that decides which epoch is best: the smallest if its name ends in
        "loss", else the largest.
    max_norm : float, optional
        Clips every step's gradients by their global norm; see :meth:`Optimizer.step`.
    progress : "auto", "bar", "lines" or "off"
        "auto" is a bar on a terminal and silence elsewhere.

    Attributes
    ----------
    history : History
        Of the last :meth:`fit`.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss | None = None,
        *,
        metrics: Mapping[str, Metric] | None = None,
        monitor: str = "val_accuracy",
        max_norm: float | None = None,
        progress: str = "auto",
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.loss: Loss = CrossEntropyLoss() if loss is None else loss
        self.metrics = {"accuracy": accuracy} if metrics is None else dict(metrics)
        self.monitor, self.max_norm = monitor, max_norm
        self.progress = Progress(progress)
        self.history = History()
        self._sums: dict[str, float] = {}
        self._best: float | None = None

    def fit(
        self,
        data: Data,
        epochs: int,
        *,
        batch_size: int = 32,
        validation: Data | None = None,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> History:
        """Train until ``epochs`` epochs are done.

        Ctrl-C finishes the batch, saves the last state and returns with
        ``history.interrupted``; a second Ctrl-C raises KeyboardInterrupt at once.

        Parameters
        ----------
        data : Loader or (x, y)
            Arrays are shuffled into batches of ``batch_size``.
        epochs : int
            Total, those before a resume included.
        batch_size : int
        validation : Loader or (x, y), optional
            Measured after every epoch.
        out : path, optional
            Folder for ``best.safetensors`` (the model's ``state_dict``) and ``last.safetensors``
            (the whole run), written after every epoch.
        resume : bool
            Go on from ``out``/last.safetensors: bit for bit as if the run had not stopped, given
            the same model, optimizer, data and schedule.

        Raises
        ------
        FloatingPointError
            The loss is not finite; the parameters are those before that step.
        """
        loader = data if isinstance(data, Loader) else Loader(*data, batch_size)
        folder = None if out is None else Path(out)
        if resume and folder is None:
            raise ValueError("Trainer.fit: resume needs out, the folder of the run")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.history, self._sums, self._best = History(), {}, None
        if resume and folder is not None:
            self._restore(folder / LAST, loader)
        self.model.train()
        with Interrupt() as interrupt, self.progress:
            while len(self.history.epochs) < epochs and not interrupt.requested:
                done = loader.position if self._sums else 0
                self.progress.start(len(self.history.epochs) + 1, epochs, len(loader), done)
                row = self._train_epoch(loader, interrupt)
                if row is not None:
                    if validation is not None:
                        results = self.evaluate(validation)
                        row.update({f"val_{name}": value for name, value in results.items()})
                    self.history.epochs.append(row)
                    self._keep_best(row, folder)
                self.progress.end(row)
                if folder is not None:
                    save_run(folder / LAST, self.model, self.optimizer, self._run(loader))
            self.history.interrupted = interrupt.requested
        return self.history

    def step(self, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """One update on one batch; returns its loss and the model's outputs."""
        outputs = self.model(x)
        value, gradient = self.loss(outputs, y)
        loss = float(value)
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"Trainer: the loss is {loss} at step {self.optimizer.steps} "
                f"(epoch {len(self.history.epochs) + 1}, lr {self.optimizer.learning_rate():g}); "
                "a smaller learning rate or a warm-up usually helps"
            )
        self.optimizer.zero_grad()
        self.model.backward(gradient, input_grad=False)
        self.optimizer.step(max_norm=self.max_norm)
        return loss, outputs

    def evaluate(self, data: Data, *, batch_size: int = 256) -> dict[str, float]:
        """Mean loss and metrics over all of ``data``, in eval mode and without augmentation."""
        sums: dict[str, float] = {}
        with evaluating(self.model):
            for x, y in _in_order(data, batch_size):
                outputs = self.model(x)
                self._add(sums, outputs, y, float(self.loss(outputs, y)[0]))
        return {name: value / sums["samples"] for name, value in sums.items() if name != "samples"}

    def predict(self, data: Data | np.ndarray, *, batch_size: int = 256) -> np.ndarray:
        """The model's outputs for all samples, in eval mode and in order."""
        given = (data, np.zeros(len(data))) if isinstance(data, np.ndarray) else data
        with evaluating(self.model):
            return np.concatenate([self.model(x) for x, _ in _in_order(given, batch_size)])

    def _train_epoch(self, loader: Loader, interrupt: Interrupt) -> dict[str, Any] | None:
        """The rest of the epoch; its results, or None if it was broken off."""
        sums, start = self._sums, time.perf_counter()
        before = sums.get("seconds", 0.0)
        complete = bool(sums) and loader.position == len(loader)
        for x, y in () if complete else loader:
            lr = self.optimizer.learning_rate()
            loss, outputs = self.step(x, y)
            self.history.steps.append(loss)
            self._add(sums, outputs, y, loss)
            sums["seconds"] = before + time.perf_counter() - start
            self.progress.step(loss, lr)
            if interrupt.requested:
                return None
        self._sums = {}
        samples, seconds = sums.pop("samples"), sums.pop("seconds")
        return {
            "epoch": len(self.history.epochs) + 1,
            **{name: value / samples for name, value in sums.items()},
            "lr": self.optimizer.learning_rate(),
            "seconds": seconds,
            "samples_per_second": samples / seconds,
        }

    def _add(
        self, sums: dict[str, float], outputs: np.ndarray, targets: np.ndarray, loss: float
    ) -> None:
        values = {"loss": loss, **{n: m(outputs, targets) for n, m in self.metrics.items()}}
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value * len(outputs)
        sums["samples"] = sums.get("samples", 0) + len(outputs)

    def _keep_best(self, row: dict[str, Any], folder: Path | None) -> None:
        value = row.get(self.monitor)
        if value is None:
            return
        sign = -1 if self.monitor.endswith("loss") else 1
        if self._best is not None and sign * value <= sign * self._best:
            return
        self._best, self.history.best_epoch = value, row["epoch"]
        if folder is not None:
            metadata = {"epoch": str(row["epoch"]), self.monitor: repr(value)}
            save_safetensors(self.model.state_dict(), folder / BEST, metadata=metadata)

    def _run(self, loader: Loader) -> dict[str, Any]:
        return {
            "loader": loader.state_dict(),
            "sums": self._sums,
            "best": self._best,
            "best_epoch": self.history.best_epoch,
            "epochs": self.history.epochs,
            "steps": self.history.steps,
        }

    def _restore(self, path: Path, loader: Loader) -> None:
        run = load_run(path, self.model, self.optimizer)
        loader.load_state_dict(run["loader"])
        self._sums, self._best = run["sums"], run["best"]
        self.history = History(run["steps"], run["epochs"], best_epoch=run["best_epoch"])


def _in_order(data: Data, batch_size: int) -> Iterator[Batch]:
    loader = data if isinstance(data, Loader) else Loader(*data, batch_size)
    return loader.in_order()


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Eval mode inside the block; afterwards every layer's own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
