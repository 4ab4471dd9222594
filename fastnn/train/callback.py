"""``Callback``: what may happen beside the training loop."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .checkpoint import part

if TYPE_CHECKING:
    from .trainer import Trainer

Logs = dict[str, Any]


class Callback:
    """Base of the callbacks; every hook does nothing.

    The hooks are those of Keras, each given the :class:`Trainer`, whose ``model``, ``optimizer``,
    ``history``, ``epochs`` and ``steps_per_epoch`` may be read and which ``trainer.stop(reason)``
    ends. There is no hook before a batch: what comes in belongs to the loader, the learning rate
    to a schedule. An exception in a hook ends the run.

    State that must outlive an interruption goes through :meth:`state_dict`. What follows from
    ``trainer.history``, which is whole again after a resume, needs none.
    """

    def on_train_begin(self, trainer: "Trainer") -> None:
        """Before the first step; ``trainer.history`` is empty unless the run was resumed."""

    def on_epoch_begin(self, trainer: "Trainer", epoch: int) -> None:
        """Before an epoch, counted from 1, or before the rest of one that was broken off."""

    def on_batch_end(self, trainer: "Trainer", logs: Logs) -> None:
        """After an update (one in ``accumulate`` batches).

        ``logs`` has ``step`` (counted from 1), ``loss``, the ``lr`` it was made with, ``grad_norm``
        (before clipping) and ``samples``. On a CUDA device ``loss`` is an array of no axis, and
        ``float(loss)`` waits for the step.
        """

    def on_epoch_end(self, trainer: "Trainer", logs: Logs) -> None:
        """After an epoch and its validation.

        ``logs`` is the epoch's row, the last of ``trainer.history.epochs``. Numbers that are put
        into it become columns of the history, which later callbacks of the list see.
        """

    def on_train_end(self, trainer: "Trainer") -> None:
        """On any end of training: the last epoch, a stop, Ctrl-C or an exception."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: names with JSON values or arrays."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`; called before :meth:`on_train_begin`, if it held any."""


def check_every(owner: str, every: int | None) -> int | None:
    """``every``, if it is None or positive."""
    if every is not None and every < 1:
        raise ValueError(f"{owner}: every must be None or at least 1, got {every}")
    return every


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuse what is no sequence of callbacks, a class in place of its instance for one."""
    given = list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    wrong = [callback for callback in given if not isinstance(callback, Callback)]
    if wrong or not isinstance(callbacks, Sequence):
        raise TypeError(
            "Trainer.fit: callbacks must be a list of instances of Callback, "
            f"got {wrong[0] if wrong else callbacks!r}"
        )


def _keys(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    """The callbacks by class and number among those of their class: ``EarlyStopping.0.``."""
    names = [type(callback).__name__ for callback in callbacks]
    for index, callback in enumerate(callbacks):
        yield f"{names[index]}.{names[:index].count(names[index])}.", callback


def save_callbacks(callbacks: Sequence[Callback]) -> dict[str, Any]:
    """The states of all callbacks in one mapping."""
    return {
        key + name: value
        for key, callback in _keys(callbacks)
        for name, value in callback.state_dict().items()
    }


def load_callbacks(callbacks: Sequence[Callback], states: Mapping[str, Any]) -> None:
    """Give the callbacks their states back.

    Raises
    ------
    ValueError
        A state is of none of them.
    """
    keys = dict(_keys(callbacks))
    lost = sorted(n for n in states if not n.startswith(tuple(keys)))
    if lost:
        raise ValueError(
            "Trainer.fit: callbacks must have those of the run to resume, "
            f"got none for the state of {lost[0].split('.')[0]}"
        )
    for key, callback in keys.items():
        if state := part(states, key):
            callback.load_state_dict(state)
