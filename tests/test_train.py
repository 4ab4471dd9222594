"""The Trainer: learning, checkpoints, exact resume, interruption."""

import os
import signal
import sys
from functools import partial

import numpy as np
import pytest
from training import problem, same_tensors, setup, small_model

from fastnn import data, io, models, optim, train


def test_it_learns_and_records(tmp_path):
    trainer, loader = setup()
    history = trainer.fit(loader, 4, validation=problem(seed=1), out=tmp_path)
    assert history["epoch"] == [1, 2, 3, 4] and len(history.steps) == 4 * 10
    assert history["val_accuracy"][-1] > 0.9 > 0.8 > history["accuracy"][0]
    assert history["loss"][0] > history["loss"][-1] and not history.interrupted
    steps = np.array(history.steps[:10])
    weights = [10] * 9 + [6]
    assert history["loss"][0] == pytest.approx(np.average(steps, weights=weights), rel=1e-12)
    assert trainer.evaluate(problem(seed=1))["accuracy"] == history["val_accuracy"][-1]
    assert trainer.model.training
    best = io.load_safetensors(tmp_path / train.BEST)
    assert io.read_metadata(tmp_path / train.BEST)["epoch"] == str(history.best_epoch)
    assert history["val_accuracy"][history.best_epoch - 1] == max(history["val_accuracy"])
    model = small_model(seed=9)
    model.load_state_dict(best)
    outputs = train.Trainer(model, optim.SGD(model.parameters())).predict(problem(seed=1)[0])
    assert train.accuracy(outputs, problem()[1]) == max(history["val_accuracy"])


@pytest.mark.parametrize("stop", [3, 10, 17, 20])
def test_resume_is_bitwise(stop, tmp_path):
    """An interrupt after any step, then resume with fresh objects, gives the unbroken run."""
    validation = problem(seed=1)
    whole, loader = setup()
    expected = whole.fit(loader, 3, validation=validation, out=tmp_path / "whole")

    def interrupting(outputs, targets):
        if broken.model.training and broken.optimizer.steps == stop:
            os.kill(os.getpid(), signal.SIGINT)
        return train.accuracy(outputs, targets)

    broken, loader = setup(metrics={"accuracy": interrupting})
    first = broken.fit(loader, 3, validation=validation, out=tmp_path / "parts")
    assert first.interrupted and len(first.steps) == stop
    resumed, loader = setup()
    history = resumed.fit(loader, 3, validation=validation, out=tmp_path / "parts", resume=True)
    assert not history.interrupted and history.steps == expected.steps
    for row, other in zip(history.epochs, expected.epochs, strict=True):
        for name in row.keys() - {"seconds", "samples_per_second"}:
            assert row[name] == other[name], name
    for name in (train.BEST, train.LAST):
        same_tensors(tmp_path / "parts" / name, tmp_path / "whole" / name)


def test_ctrl_c_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    trainer, loader = setup()
    trainer.fit(loader, 1)
    assert signal.getsignal(signal.SIGINT) is before


