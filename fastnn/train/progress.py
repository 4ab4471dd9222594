"""Progress of a run: a bar on a terminal, lines, or nothing."""

import sys
import time
from typing import TYPE_CHECKING, Any

from .callback import Callback, Logs
from .history import describe

if TYPE_CHECKING:
    from .trainer import Trainer

MODES = ("auto", "bar", "lines", "off")
REFRESH_SECONDS = 0.1


class Progress(Callback):
    """Shows an epoch's steps and results on standard error.

    Parameters
    ----------
    mode : "auto", "bar", "lines" or "off"
        "bar" uses tqdm and shows lines where it is not installed; "lines" writes one line an
        epoch; "auto" is "bar" on a terminal or in a notebook and "off" elsewhere.

    Raises
    ------
    ValueError
        The mode is another.
    """

    def __init__(self, mode: str = "auto") -> None:
        if mode not in MODES:
            raise ValueError(f"progress must be one of {', '.join(MODES)}, got {mode!r}")
        if mode == "auto":
            watched = sys.stderr.isatty() or "ipykernel" in sys.modules
            mode = "bar" if watched else "off"
        self.mode = mode
        self._bar: Any = None
        self._shown = 0.0

    def on_train_begin(self, trainer: "Trainer") -> None:
        self._began, self._steps_before = time.monotonic(), len(trainer.history.steps)

    def on_epoch_begin(self, trainer: "Trainer", epoch: int) -> None:
        self._title = f"epoch {epoch:{len(str(trainer.epochs))}}/{trainer.epochs}"
        if self.mode != "bar":
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self.mode = "lines"
            return
        history = trainer.history
        done = len(history.steps) - (history["step"][-1] if history.epochs else 0)
        self._bar = tqdm(desc=self._title, total=trainer.steps_per_epoch, initial=done, unit="step")

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        if now - self._shown > REFRESH_SECONDS:
            self._shown = now
            steps = logs["step"]
            speed = (now - self._began) / (steps - self._steps_before)
            left = max(0, trainer.epochs * trainer.steps_per_epoch - steps) * speed
            self._bar.set_postfix_str(
                f"loss {float(logs['loss']):.4f}, lr {logs['lr']:.2g}, "
                f"run {self._bar.format_interval(left)} left",
                refresh=False,
            )
        self._bar.update()

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self._bar is not None:
            self._close(describe(logs))
        elif self.mode == "lines":
            print(f"{self._title}: {describe(logs)}", file=sys.stderr, flush=True)

    def on_train_end(self, trainer: "Trainer") -> None:
        if self._bar is not None:  # an epoch was broken off
            self._close("")

    def _close(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.close()
        self._bar = None
