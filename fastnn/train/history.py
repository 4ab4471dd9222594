"""``History``: what a run measured."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class History:
    """Losses by step and results by epoch.

    Attributes
    ----------
    steps : list of float
        Training loss of every step.
    epochs : list of dict
        One an epoch: ``epoch``, ``loss``, the metrics, ``val_loss``, ``val_...``, ``lr``,
        ``seconds``, ``samples_per_second``. Training figures are means over the epoch's steps.
    interrupted : bool
        Whether Ctrl-C ended the run.
    best_epoch : int or None
        Epoch of the best checkpoint, None without validation.
    """

    steps: list[float] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    best_epoch: int | None = None

    def __getitem__(self, name: str) -> list[Any]:
        """The column ``name``, one value an epoch."""
        return [row[name] for row in self.epochs]