def test_second_ctrl_c_ends_at_once():
    def twice(outputs, targets):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    trainer, loader = setup(metrics={"accuracy": twice})
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loader, 1)


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update():
    trainer, _ = setup()
    x, y = problem()
    x[75, 0, 0, 0] = np.nan
    before = None

    def watching(outputs, targets):
        nonlocal before
        before = trainer.model.state_dict()["0.weight"]
        return 0.0

    trainer.metrics = {"accuracy": watching}
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 7 \(epoch 1, lr"):
        trainer.fit(data.Loader(x, y, 10, shuffle=False), 1)
    np.testing.assert_array_equal(trainer.model.state_dict()["0.weight"], before)


def test_checkpoints_of_other_runs_are_refused(tmp_path):
    trainer, loader = setup()
    trainer.fit(loader, 1, out=tmp_path)
    other, loader = setup()
    with pytest.raises(FileNotFoundError):
        other.fit(loader, 1, out=tmp_path / "none", resume=True)
    with pytest.raises(ValueError, match="needs out"):
        other.fit(loader, 1, resume=True)
    mlp = models.mlp([36, 3])
    with pytest.raises(KeyError, match="missing keys"):
        train.load_run(tmp_path / train.LAST, mlp, optim.SGD(mlp.parameters()))
    with pytest.raises(ValueError, match=r"param_groups|state of parameter"):
        train.load_run(tmp_path / train.LAST, other.model, optim.SGD(other.model.parameters()))
    io.save_safetensors(other.model.state_dict(), tmp_path / train.LAST)
    with pytest.raises(ValueError, match="no checkpoint of a run"):
        other.fit(loader, 1, out=tmp_path, resume=True)


def test_evaluation_restores_each_layers_mode():
    trainer, _ = setup()
    trainer.model[4].eval()
    trainer.evaluate(problem())
    assert [m.training for m in trainer.model] == [True] * 4 + [False] + [True] * 2


def test_progress_is_silent_off_a_terminal_and_prints_lines_on_request(capsys, monkeypatch):
    trainer, loader = setup()
    trainer.fit(loader, 1)
    assert capsys.readouterr() == ("", "")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ipykernel", None)
        assert setup()[0].progress.mode == "bar"
    trainer, loader = setup(progress="lines")
    trainer.fit(loader, 2, validation=problem(seed=1))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch 2/2: loss ") and "images/s" in lines[1]
    with pytest.raises(ValueError, match="progress must be one of"):
        setup(progress="loud")


@pytest.mark.parametrize("installed", [True, False])
def test_progress_bar_uses_tqdm_where_it_is_installed(installed, capsys, monkeypatch):
    if installed:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer, loader = setup(progress="bar")
    trainer.fit(loader, 1)
    err = capsys.readouterr().err
    assert "epoch 1/1" in err and ("step/s" in err) == installed


def test_the_bar_shows_loss_rate_and_what_is_left(capsys, monkeypatch):
    auto = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr("fastnn.train.progress.REFRESH_SECONDS", 0)
    monkeypatch.setattr(auto, "tqdm", partial(auto.tqdm, mininterval=0, miniters=1))
    trainer, loader = setup(progress="bar", metrics={"f1": train.F1()}, accumulate=3)
    history = trainer.fit(loader, 2)
    bars = capsys.readouterr().err.split("\r")
    first = f"loss {history.steps[0]:.4f}, lr {history.learning_rates[0]:.2g}, run 00:00 left"
    assert any("epoch 1/2:  25%" in bar and first in bar and "step/s" in bar for bar in bars)
    assert f"f1 {history['f1'][1]:.4f}, " in bars[-1]


def test_plots(tmp_path, monkeypatch):
    trainer, loader = setup()
    history = trainer.fit(loader, 2, validation=problem(seed=1))
    x, y = problem()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        patch.setitem(sys.modules, "matplotlib.figure", None)
        patch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
        with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
            train.plot_history(history, tmp_path / "curve.png")
    pytest.importorskip("matplotlib")
    train.plot_history(history, tmp_path / "curve.png")
    assert train.plot_mistakes(x, y, (y + (y > 1)) % 3, tmp_path / "wrong.png") == 32
    assert train.plot_mistakes(x, y, y, tmp_path / "none.png") == 0
    for name in ("curve", "wrong", "none"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": problem()[0]}, r"data must be a Loader or a pair \(x, y\), got ndarray"),
        ({"data": (*problem(), 1)}, r"data must be a Loader or a pair \(x, y\), got 3 arrays"),
        ({"validation": problem()[0]}, "validation must be a Loader or a pair"),
        ({"epochs": "3"}, "epochs must be an integer, got '3'"),
        ({"callbacks": [train.EarlyStopping]}, "callbacks must be a list of instances of Callback"),
        ({"callbacks": train.EarlyStopping()}, "callbacks must be a list of instances of Callback"),
    ],
)
def test_what_fit_does_not_take(arguments, message):
    trainer, loader = setup()
    with pytest.raises(TypeError, match=message):
        trainer.fit(**{"data": loader, "epochs": 1, **arguments})
    assert trainer.optimizer.steps == 0


def test_an_optimizer_of_another_model_is_refused():
    others = optim.SGD(small_model().parameters())
    with pytest.raises(ValueError, match="over parameters of the model, got 5 parameters of which"):
        train.Trainer(small_model(), others)
