"""``Objective``: train a model with a trial's hyper-parameters and measure it."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..data import Compose, Loader
from ..nn import Module
from ..optim import AdamW, Optimizer
from ..train import Callback, ExplosionGuard, History, Metric, OptunaPruning, Trainer
from ..train.metrics import MetricFunction
from ..train.update import Loss
from .optional import optuna
from .space import Params

if TYPE_CHECKING:
    from optuna.trial import Trial

BuildModel = Callable[[Params], Module]
BuildOptimizer = Callable[[Module, Params], Optimizer]
Arrays = tuple[np.ndarray, np.ndarray]


class Fittable(Protocol):
    """What ``normalize`` must be, such as :class:`fastnn.data.Standardize`."""

    def fit(self, x: np.ndarray) -> Any:
        """Learn from training data."""

    def __call__(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Normalise a batch into ``out``."""


def adamw(model: Module, params: Params) -> Optimizer:
    """AdamW with ``lr`` (default 1e-3) and ``weight_decay`` (default 1e-2) from ``params``."""
    rate, decay = params.get("lr", 1e-3), params.get("weight_decay", 1e-2)
    return AdamW(model.parameters(), rate, weight_decay=decay)


class Objective:
    """Validation result of a model trained with given hyper-parameters.

    Called by :func:`search` with a trial, it reports the result of every epoch, lets the study's
    pruner end the trial, and keeps the learning curves in the trial
    (``trial.user_attrs["history"]``). A run whose loss explodes (:class:`ExplosionGuard`) or is no
    longer finite is pruned, with the reason in ``trial.user_attrs["diverged"]``.

    Parameters
    ----------
    build_model : callable (params) -> Module
        A new model; give it a fixed seed.
    train, validation : (x, y)
    epochs : int
    batch_size : int
        Unless ``params`` has a ``batch_size``.
    build_optimizer : callable (model, params) -> Optimizer, optional
        None: AdamW with ``params``' ``lr`` and ``weight_decay``.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: :class:`fastnn.nn.CrossEntropyLoss`.
    metrics : mapping of str to callable, optional
        None: accuracy.
    monitor : str
        Column of the history that is the result; it is minimised if its name ends in "loss".
    normalize : object with ``fit``, optional
        Such as ``fastnn.data.Standardize()``; a copy is fitted to the training part alone.
    augment : Compose or sequence of transforms, optional
        For training, as in :class:`fastnn.data.Loader`.
    seed : int
        Of the batches' order.
    """

    def __init__(
        self,
        build_model: BuildModel,
        train: Arrays,
        validation: Arrays,
        *,
        epochs: int = 5,
        batch_size: int = 64,
        build_optimizer: BuildOptimizer | None = None,
        loss: Loss | None = None,
        metrics: Mapping[str, MetricFunction | Metric] | None = None,
        monitor: str = "val_accuracy",
        normalize: Fittable | None = None,
        augment: Compose | Sequence[Any] | None = None,
        seed: int = 0,
    ) -> None:
        if epochs < 1:
            raise ValueError(f"Objective: epochs must be positive, got {epochs}")
        self.build_model, self.train, self.validation = build_model, train, validation
        self.build_optimizer = build_optimizer or adamw
        self.epochs, self.batch_size, self.seed = epochs, batch_size, seed
        self.loss, self.metrics, self.monitor = loss, metrics, monitor
        self.augment = augment
        self.normalize = None if normalize is None else copy.deepcopy(normalize).fit(train[0])

    @property
    def direction(self) -> str:
        """ "minimize" for a loss, else "maximize"."""
        return "minimize" if self.monitor.endswith("loss") else "maximize"

    def loader(self, params: Params) -> Loader:
        """Shuffled training batches."""
        size = int(params.get("batch_size", self.batch_size))
        return Loader(
            *self.train, size, seed=self.seed, normalize=self.normalize, augment=self.augment
        )

    def trainer(self, params: Params) -> Trainer:
        """New model and optimizer, ready to train."""
        model = self.build_model(params)
        return Trainer(
            model,
            self.build_optimizer(model, params),
            self.loss,
            metrics=self.metrics,
            monitor=self.monitor,
            progress="off",
        )

    def fit(self, params: Params, callbacks: Sequence[Callback] = ()) -> Trainer:
        """Train with ``params``; the trainer has the model and the history.

        Raises
        ------
        FloatingPointError
            The loss is no longer finite.
        """
        return self._fit(self.trainer(params), params, callbacks)

    def _fit(self, trainer: Trainer, params: Params, callbacks: Sequence[Callback]) -> Trainer:
        validation = Loader(*self.validation, 256, shuffle=False, normalize=self.normalize)
        history = trainer.fit(
            self.loader(params), self.epochs, validation=validation, callbacks=callbacks
        )
        if history.interrupted:
            raise KeyboardInterrupt
        return trainer

    def __call__(self, trial: "Trial", params: Params) -> float:
        """The last epoch's result; raises TrialPruned where the pruner or the loss says so."""
        trainer = self.trainer(params)
        callbacks = [ExplosionGuard(), OptunaPruning(trial, self.monitor)]
        try:
            self._fit(trainer, params, callbacks)
        except FloatingPointError as error:
            trial.set_user_attr("diverged", str(error))
            raise optuna().TrialPruned(str(error)) from error
        finally:
            trial.set_user_attr("history", curves(trainer.history))
        return float(trainer.history[self.monitor][-1])


def curves(history: History) -> dict[str, list[float]]:
    """The learning curves of a run by name: losses and metrics, one value an epoch."""
    skipped = {"epoch", "step", "seconds", "samples_per_second"}
    names = [name for row in history.epochs[:1] for name in row if name not in skipped]
    return {name: [float(value) for value in history[name]] for name in names}
