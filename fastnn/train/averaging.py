"""``WeightAveraging``: an average of the weights that is kept while training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data import Batch, Loader
from ..optim import AveragedModel, update_bn
from .callback import Callback, Logs, check_every

if TYPE_CHECKING:
    from .trainer import Trainer


class WeightAveraging(Callback):
    """Take the model's weights into an average; a checkpoint keeps it.

    The model itself trains, is validated and saved with its own weights. Afterwards use
    ``average(x)``, or ``with average.applied(model): trainer.evaluate(data)``.

    Parameters
    ----------
    average : fastnn.optim.EMA or AveragedModel
        Of the trainer's model.
    every : int, optional
        Steps between two updates; None: one after each epoch, as SWA does.
    start : int
        Epochs before the first update.
    validation : Loader or (x, y), optional
        What the average is measured on after every epoch, into the columns ``avg_loss``,
        ``avg_accuracy``, ...
    batch_norm : Loader, optional
        Data that BatchNorm's statistics are taken from, in order and without augmentation, before
        each measurement and at the end. An equal average (SWA) of a model with BatchNorm needs
        them, or a call of :func:`fastnn.optim.update_bn`.
    prefix : str
        Of the columns.

    Raises
    ------
    ValueError
        ``every`` is not positive, or ``start`` is negative.
    """

    def __init__(
        self,
        average: AveragedModel,
        every: int | None = 1,
        *,
        start: int = 0,
        validation: Loader | Batch | None = None,
        batch_norm: Loader | None = None,
        prefix: str = "avg_",
    ) -> None:
        if start < 0:
            raise ValueError(f"WeightAveraging: start must be at least 0, got {start}")
        self.average, self.every = average, check_every("WeightAveraging", every)
        self.start = start
        self.validation, self.batch_norm, self.prefix = validation, batch_norm, prefix

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        begun = len(trainer.history.epochs) >= self.start
        if self.every is not None and begun and logs["step"] % self.every == 0:
            self.average.update_parameters(trainer.model)

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self.every is None and logs["epoch"] > self.start:
            self.average.update_parameters(trainer.model)
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
        return dict(self.average.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average.load_state_dict(state)
