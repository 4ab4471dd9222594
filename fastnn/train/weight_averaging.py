"""``WeightAveraging``: keeps an average of the weights along a run and measures it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data import Batch, Loader
from ..optim import AveragedModel, update_bn
from .callback import Callback, Logs

if TYPE_CHECKING:
    from .trainer import Trainer


class WeightAveraging(Callback):
    """Takes the weights into an average after every step or epoch; resumes exactly.

    ``WeightAveraging(optim.EMA(model), validation=(x, y))`` adds the columns ``avg_loss`` and
    ``avg_accuracy`` to the history. Afterwards use the average itself, ``ema(x)``.

    Parameters
    ----------
    average : AveragedModel
        ``optim.EMA(model)``, or ``optim.AveragedModel(model)`` for SWA.
    each : "step" or "epoch"
        When to take the weights in: usual are steps for EMA, epochs for SWA.
    start : int
        Epochs before the first.
    validation : Loader or (x, y), optional
        What the average is measured on after every epoch.
    batch_norm : Loader, optional
        Data that BatchNorm's statistics are taken from, in order and without augmentation, before
        each measurement and at the end; needed for SWA of a model with BatchNorm.
    prefix : str
        Of the columns.

    Raises
    ------
    ValueError
        ``each`` is neither.
    """

    def __init__(
        self,
        average: AveragedModel,
        *,
        each: str = "step",
        start: int = 0,
        validation: Loader | Batch | None = None,
        batch_norm: Loader | None = None,
        prefix: str = "avg_",
    ) -> None:
        if each not in ("step", "epoch"):
            raise ValueError(f'WeightAveraging: each must be "step" or "epoch", got {each!r}')
        self.average, self.each, self.start = average, each, start
        self.validation, self.batch_norm, self.prefix = validation, batch_norm, prefix

    def _take(self, trainer: "Trainer", done: int) -> None:
        if done >= self.start:
            self.average.update_parameters(trainer.model)

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self.each == "step":
            self._take(trainer, len(trainer.history.epochs))

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self.each == "epoch":
            self._take(trainer, len(trainer.history.epochs) - 1)
        if self.validation is not None and self.average.n_averaged:
            self._renew_statistics()
            with self.average.applied(trainer.model):
                results = trainer.evaluate(self.validation)
            logs.update({f"{self.prefix}{name}": value for name, value in results.items()})

    def on_train_end(self, trainer: "Trainer") -> None:
        self._renew_statistics()

    def _renew_statistics(self) -> None:
        if self.batch_norm is not None and self.average.n_averaged:
            update_bn(self.batch_norm.in_order(), self.average)

    def state_dict(self) -> dict[str, Any]:
        return {**self.average.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average.load_state_dict(state)
