"""Callbacks: when they are called, when they end a run, what a resume gives back to them."""

import json
import math
import sys

import numpy as np
import pytest
from training import Scripted, WeightsByEpoch, problem, same_weights, setup, small_model

from fastnn import data, io, nn, optim, train


class Recorder(train.Callback):
    """Notes every call."""

    def __init__(self):
        self.calls = []

    def on_train_begin(self, trainer):
        self.calls.append("train begin")

    def on_epoch_begin(self, trainer, epoch):
        self.calls.append(f"epoch {epoch}")

    def on_batch_end(self, trainer, logs):
        assert logs.keys() == {"step", "loss", "lr", "grad_norm", "samples"}
        assert logs["loss"] == trainer.history.steps[-1] and logs["grad_norm"] > 0
        self.calls.append(logs["step"])

    def on_epoch_end(self, trainer, logs):
        assert logs is trainer.history.epochs[-1]
        self.calls.append("epoch end")

    def on_train_end(self, trainer):
        self.calls.append("train end")


class Failing(train.Callback):
    def __init__(self, hook):
        def fail(trainer, *rest):
            raise RuntimeError(f"from {hook}")

        setattr(self, hook, fail)


def test_hooks_are_called_in_order():
    trainer, loader = setup(accumulate=4)
    recorder = Recorder()
    trainer.fit(loader, 2, callbacks=[recorder])
    expected = ["train begin", "epoch 1", 1, 2, 3, "epoch end"]
    assert recorder.calls == [*expected, "epoch 2", 4, 5, 6, "epoch end", "train end"]
    assert trainer.steps_per_epoch == 3 and trainer.epochs == 2


@pytest.mark.parametrize("hook", [n for n in dir(train.Callback) if n.startswith("on_")])
def test_an_exception_in_a_hook_ends_the_run_and_the_callbacks(hook):
    trainer, loader = setup()
    before, after = Recorder(), Recorder()
    with pytest.raises(RuntimeError, match=f"from {hook}"):
        trainer.fit(loader, 1, callbacks=[before, Failing(hook), after])
    assert before.calls[-1] == "train end" and before.calls.count("train end") == 1
    begun = hook != "on_train_begin"
    assert after.calls[-1:] == (["train end"] if begun else [])


