"""Callbacks that write what a run measures: CSV, JSON lines, TensorBoard.

What a file holds follows from the history, which a resume restores: the loggers write it anew when
a run begins, so that a crash between log and checkpoint leaves no row twice.
"""

import csv
import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .callback import Callback, Logs, check_every

if TYPE_CHECKING:
    from .trainer import Trainer


class _File(Callback):
    """A text file that is open while training, flushed after every epoch."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: IO[str] | None = None

    def on_train_begin(self, trainer: "Trainer") -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("w", encoding="utf-8", newline="")

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        assert self._file is not None
        self._file.flush()

    def on_train_end(self, trainer: "Trainer") -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class CSVLogger(_File):
    """Write the history's rows to a CSV file, one an epoch.

    Where a callback adds a column later than in the first epoch, rows before it are empty there.

    Parameters
    ----------
    path : path
    """

    def on_train_begin(self, trainer: "Trainer") -> None:
        super().on_train_begin(trainer)
        self._write_all(trainer)

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        assert self._file is not None
        if self._columns == list(logs):
            csv.writer(self._file).writerow(logs.values())
        else:
            self._write_all(trainer)
        super().on_epoch_end(trainer, logs)

    def _write_all(self, trainer: "Trainer") -> None:
        assert self._file is not None
        rows = trainer.history.epochs
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        self._file.seek(0)
        self._file.truncate()
        if rows:
            writer = csv.DictWriter(self._file, self._columns)
            writer.writeheader()
            writer.writerows(rows)


class JSONLLogger(_File):
    """Write the history to a file of JSON lines: a row an epoch and, if asked for, one a step.

    Parameters
    ----------
    path : path
    every : int, optional
        Also write ``{"step": ..., "loss": ..., "lr": ...}`` for every so-manieth step.
    """

    def __init__(self, path: str | os.PathLike[str], every: int | None = None) -> None:
        super().__init__(path)
        self.every = check_every("JSONLLogger", every)

    def on_train_begin(self, trainer: "Trainer") -> None:
        super().on_train_begin(trainer)
        history = trainer.history
        rows = {row["step"]: row for row in history.epochs}
        pairs = zip(history.steps, history.learning_rates, strict=True)
        for step, (loss, lr) in enumerate(pairs, 1):
            self._step(step, loss, lr)
            if step in rows:
                self._write(rows[step])

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        self._step(logs["step"], logs["loss"], logs["lr"])

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        self._write(logs)
        super().on_epoch_end(trainer, logs)

    def _step(self, step: int, loss: float, lr: float) -> None:
        if self.every is not None and step % self.every == 0:
            self._write({"step": step, "loss": float(loss), "lr": lr})

    def _write(self, row: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(row) + "\n")


class TensorBoard(Callback):
    """Write events for TensorBoard, through tensorboardX. Needs ``fastnn[track]``.

    Tags: ``step/loss`` and ``step/lr`` while an epoch runs; after it ``train/loss``,
    ``train/accuracy``, ..., ``val/loss``, ``val/accuracy``, ...; all over the number of steps.

    Parameters
    ----------
    log_dir : path
    every : int, optional
        Steps between two values of ``step/...``; None: no such values.

    Raises
    ------
    ImportError
        tensorboardX is not installed.
    """

    def __init__(self, log_dir: str | os.PathLike[str], every: int | None = 50) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoard needs tensorboardX, which is not installed: "
                "pip install 'fastnn[track]'"
            ) from error
        self.log_dir, self.every = Path(log_dir), check_every("TensorBoard", every)
        self._make = SummaryWriter
        self._writer: Any = None

    def on_train_begin(self, trainer: "Trainer") -> None:
        steps = len(trainer.history.steps)
        # What a run that broke off wrote after its checkpoint is hidden by TensorBoard.
        # The suffix keeps a run that is resumed within a second from writing over its own file.
        self._writer = self._make(
            str(self.log_dir),
            purge_step=steps + 1 if steps else None,
            filename_suffix=f".{steps}",
        )

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self.every is not None and logs["step"] % self.every == 0:
            for name in ("loss", "lr"):
                self._add(f"step/{name}", float(logs[name]), logs["step"])

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        for name, value in logs.items():
            if name not in ("epoch", "step"):
                part = "val" if name.startswith("val_") else "train"
                self._add(f"{part}/{name.removeprefix('val_')}", value, logs["step"])
        self._writer.flush()

    def on_train_end(self, trainer: "Trainer") -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _add(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)
