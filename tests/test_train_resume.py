"""Exact resume with every callback active."""

import json
import threading
from importlib.util import find_spec

import numpy as np
import pytest
from training import Scripted, StopAt, problem, same_tensors, setup

from fastnn import data, optim, train


class Mean(train.Callback):
    """A user's callback with state: mean of all losses, as a number and as an array."""

    def __init__(self):
        self.count, self.sum = 0, np.zeros(1)

    def on_batch_end(self, trainer, logs):
        self.count, self.sum = self.count + 1, self.sum + logs["loss"]

    def on_epoch_end(self, trainer, logs):
        logs["mean"] = float(self.sum[0]) / self.count

    def state_dict(self):
        return {"count": self.count, "sum": self.sum}

    def load_state_dict(self, state):
        self.count, self.sum = state["count"], state["sum"]


def optional(folder):
    """The callbacks whose libraries are installed."""
    if find_spec("tensorboardX"):
        yield train.TensorBoard(folder / "board", every=1)
    if find_spec("optuna"):
        from optuna.trial import FixedTrial

        yield train.OptunaPruning(FixedTrial({}))


def run(folder, extra=(), resume=False, epochs=5):
    """A run with every callback, accumulation and a metric of the whole set."""
    metrics = {"accuracy": train.accuracy, "f1": train.F1()}
    trainer, loader = setup(accumulate=3, metrics=metrics, max_norm=1.0)
    stopper = train.EarlyStopping("val_loss", patience=2, min_delta=0.1, smoothing=0.3)
    callbacks = [
        Mean(),
        Scripted([3, 1, 2, 2, 2]),
        stopper,
        train.EarlyStopping("loss", patience=99, restore_best=False),
        train.ExplosionGuard(),
        train.WeightAveraging(optim.EMA(trainer.model)),
        train.ModelCheckpoint(folder / "{epoch}.safetensors", save_best_only=False),
        train.CSVLogger(folder / "log.csv"),
        *optional(folder),
        train.JSONLLogger(folder / "log.jsonl", every=2),
        *extra,
    ]
    validation = problem(seed=1)
    history = trainer.fit(
        loader, epochs, validation=validation, callbacks=callbacks, out=folder, resume=resume
    )
    return history, trainer.model.state_dict(), stopper.best_epoch


TIMES = {"seconds", "samples_per_second"}


def untimed(rows):
    return [{name: row[name] for name in row.keys() - TIMES} for row in rows]


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 7, 12, 13, 14])
def test_resume_with_every_callback_is_bitwise(stop, tmp_path):
    """Steps 1 to 3 hold three batches each, step 4 the tenth: the end of the first epoch."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected, weights, best = run(whole)
    assert expected.stopped is not None and len(expected.epochs) > best, "stopping is exercised"
    first, _, _ = run(parts, [StopAt(stop)])
    assert len(first.steps) == stop and first.stopped == f"step {stop}"
    history, resumed, best_again = run(parts, resume=True)
    assert history.steps == expected.steps and history.stopped == expected.stopped
    assert history.learning_rates == expected.learning_rates and best_again == best
    assert untimed(history.epochs) == untimed(expected.epochs)
    for name, array in weights.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    for file in (p for p in whole.iterdir() if p.suffix == ".safetensors"):
        same_tensors(file, parts / file.name)
    for name in ("log.csv", "log.jsonl"):
        assert len((whole / name).read_text().splitlines()) == len(
            (parts / name).read_text().splitlines()
        )
    lines = [
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (whole, parts)
    ]
    assert untimed(lines[0]) == untimed(lines[1])


@pytest.mark.parametrize("stop", [2, 10, 13])
def test_resume_with_mixed_batches_made_ahead_is_bitwise(stop, tmp_path):
    def fit(callbacks=(), resume=False):
        trainer, _ = setup()
        loader = data.Loader(*problem(), 10, mix=data.Mixup(3), prefetch=3)
        return trainer.fit(loader, 2, callbacks=callbacks, out=tmp_path, resume=resume)

    expected = fit()
    state = (tmp_path / train.LAST).rename(tmp_path / "whole")
    assert len(fit([StopAt(stop)]).steps) == stop
    assert fit(resume=True).steps == expected.steps
    same_tensors(state, tmp_path / train.LAST)


@pytest.mark.parametrize("end", ["stop", "exception", "last epoch"])
def test_a_loader_that_makes_batches_ahead_ends_with_the_run(end):
    class Fail(train.Callback):
        def on_batch_end(self, trainer, logs):
            raise RuntimeError("broken")

    before = threading.active_count()
    trainer, _ = setup()
    loader = data.Loader(*problem(), 10, prefetch=3)
    callbacks = {"stop": [StopAt(2)], "exception": [Fail()], "last epoch": []}[end]
    try:
        trainer.fit(loader, 1, callbacks=callbacks)
    except RuntimeError as error:
        kept = error  # with its traceback, which refers to the loop's variables
        assert kept.__traceback__ is not None
        assert threading.active_count() == before
    assert threading.active_count() == before


def test_resume_after_a_crash_leaves_no_row_twice(tmp_path):
    class Crash(train.Callback):
        def on_epoch_end(self, trainer, logs):
            if logs["epoch"] == 2:
                raise RuntimeError("power cut")

    expected, _, _ = run(tmp_path / "whole", epochs=3)
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "parts", [Crash()], epochs=3)
    assert len((tmp_path / "parts" / "log.csv").read_text().splitlines()) == 3
    history, _, _ = run(tmp_path / "parts", resume=True, epochs=3)
    assert untimed(history.epochs) == untimed(expected.epochs)
    assert len((tmp_path / "parts" / "log.csv").read_text().splitlines()) == 4
    same_tensors(tmp_path / "whole" / train.LAST, tmp_path / "parts" / train.LAST)


def test_resume_without_a_callback_that_has_state_is_refused(tmp_path):
    run(tmp_path, epochs=1)
    trainer, loader = setup()
    with pytest.raises(ValueError, match=r"callbacks must have those .* got none for .* EarlyStop"):
        trainer.fit(loader, 2, callbacks=[Mean()], out=tmp_path, resume=True)


def test_a_callback_may_join_on_resume(tmp_path):
    trainer, loader = setup()
    trainer.fit(loader, 1, out=tmp_path / "run")
    trainer, loader = setup()
    log = train.CSVLogger(tmp_path / "log.csv")
    trainer.fit(loader, 2, out=tmp_path / "run", resume=True, callbacks=[log])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_state_that_cannot_be_saved_is_refused(tmp_path):
    class Odd(train.Callback):
        def state_dict(self):
            return {"odd": object()}

    trainer, loader = setup()
    with pytest.raises(TypeError, match="run must hold arrays and JSON values, got object"):
        trainer.fit(loader, 1, callbacks=[Odd()], out=tmp_path)


def test_other_metrics_cannot_go_on_within_an_epoch(tmp_path):
    """At the end of an epoch they can: nothing is summed up yet."""
    trainer, loader = setup()
    trainer.fit(loader, 1, callbacks=[StopAt(2)], out=tmp_path)
    trainer, loader = setup(metrics={"f1": train.F1()})
    with pytest.raises(ValueError, match=r"metrics must be those .*, accuracy, got f1"):
        trainer.fit(loader, 1, out=tmp_path, resume=True)
    trainer, loader = setup()
    trainer.fit(loader, 1, out=tmp_path, resume=True)
    trainer, loader = setup(metrics={"f1": train.F1()}, monitor="loss")
    assert trainer.fit(loader, 2, out=tmp_path, resume=True).epochs[1]["f1"] > 0
