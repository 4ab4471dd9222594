"""Progress of a run: a bar on a terminal, lines, or nothing."""

import sys
import time
from types import TracebackType
from typing import Any, Self

MODES = ("auto", "bar", "lines", "off")
REFRESH_SECONDS = 0.1


class Progress:
    """Shows an epoch's steps and results on standard error.

    Parameters
    ----------
    mode : "auto", "bar", "lines" or "off"
        "bar" uses tqdm and shows lines where it is not installed; "lines" writes one line an
        epoch; "auto" is "bar" on a terminal and "off" elsewhere.

    Raises
    ------
    ValueError
        The mode is another.
    """

    def __init__(self, mode: str = "auto") -> None:
        if mode not in MODES:
            raise ValueError(f"progress must be one of {', '.join(MODES)}, got {mode!r}")
        if mode == "auto":
            mode = "bar" if sys.stderr.isatty() else "off"
        self.mode = mode
        self._bar: Any = None
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(None)

    def start(self, epoch: int, epochs: int, steps: int, done: int) -> None:
        """An epoch of ``steps`` steps begins, ``done`` of them already behind."""
        self._title = f"epoch {epoch:{len(str(epochs))}}/{epochs}"
        if self.mode != "bar":
            return
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self.mode = "lines"
            return
        self._bar = tqdm(desc=self._title, total=steps, initial=done, unit="batch", leave=True)

    def step(self, loss: float, lr: float) -> None:
        """A step is done; the bar shows its loss at most ten times a second."""
        if self._bar is None:
            return
        now = time.monotonic()
        if now - self._shown > REFRESH_SECONDS:
            self._shown = now
            self._bar.set_postfix_str(f"loss {loss:.4f}, lr {lr:.2g}", refresh=False)
        self._bar.update()

    def end(self, row: dict[str, Any] | None) -> None:
        """The epoch is over, with these results; None if it was broken off."""
        text = "" if row is None else describe(row)
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.close()
            self._bar = None
        elif self.mode == "lines" and row is not None:
            print(f"{self._title}: {text}", file=sys.stderr, flush=True)


def describe(row: dict[str, Any]) -> str:
    """An epoch's results in one line."""
    parts = []
    for name, value in row.items():
        if name.endswith("accuracy"):
            parts.append(f"{name} {100 * value:.2f} %")
        elif name.endswith("loss"):
            parts.append(f"{name} {value:.4f}")
        elif name == "samples_per_second":
            parts.append(f"{value:,.0f} images/s")
    return ", ".join(parts)
