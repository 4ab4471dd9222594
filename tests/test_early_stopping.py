"""Early stopping: when it ends a run, and whose weights the model then has."""

import math
import os
import signal

import pytest
from training import Scripted, WeightsByEpoch, same_weights, setup

from fastnn import train


def waits(values, **arguments):
    return train.EarlyStopping(**arguments).epochs_without_improvement(values)


@pytest.mark.parametrize(
    ("values", "arguments", "expected"),
    [
        ([3, 2, 1], {}, 0),
        ([3, 2, 2, 2], {}, 2),
        ([3, 2, 2.5, 1.9], {"min_delta": 0.2}, 2),
        ([3, 2, 2.5, 1.7], {"min_delta": 0.2}, 0),
        ([3, 2.9, 2.8, 2.7], {"min_delta": 0.25}, 0),  # small steps add up
        ([1, 2, 3], {"mode": "max"}, 0),
        ([1, 2, 3], {"monitor": "val_accuracy"}, 0),
        ([1, 2, 3], {"monitor": "accuracy", "mode": "min"}, 2),
        ([math.nan, math.nan], {}, 2),
        ([2, math.nan, math.inf, 1], {}, 0),
        # m = 2.5, 1.45, 0.945 over 1 - 0.5^t = 0.5, 0.75, 0.875: s = 5, 1.93.., 1.08..
        ([5, 0.4, 0.44], {"smoothing": 0.5}, 0),
        ([5, 0.4, 0.44], {}, 1),
        # one lucky epoch: the smoothed curve goes on falling after it
        ([4, 2, 3, 2.5, 2.4, 2.3], {}, 4),
        ([4, 2, 3, 2.5, 2.4, 2.3], {"smoothing": 0.6}, 0),
    ],
)
def test_epochs_without_improvement(values, arguments, expected):
    assert waits(values, **arguments) == expected


def interrupt(trainer, *rest):
    if len(trainer.history.epochs) == 3:
        os.kill(os.getpid(), signal.SIGINT)


def fail(trainer, *rest):
    if len(trainer.history.epochs) == 3:
        raise RuntimeError("broken")


@pytest.mark.parametrize("end", ["patience", "last epoch", "interrupt", "exception"])
@pytest.mark.parametrize("restore", [True, False])
def test_best_weights_are_restored_on_any_end(end, restore):
    trainer, loader = setup()
    seen, breaker = WeightsByEpoch(), train.Callback()
    breaker.on_batch_end = {"interrupt": interrupt, "exception": fail}.get(end, lambda *a: None)
    patience = 2 if end == "patience" else 9
    stopper = train.EarlyStopping(patience=patience, restore_best=restore)
    callbacks = [Scripted([3, 1, 2, 2, 2]), seen, stopper, breaker]
    if end == "exception":
        with pytest.raises(RuntimeError, match="broken"):
            trainer.fit(loader, 5, callbacks=callbacks)
    else:
        history = trainer.fit(loader, 5, callbacks=callbacks)
        done = {"patience": 4, "last epoch": 5, "interrupt": 3}[end]
        assert len(history.epochs) == done and history.interrupted == (end == "interrupt")
        reason = {"patience": "val_loss has not improved for 2 epochs", "interrupt": "interrupted"}
        assert history.stopped == reason.get(end)
    assert stopper.best_epoch == 2
    assert same_weights(trainer.model, seen.weights[2]) == restore


def test_early_stopping_starts_anew_with_a_new_run():
    stopper = train.EarlyStopping(patience=2)
    for values, best in (([1, 2, 3, 4], 1), ([3, 2, 1, 4], 3)):
        trainer, loader = setup()
        seen = WeightsByEpoch()
        history = trainer.fit(loader, 4, callbacks=[Scripted(values), seen, stopper])
        assert len(history.epochs) == min(4, best + 2) and stopper.best_epoch == best
        assert same_weights(trainer.model, seen.weights[best])


def test_a_run_that_was_stopped_early_stays_so_unless_patience_grows(tmp_path):
    def fit(patience, resume):
        trainer, loader = setup()
        callbacks = [Scripted([1, 2, 3, 4, 5, 6]), train.EarlyStopping(patience=patience)]
        history = trainer.fit(loader, 6, callbacks=callbacks, out=tmp_path, resume=resume)
        return len(history.epochs), history.stopped is not None

    assert fit(2, False) == (3, True)
    assert fit(2, True) == (3, True)
    assert fit(4, True) == (5, True)
    assert fit(9, True) == (6, False)
