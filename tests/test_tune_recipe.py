"""The seven steps, their report, and what learning curves say."""

import re

import numpy as np
import pytest

from fastnn import data, models, nn, optim, tune

pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

SMALL = {"epochs": 1, "trials": 4, "fine_epochs": 2, "fine_trials": 3}


def digits(n=240):
    x, y = data.load_digits()
    return x[:n].reshape(n, -1), y[:n]


def build(params):
    return models.mlp([64, 16, 10], params.get("dropout", 0.0), seed=0)


def recipe(out, space=None, **arguments):
    return tune.Recipe(build, *digits(), space, out=out, normalize=data.Standardize(), **arguments)


def test_the_seven_steps_and_their_report(tmp_path):
    made = recipe(tmp_path, {"dropout": tune.Uniform(0.0, 0.5)})
    best = made.run(**SMALL)
    assert best.keys() == {"dropout", "lr"} and best == made.best.best_params
    coarse, *finer = made.studies
    assert 1 <= len(finer) <= 2 and len(coarse.trials) == 4 and len(finer[0].trials) == 3
    assert made.best.best_value == max(study.best_value for study in finer)
    assert len(finer[0].best_trial.user_attrs["history"]["loss"]) == 2, "trained longer"
    wide, narrow = (
        s.trials[0].distributions["lr"].high / s.trials[0].distributions["lr"].low
        for s in (coarse, finer[0])
    )
    assert narrow < wide == pytest.approx(100)
    text = (tmp_path / "report.md").read_text()
    assert text == made.report.path.read_text()
    headings = re.findall(r"^## (\d)\. ", text, re.MULTILINE)
    assert headings[:6] == ["1", "2", "3", "4", "5", "6"] and "## Result" in text
    for name in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG", name
    assert "suggestion lies outside" not in text
    assert "expected log 10 = 2.303" in text and "20 samples" in text and "suggested lr" in text


@pytest.fixture
def unseen(monkeypatch):
    """No pictures: they take most of the time."""
    for name in ("plot_search", "plot_curves"):
        monkeypatch.setattr(f"fastnn.tune.recipe.{name}", lambda *_, **__: None)
    monkeypatch.setattr("fastnn.train.lr_finder.LRRange.plot", lambda *_: None)


def test_the_recipe_is_a_function_of_its_seed(tmp_path, unseen):
    first, same, other = (
        recipe(tmp_path / str(i), seed=seed).run(**SMALL) for i, seed in enumerate((1, 1, 2))
    )
    assert first == same != other
    reports = [(tmp_path / str(i) / "report.md").read_text() for i in range(2)]
    assert reports[0] == reports[1]


def test_a_recipe_goes_on_from_its_storage(tmp_path, unseen):
    storage = str(tmp_path / "studies.journal")
    whole = recipe(tmp_path / "whole").run(**SMALL)
    part = recipe(tmp_path / "part", storage=storage)
    for step in (part.check_initial_loss, part.overfit_small_batch, part.find_lr, part.coarse):
        step(**({"epochs": 1, "trials": 4} if step == part.coarse else {}))
    rest = recipe(tmp_path / "part", storage=storage)
    assert rest.run(**SMALL) == whole
    assert len(tune.load_study(storage, "coarse").trials) == 4


def test_a_given_lr_is_kept_and_a_validation_set_used(tmp_path, unseen):
    x, y = digits(300)
    space = {"lr": tune.LogUniform(1e-3, 1e-2), "units": tune.Categorical([8, 16])}
    made = tune.Recipe(
        lambda params: models.mlp([64, params["units"], 10], seed=0),
        x[:200],
        y[:200],
        space,
        out=tmp_path,
        validation=(x[200:], y[200:]),
        normalize=data.Standardize(),
        monitor="val_loss",
    )
    assert made.start == {"lr": pytest.approx(10**-2.5), "units": 8}
    made.run(**{**SMALL, "rounds": 1}, method="grid")
    assert made.studies[0].trials[0].distributions["lr"].low == 1e-3
    assert made.best.direction.name == "MINIMIZE" and len(made.studies) == 2


def test_a_suggestion_outside_of_the_range_is_told(tmp_path, unseen):
    made = recipe(tmp_path, {"lr": tune.LogUniform(1e-9, 1e-8)})
    made.find_lr()
    assert "suggestion lies outside" in made.report.path.read_text()


def test_an_optimizer_of_ones_own_and_data_in_order_of_class(tmp_path, unseen, monkeypatch):
    monkeypatch.setattr("fastnn.tune.recipe.CHECKED", 80)
    x, y = digits()
    order = np.argsort(y, kind="stable")
    made = tune.Recipe(
        build,
        x[order],
        y[order],
        out=tmp_path,
        validation=(x, y),
        normalize=data.Standardize(),
        build_optimizer=lambda model, params: optim.SGD(model.parameters(), params["lr"]),
    )
    assert len(np.unique(made._sample()[1])) == 10
    made.find_lr()
    assert list(made.space) == ["weight_decay", "lr"]


class Deaf(nn.Linear):
    """Does not hear its input."""

    def forward(self, x):
        return super().forward(np.zeros_like(x))

    def forward_fused(self, x, activation=None, residual=None):
        return super().forward_fused(np.zeros_like(x), activation, residual)


def test_what_cannot_learn_is_not_searched(tmp_path):
    made = tune.Recipe(
        lambda params: nn.Sequential(Deaf(64, 10, seed=0)),
        *digits(),
        out=tmp_path,
        normalize=data.Standardize(),
    )
    with pytest.raises(RuntimeError, match=r"step 2 failed, see .*report\.md: 20 samples"):
        made.run(**SMALL)
    assert not made.studies and "FAILED" in (tmp_path / "report.md").read_text()
    made.overfit_small_batch(strict=False, steps=7)
    assert "20 samples in 7 steps" in (tmp_path / "report.md").read_text()


def test_recipe_errors(tmp_path):
    with pytest.raises(ValueError, match=r"Recipe.run: rounds must be at least 1, got 0"):
        recipe(tmp_path).run(rounds=0)
    with pytest.raises(TypeError, match=r"Recipe: space\['lr'\] must be"):
        recipe(tmp_path, {"lr": 0.1})
    with pytest.raises(ValueError, match="plot_curves: study must have trials with learning"):
        study = tune.search(lambda t, p: 1.0, {"n": tune.Integer(1, 2)}, trials=1)
        tune.plot_curves(study, tmp_path / "none.png")


@pytest.mark.parametrize(
    "train, held_out, said",
    [
        ([0.5, 0.7, 0.8], [0.5, 0.65, 0.79], ["still rises"]),
        ([0.5, 0.9, 1.0], [0.7, 0.8, 0.8], ["20 points above", "overfits"]),
        ([0.9, 1.0, 1.0], [0.90, 0.97, 0.94], ["best after epoch 2", "6 points above"]),
        ([0.8, 0.81, 0.81], [0.8, 0.81, 0.81], ["larger model"]),
        ([0.9, 0.98, 0.99], [0.9, 0.97, 0.97], ["nothing to object"]),
        ([0.9], [0.89], ["nothing to object"]),
    ],
)
def test_diagnosis(train, held_out, said):
    found = tune.diagnose({"accuracy": train, "val_accuracy": held_out})
    text = "\n".join(found)
    assert all(words in text for words in said), text
    assert len(found) == len([s for s in said if s != "overfits"]), text


def test_without_accuracies_there_is_no_diagnosis():
    assert tune.diagnose({"loss": [1.0], "val_loss": [1.0]}) == tune.diagnose({}) == []
