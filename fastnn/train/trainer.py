"""``Trainer``: the training loop."""

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..cuda._arrays import moved, to_host
from ..data import Batch, Loader
from ..nn import CrossEntropyLoss, Module
from ..optim import Optimizer
from .callback import Callback, Logs, check_callbacks, load_callbacks, save_callbacks
from .callbacks import ModelCheckpoint
from .capture import CapturedSteps
from .checkpoint import load_run, part, save_run
from .history import History
from .interrupt import Interrupt
from .metrics import READ_EVERY, Metric, MetricFunction, Totals, accuracy
from .progress import Progress
from .update import Loss, Result, divisor, update

Data = Loader | tuple[np.ndarray, np.ndarray]

BEST = "best.safetensors"
LAST = "last.safetensors"


class Trainer:
    """Trains a model, measures it, and keeps its best and last states.

    A model on a CUDA device (``model.to("cuda")`` before the optimizer is made) gets its batches
    there. Its losses and outputs are read every 32 steps and at the end of an epoch, so that a
    step waits for nothing; a loss that is not finite is found then. ``max_norm`` needs the norm of
    every step, which waits.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over the model's parameters.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        The mean over the batch. One that does not divide by the number of samples has a method
        ``divisor(targets)`` that tells by what. None: :class:`fastnn.nn.CrossEntropyLoss`.
    metrics : mapping of str to callable (outputs, targets) -> float, or :class:`Metric`, optional
        Means over a batch, averaged over the samples; or metrics of a whole set. None: accuracy.
    monitor : str, optional
        Column of the history that decides which epoch is best: the smallest if its name ends in
        "loss", else the largest. None: "val_accuracy" if there is that metric, else "val_loss".
    max_norm : float, optional
        Clips every step's gradients by their global norm; see :meth:`Optimizer.step`.
    accumulate : int
        Batches a step. The gradients of k batches are averaged over their samples, so that a step
        is that of one batch k times as large, but for BatchNorm, whose statistics stay a batch's.
        The last step of an epoch takes the batches that remain.
    capture : bool
        Of a model on a CUDA device: capture a step in a CUDA graph and replay it on the batches
        that follow, bit for bit the same steps with one launch in place of hundreds. The third
        batch in a row of one shape is captured; batches of another shape, the last of an epoch
        say, run as without. A layer that changes takes a new capture. What a step computes from
        must be on the device or one of: the batch, the optimizer's hyper-parameters, the random
        streams of layers (:attr:`Module.rng`); other numbers of your own layers are those of the
        capture, and a step that changes one is refused.
    progress : "auto", "bar", "lines" or "off"
        "auto" is a bar on a terminal or in a notebook and silence elsewhere.

    Attributes
    ----------
    history : History
        Of the last :meth:`fit`.
    epochs, steps_per_epoch : int
        What the last :meth:`fit` was asked for; with ``accumulate`` a step is several batches.

    Raises
    ------
    ValueError
        The optimizer has none of the model's parameters, ``accumulate`` is not positive, or a
        metric has the name of another column; ``capture`` on the CPU, or with ``max_norm`` or
        ``accumulate``, for which the CPU has a part in each step.
    TypeError
        ``metrics`` is no mapping of functions.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: Loss | None = None,
        *,
        metrics: Mapping[str, MetricFunction | Metric] | None = None,
        monitor: str | None = None,
        max_norm: float | None = None,
        accumulate: int = 1,
        capture: bool = False,
        progress: str = "auto",
    ) -> None:
        if accumulate < 1:
            raise ValueError(f"Trainer: accumulate must be at least 1, got {accumulate}")
        own = {id(parameter) for parameter in model.parameters()}
        given = [p for group in optimizer.param_groups for p in group["params"]]
        if not any(id(parameter) in own for parameter in given):
            raise ValueError(
                "Trainer: optimizer must be over parameters of the model, got "
                f"{len(given)} parameters of which none is"
            )
        self.model, self.optimizer = model, optimizer
        self.loss: Loss = CrossEntropyLoss() if loss is None else loss
        self.metrics = {"accuracy": accuracy} if metrics is None else metrics
        self._totals = Totals(self.metrics)
        default = "val_accuracy" if "accuracy" in self.metrics else "val_loss"
        self.monitor = default if monitor is None else monitor
        self.max_norm, self.accumulate = max_norm, accumulate
        if capture and (max_norm is not None or accumulate > 1):
            raise ValueError(
                "Trainer: capture takes steps of one batch without max_norm, got "
                f"accumulate={accumulate}, max_norm={max_norm}"
            )
        self._captured = CapturedSteps(model, optimizer, self.loss) if capture else None
        self.progress = Progress(progress)
        self.history = History()
        self.epochs = self.steps_per_epoch = self._steps_read = 0
        self._seconds = 0.0

    def fit(
        self,
        data: Data,
        epochs: int,
        *,
        batch_size: int = 32,
        validation: Data | None = None,
        callbacks: Sequence[Callback] = (),
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> History:
        """Train until ``epochs`` epochs are done.

        Ctrl-C finishes the step, saves the last state and returns with
        ``history.interrupted``; a second Ctrl-C raises KeyboardInterrupt at once.

        Parameters
        ----------
        data : Loader or (x, y)
            Arrays are shuffled into batches of ``batch_size``. Targets are classes, or a row of
            probabilities a sample (soft labels, as mixup makes them).
        epochs : int
            Total, those before a resume included.
        batch_size : int
        validation : Loader or (x, y), optional
            Measured after every epoch.
        callbacks : sequence of Callback
            Called in this order, ended in the reverse one.
        out : path, optional
            Folder for ``best.safetensors`` (the model's ``state_dict``) and ``last.safetensors``
            (the whole run), written after every epoch.
        resume : bool
            Go on from ``out``/last.safetensors: bit for bit as if the run had not stopped, given
            the same model, optimizer, data, schedule and callbacks.

        Raises
        ------
        FloatingPointError
            The loss or a gradient is not finite; the message names the layer, the parameters are
            those before that step.
        TypeError
            ``data``, ``epochs``, ``validation`` or ``callbacks`` is something else.
        ValueError
            ``resume`` without ``out``, a checkpoint of another run, or ``monitor`` is no column.
        """
        if not isinstance(epochs, int | np.integer):
            raise TypeError(f"Trainer.fit: epochs must be an integer, got {epochs!r:.60}")
        loader = _loader("data", data, batch_size)
        check_callbacks(callbacks)
        if validation is not None:
            validation = _loader("validation", validation, 256)
        folder = None if out is None else Path(out)
        if resume and folder is None:
            raise ValueError("Trainer.fit: resume needs out, the folder of the run")
        self.history, self._totals, self._seconds = History(), Totals(self.metrics), 0.0
        self._steps_read = 0
        self.epochs, self.steps_per_epoch = epochs, -(-len(loader) // self.accumulate)
        if resume and folder is not None:
            self._restore(folder / LAST, loader, callbacks)
        hooks = [*callbacks, self.progress]
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if validation is not None or not self.monitor.startswith("val_"):
                hooks.append(ModelCheckpoint(folder / BEST, self.monitor))
        self.model.train()
        with Interrupt() as interrupt, ExitStack() as ends:
            for callback in hooks:
                callback.on_train_begin(self)
                ends.callback(callback.on_train_end, self)
            while not self._stops(interrupt) and len(self.history.epochs) < epochs:
                for callback in hooks:
                    callback.on_epoch_begin(self, len(self.history.epochs) + 1)
                if self._train_epoch(loader, interrupt, hooks):
                    self._end_epoch(validation, hooks)
                if folder is not None:
                    save_run(
                        folder / LAST, self.model, self.optimizer, self._run(loader, callbacks)
                    )
        return self.history

    def stop(self, reason: str) -> None:
        """End :meth:`fit` after this step, as Ctrl-C does; for callbacks."""
        self.history.stopped = reason

    def step(self, x: np.ndarray, y: np.ndarray) -> tuple[Any, np.ndarray]:
        """One update on one batch; returns its loss and the model's outputs, where the model is."""
        logs, [result] = self._update([(x, y)])
        return logs["loss"], result.outputs

    def _update(self, batches: Iterable[Batch]) -> tuple[Logs, list[Result]]:
        def run(given: Iterable[Batch]) -> tuple[Logs, list[Result]]:
            epoch = len(self.history.epochs) + 1
            return update(self.model, self.optimizer, self.loss, given, self.max_norm, epoch)

        if self._captured is None:
            return run(batches)
        given = list(batches)
        return self._captured.update(given[0], lambda: run(given)) if given else run(given)

    def evaluate(self, data: Data, *, batch_size: int = 256) -> dict[str, float]:
        """Mean loss and metrics over all of ``data``, in eval mode and without augmentation."""
        totals, place = Totals(self.metrics), self.optimizer.place
        with evaluating(self.model):
            for x, y in _loader("data", data, batch_size).in_order():
                outputs = self.model(moved(x, place))
                loss = self.loss(outputs, moved(y, place))[0]
                totals.add(outputs, y, loss, divisor(self.loss, y))
        return totals.results()

    def predict(self, data: Data | np.ndarray, *, batch_size: int = 256) -> np.ndarray:
        """The model's outputs for all samples, in eval mode and in order."""
        given = (data, np.zeros(len(data))) if isinstance(data, np.ndarray) else data
        loader = _loader("data", given, batch_size)
        place = self.optimizer.place
        with evaluating(self.model):
            return np.concatenate(
                [to_host(self.model(moved(x, place))) for x, _ in loader.in_order()]
            )

    def _stops(self, interrupt: Interrupt) -> bool:
        if interrupt.requested:
            self.history.interrupted = True
            self.stop("interrupted")
        return self.history.stopped is not None

    def _train_epoch(self, loader: Loader, interrupt: Interrupt, hooks: Sequence[Callback]) -> bool:
        """The rest of the epoch; False if it was broken off."""
        start, before = time.perf_counter(), self._seconds
        if self._totals.samples > 0 and loader.position == len(loader):
            return True
        batches = iter(loader)
        try:
            while True:
                logs, seen = self._update(islice(batches, self.accumulate))
                if not seen:
                    self._read_losses()
                    self._seconds = before + time.perf_counter() - start
                    return True
                for batch in seen:
                    self._totals.add(*batch)
                self.history.steps.append(logs["loss"])
                self.history.learning_rates.append(logs["lr"])
                logs["step"] = len(self.history.steps)
                if logs["step"] % READ_EVERY == 0:
                    self._read_losses()
                for callback in hooks:
                    callback.on_batch_end(self, logs)
                self._seconds = before + time.perf_counter() - start
                if self._stops(interrupt):
                    self._read_losses()
                    return False
        finally:
            # A loader that makes batches ahead ends its threads now, not when a traceback does.
            getattr(batches, "close", lambda: None)()

    def _read_losses(self) -> None:
        """Wait for the losses of the steps that a CUDA device has been given."""
        if self.optimizer.place is None:
            return
        self._totals.read()
        steps = self.history.steps
        for index in range(self._steps_read, len(steps)):
            steps[index] = float(steps[index])
            if not math.isfinite(steps[index]):
                raise FloatingPointError(
                    f"Trainer: the loss is {steps[index]} at step {index} (epoch "
                    f"{len(self.history.epochs) + 1}, lr {self.history.learning_rates[index]:g}), "
                    f"read after step {len(steps) - 1}: the parameters have changed since"
                )
        self._steps_read = len(steps)

    def _end_epoch(self, validation: Data | None, hooks: Sequence[Callback]) -> None:
        row: Logs = {
            "epoch": len(self.history.epochs) + 1,
            "step": len(self.history.steps),
            **self._totals.results(),
            "lr": self.optimizer.learning_rate(),
            "seconds": self._seconds,
            "samples_per_second": self._totals.samples / self._seconds,
        }
        if validation is not None:
            results = self.evaluate(validation)
            row.update({f"val_{name}": value for name, value in results.items()})
        self.history.epochs.append(row)
        self._totals, self._seconds = Totals(self.metrics), 0.0
        for callback in hooks:
            callback.on_epoch_end(self, row)
        if self.monitor in row:
            best = self.history.best(self.monitor)
            self.history.best_epoch = None if best is None else best["epoch"]

    def _run(self, loader: Loader, callbacks: Sequence[Callback]) -> dict[str, Any]:
        history = self.history
        run = {
            "loader": loader.state_dict(),
            "seconds": self._seconds,
            "epochs": history.epochs,
            "best_epoch": history.best_epoch,
            "steps": np.array(history.steps, np.float64),
            "learning_rates": np.array(history.learning_rates, np.float64),
        }
        run |= {f"totals.{name}": sums for name, sums in self._totals.state_dict().items()}
        run |= {f"callback.{name}": value for name, value in save_callbacks(callbacks).items()}
        return run

    def _restore(self, path: Path, loader: Loader, callbacks: Sequence[Callback]) -> None:
        run = load_run(path, self.model, self.optimizer)
        loader.load_state_dict(run["loader"])
        self._seconds = run["seconds"]
        self._totals.load_state_dict(part(run, "totals."))
        self.history = History(
            run["steps"].tolist(),
            run["learning_rates"].tolist(),
            run["epochs"],
            best_epoch=run["best_epoch"],
        )
        load_callbacks(callbacks, part(run, "callback."))


def _loader(argument: str, data: Data, batch_size: int) -> Loader:
    if isinstance(data, tuple | list) and len(data) == 2:
        return Loader(*data, batch_size)
    if not hasattr(data, "in_order"):
        got = f"{len(data)} arrays" if isinstance(data, tuple | list) else type(data).__name__
        raise TypeError(f"Trainer: {argument} must be a Loader or a pair (x, y), got {got}")
    return data


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
