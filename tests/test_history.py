"""The history of a run: columns, the best epoch, files, pictures."""

import json
import math

import numpy as np
import pytest
from training import problem, setup

from fastnn import models, nn, optim, train


def rows(**columns):
    names = list(columns)
    return train.History(
        epochs=[
            dict(zip(["epoch", *names], row, strict=True))
            for row in zip(range(1, 99), *columns.values(), strict=False)
        ]
    )


def test_best():
    history = rows(val_loss=[3, math.nan, 1, 1, 2], val_accuracy=[0.1, 0.5, 0.2, 0.5, math.inf])
    assert history.best("val_loss")["epoch"] == 3
    assert history.best("val_loss", "max")["epoch"] == 1
    assert history.best("val_accuracy")["epoch"] == 5
    assert history.best("val_accuracy", "min")["epoch"] == 1
    assert rows(loss=[math.nan] * 2).best("loss") is None
    assert train.History().best("loss") is None
    with pytest.raises(KeyError, match="name must be one of epoch, loss, got 'los'"):
        rows(loss=[1])["los"]
    with pytest.raises(ValueError, match=r"History\.best: mode must be one of auto, min, max"):
        rows(loss=[1]).best("loss", "least")


def test_columns_of_a_run():
    trainer, loader = setup()
    history = trainer.fit(loader, 2, validation=problem(seed=1))
    names = ["loss", "accuracy", "lr", "seconds", "samples_per_second", "val_loss", "val_accuracy"]
    assert list(history.epochs[0]) == ["epoch", "step", *names]
    assert history["step"] == [10, 20] and history.stopped is None
    rate = trainer.optimizer.param_groups[0]["lr"]
    assert history.learning_rates == [rate(t) for t in range(20)]
    assert history["lr"] == [rate(10), rate(20)], "the next step's, as steps done are counted"
    assert history.best_epoch == history.best("val_accuracy")["epoch"]


def test_a_history_shows_itself_in_a_line():
    assert repr(train.History()) == "<History: 0 steps, 0 epochs>"
    history = train.History([1.0], [0.1], [{"epoch": 1, "loss": 1.0, "f1": 0.5}], stopped="why")
    expected = "<History: 1 steps, 1 epochs; the last: loss 1.0000, f1 0.5000; stopped: why>"
    assert repr(history) == expected


def test_save_and_load(tmp_path):
    trainer, loader = setup()
    history = trainer.fit(loader, 2)
    history.save(tmp_path / "history.json")
    assert train.History.load(tmp_path / "history.json") == history
    copy = history.to_dict()
    assert copy.keys() == vars(history).keys() and json.loads(json.dumps(copy)) == copy
    copy["epochs"][0]["loss"], copy["steps"][0] = None, None
    assert history.epochs[0]["loss"] and history.steps[0]
    for text in ("[]", '{"steps": []}'):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(ValueError, match=r"History\.load: .*other\.json must have best_epoch"):
            train.History.load(tmp_path / "other.json")


@pytest.fixture
def axes(monkeypatch):
    """The axes of the figure that was drawn last."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k))
    )
    return lambda: drawn[-1].axes


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_one_run_and_several_on_a_figure(tmp_path, axes):
    runs = {}
    for seed in (0, 1):
        trainer, loader = setup(seed)
        runs[f"seed {seed}"] = trainer.fit(loader, 6, validation=problem(seed=1))
    history = runs["seed 0"]
    history.plot(tmp_path / "one.png")
    left, right = axes()
    assert labels(left) == ["training, a step", "training, mean of 1", "validation"]
    assert labels(right) == ["training", "validation"]
    np.testing.assert_array_equal(left.collections[0].get_offsets()[:, 1], history.steps)
    np.testing.assert_array_equal(left.lines[1].get_ydata(), history["val_loss"])
    np.testing.assert_array_equal(
        right.lines[1].get_ydata(), 100 * np.array(history["val_accuracy"])
    )
    train.plot_history(runs, tmp_path / "two.png")
    left, right = axes()
    assert labels(left) == ["seed 0", "seed 1", "validation"]
    assert labels(right) == ["seed 0", "seed 1", "training"]
    for path in tmp_path.iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_the_moving_average_stands_in_the_middle_of_its_window(tmp_path, axes):
    steps = np.linspace(3, 1, 200)  # a straight line is its own centred mean
    train.History(steps.tolist(), [0.1] * 200).plot(tmp_path / "line.png")
    line = axes()[0].lines[0]
    x, y = line.get_xdata(), line.get_ydata()
    assert len(x) == 200 - 4 + 1
    # A window of 4 has no middle step: its mean is that of half a step before.
    np.testing.assert_allclose(y, np.interp(x - 0.5, np.arange(1, 201), steps), rtol=1e-12)


def test_a_run_without_accuracy_shows_its_learning_rate(tmp_path, axes):
    x, y = problem()
    model = models.mlp([36, 1])
    trainer = train.Trainer(
        model, optim.SGD(model.parameters(), 0.01), nn.MSELoss(), metrics={}, monitor=None
    )
    target = y[:, None].astype(np.float32)
    history = trainer.fit((x.reshape(96, 36), target), 2, validation=(x.reshape(96, 36), target))
    assert trainer.monitor == "val_loss" and history.best_epoch == 2
    for runs in (history, {"a": history, "b": history}):
        train.plot_history(runs, tmp_path / "rate.png")
        right = axes()[1]
        assert right.get_ylabel() == "learning rate"
        np.testing.assert_array_equal(right.lines[0].get_ydata(), history.learning_rates)
    assert labels(right) == ["a", "b"]


def test_nothing_to_plot_is_an_error(tmp_path):
    pytest.importorskip("matplotlib")
    for history in ({}, train.History(), {"a": train.History([1.0]), "b": train.History()}):
        with pytest.raises(ValueError, match="history must be one or more runs of at least a step"):
            train.plot_history(history, tmp_path / "none.png")


@pytest.mark.parametrize("number", [3, 30, 50])
def test_plot_of_a_confusion_matrix(number, tmp_path, axes):
    counts = np.diag(np.arange(number))
    counts[0, 1] = 2
    matrix = train.ConfusionMatrix(counts)
    matrix.plot(tmp_path / "matrix.png")
    drawn = axes()[0]
    np.testing.assert_allclose(drawn.images[0].get_array()[0, :2], [0, 1])
    texts = {text.get_position(): text.get_text() for text in drawn.texts}
    assert texts == ({(1, 0): "2", (1, 1): "1", (2, 2): "2"} if number == 3 else {})
    assert len(drawn.get_xticks()) == {3: 3, 30: 30, 50: 17}[number]
    matrix.plot(tmp_path / "matrix.png", [f"class {i}" for i in range(number)])
    assert axes()[0].get_xticklabels()[1].get_text().startswith("class")
    with pytest.raises(ValueError, match=f"names must be {number}, one a class, got 1"):
        matrix.plot(tmp_path / "matrix.png", ["a"])