def test_a_column_of_a_callback_becomes_one_of_the_history(tmp_path):
    class Square(train.Callback):
        def on_epoch_end(self, trainer, logs):
            logs["square"] = np.float32(logs["epoch"] ** 2)

    trainer, loader = setup(monitor="square")
    log = train.CSVLogger(tmp_path / "log.csv")
    history = trainer.fit(loader, 3, callbacks=[Square(), log], out=tmp_path)
    assert history["square"] == [1, 4, 9] == [r["square"] for r in history.epochs]
    assert (tmp_path / "log.csv").read_text().splitlines()[3].endswith("9.0")
    assert io.read_metadata(tmp_path / train.BEST)["square"] == "9.0" and history.best_epoch == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: train.EarlyStopping(patience=0), "patience must be at least 1, got 0"),
        (lambda: train.EarlyStopping(min_delta=-1), "min_delta must be at least 0, got -1"),
        (lambda: train.EarlyStopping(min_delta=math.nan), "min_delta must be at least 0, got nan"),
        (lambda: train.EarlyStopping(smoothing=1), r"smoothing must be in \[0, 1\), got 1"),
        (lambda: train.EarlyStopping(mode="least"), "mode must be one of auto, min, max"),
        (lambda: train.ModelCheckpoint("x", mode="least"), "mode must be one of auto, min, max"),
        (lambda: train.ExplosionGuard(1.0), r"factor must be above 1, got 1\.0"),
        (lambda: train.JSONLLogger("x", every=0), "every must be None or at least 1, got 0"),
        (lambda: train.WeightAveraging(None, every=0), "every must be None or at least 1, got 0"),
        (lambda: train.WeightAveraging(None, start=-1), "start must be at least 0, got -1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_wrong_monitor_says_what_there_is(tmp_path):
    columns = "epoch, step, loss, accuracy, lr, seconds, samples_per_second"
    for callback in (train.EarlyStopping(), train.ModelCheckpoint(tmp_path / "x")):
        trainer, loader = setup()
        name = type(callback).__name__
        message = f"{name}: monitor must be one of {columns}, got 'val_loss'; did fit get no valid"
        with pytest.raises(ValueError, match=message):
            trainer.fit(loader, 1, callbacks=[callback])
    trainer, loader = setup(monitor="acuracy")
    with pytest.raises(ValueError, match="got 'acuracy'"):
        trainer.fit(loader, 1, out=tmp_path)


def test_explosion_guard_names_step_loss_and_layer():
    x, y = problem()
    model = small_model()
    trainer = train.Trainer(model, optim.SGD(model.parameters(), 50.0, momentum=0.9))
    message = (
        r"the loss [\d.e+]+ at step \d+ \(lr 50\) is over 3 times the initial [\d.]+; "
        r"the largest gradient is that of \d\.(weight|bias), of norm [\d.e+]+"
    )
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit((x, y), 5, callbacks=[train.ExplosionGuard()])
    assert trainer.history.steps[-1] > 3 * trainer.history.steps[0]
    assert max(trainer.history.steps[:-1]) <= 3 * trainer.history.steps[0]


def test_model_checkpoint_names_files_by_columns(tmp_path):
    trainer, loader = setup()
    seen = WeightsByEpoch()
    each = train.ModelCheckpoint(tmp_path / "{epoch:02d}.safetensors", save_best_only=False)
    best = train.ModelCheckpoint(tmp_path / "best", "loss", mode="max")
    trainer.fit(loader, 3, callbacks=[seen, each, best])
    names = ["01.safetensors", "02.safetensors", "03.safetensors", "best"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    for epoch, name in enumerate(names[:3], 1):
        model = small_model(9)
        model.load_state_dict(io.load_safetensors(tmp_path / name))
        assert same_weights(model, seen.weights[epoch])
    assert io.read_metadata(tmp_path / "best")["epoch"] == "1"


def test_loggers_write_the_history(tmp_path):
    trainer, loader = setup()
    callbacks = [
        train.CSVLogger(tmp_path / "a" / "log.csv"),
        train.JSONLLogger(tmp_path / "log", 4),
    ]
    history = trainer.fit(loader, 2, validation=problem(seed=1), callbacks=callbacks)
    header, *rows = (tmp_path / "a" / "log.csv").read_text().splitlines()
    assert header.split(",") == list(history.epochs[0])
    for text, row in zip(rows, history.epochs, strict=True):
        assert [float(value) for value in text.split(",")] == list(row.values())
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line for line in lines if "epoch" in line] == history.epochs
    assert [line["step"] for line in lines] == [4, 8, 10, 12, 16, 20, 20]
    assert lines[0] == {"step": 4, "loss": history.steps[3], "lr": history.learning_rates[3]}


@pytest.mark.parametrize(
    ("arguments", "updates"),
    [
        ({}, 30),
        ({"every": 4}, 7),
        ({"every": None}, 3),
        ({"every": None, "start": 2}, 1),
        ({"start": 1}, 20),
    ],
)
def test_weight_averaging(arguments, updates):
    trainer, loader = setup()
    average = optim.AveragedModel(trainer.model)
    seen = WeightsByEpoch()
    trainer.fit(loader, 3, callbacks=[seen, train.WeightAveraging(average, **arguments)])
    assert average.n_averaged == updates
    if arguments == {"every": None}:  # three weights, each rounded once on its way into the mean
        for name, parameter in average.module.named_parameters():
            mean = np.mean([seen.weights[epoch][name] for epoch in (1, 2, 3)], 0, np.float64)
            scale = np.abs(mean).max() + 2.0**-10
            np.testing.assert_allclose(parameter.data, mean, rtol=0, atol=8 * 2.0**-24 * scale)


def test_a_csv_file_with_a_late_column(tmp_path):
    class Late(train.Callback):
        def on_epoch_end(self, trainer, logs):
            if logs["epoch"] >= 2:
                logs["late"] = logs["epoch"]

    trainer, loader = setup()
    trainer.fit(loader, 3, callbacks=[Late(), train.CSVLogger(tmp_path / "log")])
    header, *rows = (tmp_path / "log").read_text().splitlines()
    assert header.startswith("epoch,step,") and header.endswith(",late")
    assert [row.rsplit(",", 1)[1] for row in rows] == ["", "2", "3"]


def events(file):
    """Events of a TensorBoard file; a record is length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, found = file.read_bytes(), []
    while content:
        size = int.from_bytes(content[:8], "little")
        found.append(Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    return found


def test_tensorboard_events(tmp_path):
    pytest.importorskip("tensorboardX")
    trainer, loader = setup()
    board, out = train.TensorBoard(tmp_path / "board", every=5), tmp_path / "run"
    validation = problem(seed=1)
    history = trainer.fit(loader, 2, validation=validation, callbacks=[board], out=out)
    (file,) = board.log_dir.iterdir()
    found = {}
    for event in events(file):
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = value.simple_value
    assert found["step/loss"].keys() == {5, 10, 15, 20} == found["step/lr"].keys()
    assert found["step/loss"][5] == np.float32(history.steps[4])
    for tag, name in (("train/loss", "loss"), ("val/accuracy", "val_accuracy")):
        expected = dict(zip(history["step"], np.float32(history[name]), strict=True))
        assert found[tag] == expected
    # A resumed run hides what a crash may have left behind its checkpoint.
    trainer.fit(loader, 3, validation=validation, callbacks=[board], out=out, resume=True)
    (other,) = set(board.log_dir.iterdir()) - {file}
    starts = [event.step for event in events(other) if event.HasField("session_log")]
    assert starts == [21]


def test_optuna_prunes_the_trials_that_are_worse():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Losses: the first trial is good, the second bad from the third epoch on.
    scripts = [[3, 2, 1, 1], [3, 2, 5, 5]]

    def objective(trial):
        trainer, loader = setup()
        callbacks = [Scripted(scripts[trial.number]), train.OptunaPruning(trial, "val_loss")]
        return trainer.fit(loader, 4, callbacks=callbacks)["val_loss"][-1]

    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
    study = optuna.create_study(direction="minimize", pruner=pruner)
    study.optimize(objective, n_trials=2)
    first, second = study.trials
    assert first.state.name == "COMPLETE" and first.intermediate_values == {0: 3, 1: 2, 2: 1, 3: 1}
    assert second.state.name == "PRUNED" and second.intermediate_values == {0: 3, 1: 2, 2: 5}


@pytest.mark.parametrize(
    ("make", "module", "extra"),
    [
        (lambda: train.OptunaPruning(None), "optuna", "tune"),
        (lambda: train.TensorBoard("x"), "tensorboardX", "track"),
    ],
)
def test_missing_libraries_name_their_extra(make, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"fastnn\[{extra}\]"):
        make()


def test_data_and_loss_modules_are_used_as_they_are():
    """A loss without ``divisor`` and a plain pair of arrays."""
    x, y = problem()
    model = small_model()
    hinge = nn.MultiClassHingeLoss()
    trainer = train.Trainer(model, optim.SGD(model.parameters(), 0.01), hinge)
    history = trainer.fit((x, y), 2, batch_size=20)
    assert history["loss"][1] < history["loss"][0]
    assert isinstance(trainer.fit(data.Loader(x, y, 20), 1), train.History)
