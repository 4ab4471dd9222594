"""``WeightAveraging``: an average of the weights that is kept while training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..optim import AveragedModel
from .callback import Callback, Logs, check_every

if TYPE_CHECKING:
    from .trainer import Trainer


class WeightAveraging(Callback):
    """Take the model's weights into an average; a checkpoint keeps it.

    The model itself trains, is validated and saved with its own weights. Afterwards
    ``with average.applied(model): trainer.evaluate(data)``; an equal average (SWA) of a model with
    BatchNorm needs :func:`fastnn.optim.update_bn` before.

    Parameters
    ----------
    average : fastnn.optim.EMA or AveragedModel
        Of the trainer's model.
    every : int, optional
        Steps between two updates; None: one after each epoch, as SWA does.
    start : int
        Epochs before the first update.

    Raises
    ------
    ValueError
        ``every`` is not positive, or ``start`` is negative.
    """

    def __init__(self, average: AveragedModel, every: int | None = 1, *, start: int = 0) -> None:
        if start < 0:
            raise ValueError(f"WeightAveraging: start must be at least 0, got {start}")
        self.average, self.every = average, check_every("WeightAveraging", every)
        self.start = start

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        begun = len(trainer.history.epochs) >= self.start
        if self.every is not None and begun and logs["step"] % self.every == 0:
            self.average.update_parameters(trainer.model)

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        if self.every is None and logs["epoch"] > self.start:
            self.average.update_parameters(trainer.model)

    def state_dict(self) -> dict[str, Any]:
        return dict(self.average.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.average.load_state_dict(state)
