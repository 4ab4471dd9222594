"""Search spaces, searches in one and in two processes, refinement, pruning, tables."""

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastnn import data, models, nn, tune

optuna = pytest.importorskip("optuna")

SPACE = {
    "lr": tune.LogUniform(1e-4, 1e-1),
    "dropout": tune.Uniform(0.0, 0.5),
    "layers": tune.Integer(1, 3),
    "units": tune.LogInteger(8, 64),
    "norm": tune.Categorical(["batch", None, 3]),
}


def score(trial, params):
    """Best at lr = 1e-2, layers = 2; the rest does not matter."""
    return -abs(math.log10(params["lr"]) + 2) - abs(params["layers"] - 2)


def points(study):
    return [(t.number, t.params, t.value) for t in study.get_trials(deepcopy=False)]


def test_spaces_become_optunas_distributions():
    study = tune.search(score, SPACE, trials=3)
    found = study.trials[0].distributions
    D = optuna.distributions
    assert found == {
        "lr": D.FloatDistribution(1e-4, 1e-1, log=True),
        "dropout": D.FloatDistribution(0.0, 0.5),
        "layers": D.IntDistribution(1, 3),
        "units": D.IntDistribution(8, 64, log=True),
        "norm": D.CategoricalDistribution(("batch", None, 3)),
    }
    for trial in study.trials:
        assert SPACE["lr"].low <= trial.params["lr"] <= SPACE["lr"].high
        assert isinstance(trial.params["layers"], int)


def test_random_values_follow_their_scale():
    """Kolmogorov-Smirnov: the largest gap to the uniform law, 0.1 % of the time above 1.95."""
    n = 200
    study = tune.search(lambda trial, params: 0.0, SPACE, trials=n, seed=4)
    for name in ("lr", "dropout"):
        places = np.sort([SPACE[name].to_unit(t.params[name]) for t in study.trials])
        gap = np.abs(places - (np.arange(n) + 0.5) / n).max() + 0.5 / n
        assert gap * math.sqrt(n) < 1.95, name
    counts = np.unique_counts([t.params["layers"] for t in study.trials]).counts
    assert ((counts - n / 3) ** 2 / (n / 3)).sum() < 13.8  # chi-squared, 2 degrees, 0.1 %


@pytest.mark.parametrize("method", ["random", "tpe", "grid"])
def test_one_process_is_deterministic(method):
    arguments = {"method": method, "trials": 14, "points": 2}
    first = points(tune.search(score, SPACE, seed=1, **arguments))
    assert first == points(tune.search(score, SPACE, seed=1, **arguments))
    assert first != points(tune.search(score, SPACE, seed=2, **arguments))
    assert len({str(p) for _, p, _ in first}) == 14


def test_grid():
    values = tune.grid(SPACE, {"lr": 4, "dropout": 1, "units": 2})
    np.testing.assert_allclose(values["lr"], [1e-4, 1e-3, 1e-2, 1e-1], rtol=1e-12)
    assert values["dropout"] == [0.25] and values["layers"] == [1, 2, 3]
    assert values["units"] == [8, 64] and values["norm"] == ["batch", None, 3]
    assert tune.grid({"n": tune.Integer(1, 3)}, 9) == {"n": [1, 2, 3]}
    space = {name: SPACE[name] for name in ("lr", "layers")}
    study = tune.search(score, space, method="grid", points={"lr": 4})
    tried = {(t.params["lr"], t.params["layers"]) for t in study.trials}
    assert len(study.trials) == len(tried) == 12
    assert study.best_params["layers"] == 2 and study.best_params["lr"] == pytest.approx(1e-2)


WORKER = """
import os, sys, time
from pathlib import Path
tests, storage, here = sys.argv[1:]
sys.path.insert(0, tests)
from test_tune import SPACE, score
from fastnn import tune
def slow(trial, params):
    trial.set_user_attr("process", os.getpid())
    time.sleep(0.2)
    return score(trial, params)
Path(here, f"{os.getpid()}.ready").touch()
while len(list(Path(here).glob("*.ready"))) < 2:
    time.sleep(0.01)
tune.search(slow, SPACE, trials=8, seed=5, storage=storage)
"""


def test_two_processes_share_a_storage(tmp_path):
    storage = str(tmp_path / "study.journal")
    tests = str(Path(__file__).parent)
    command = [sys.executable, "-P", "-c", WORKER, tests, storage, str(tmp_path)]
    workers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        _, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
    study = tune.load_study(storage)
    done = study.trials
    assert 8 <= len(done) <= 9 and {t.state.name for t in done} == {"COMPLETE"}
    assert len({t.user_attrs["process"] for t in done}) == 2, "both have worked"
    assert points(study) == points(tune.search(score, SPACE, trials=len(done), seed=5))
    again = tune.search(score, SPACE, trials=8, seed=5, storage=storage)
    assert len(again.trials) == len(done), "nothing is left to do"


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_workers_with_one_seed_try_different_points(method):
    storage = optuna.storages.InMemoryStorage()
    for trials in range(1, 6):  # a worker each: none has seen the other's random numbers
        study = tune.search(score, SPACE, trials=trials, seed=5, method=method, storage=storage)
    assert len({str(t.params) for t in study.trials}) == 5


def test_refine_narrows_around_the_best():
    study = tune.search(score, SPACE, trials=40, seed=0)
    best = sorted(study.trials, key=lambda t: -t.value)[:8]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # dropout and units do not matter
        finer = tune.refine(study, SPACE, margin=0.05)
    assert list(finer) == list(SPACE)
    rates = np.log10([t.params["lr"] for t in best])
    low, high = math.log10(finer["lr"].low), math.log10(finer["lr"].high)
    assert low == pytest.approx(max(-4, rates.min() - 0.05 * 3))
    assert high == pytest.approx(min(-1, rates.max() + 0.05 * 3))
    assert high - low < 2 and low < -2 < high
    assert isinstance(finer["layers"], tune.Integer)
    assert finer["layers"].low <= 2 <= finer["layers"].high
    assert set(finer["norm"].choices) == {t.params["norm"] for t in best}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        one = tune.refine(study, SPACE, top=1, margin=0.0)
    assert one["lr"].low == pytest.approx(study.best_params["lr"])
    assert one["layers"] == tune.Integer(2, 2)
    again = tune.search(score, finer, trials=40, seed=1)
    assert np.mean([t.value for t in again.trials]) > np.mean([t.value for t in study.trials])


@pytest.mark.parametrize("low, side", [(0.009, "lower"), (1e-5, "upper")])
def test_refine_warns_at_a_border(low, side):
    space = {"lr": tune.LogUniform(low, low * 1100)}
    study = tune.search(lambda t, p: -abs(math.log10(p["lr"]) + 2), space, method="grid", points=9)
    with pytest.warns(UserWarning, match=f"the best lr, .* lies at the {side} border of"):
        tune.refine(study, space)
    wide = {"lr": tune.LogUniform(1e-4, 1.0)}
    study = tune.search(lambda t, p: -abs(math.log10(p["lr"]) + 2), wide, trials=9)
    tune.refine(study, wide)  # warnings are errors here


def digits(n=240):
    x, y = data.load_digits()
    split = data.train_test_split(x[:n].reshape(n, -1), y[:n], seed=0)
    return (split.x_train, split.y_train), (split.x_test, split.y_test)


def build(params):
    return models.mlp([64, int(params.get("units", 16)), 10], seed=0)


def objective(**arguments):
    return tune.Objective(build, *digits(), normalize=data.Standardize(), **arguments)


def test_objective_trains_and_keeps_the_curves():
    study = tune.search(objective(epochs=3), {"lr": tune.LogUniform(1e-3, 1e-1)}, trials=3)
    trial = study.best_trial
    history = trial.user_attrs["history"]
    assert study.direction.name == "MAXIMIZE" and trial.value == history["val_accuracy"][-1] > 0.5
    assert list(trial.intermediate_values.values()) == history["val_accuracy"]
    assert len(history["loss"]) == len(history["lr"]) == 3
    made = objective(epochs=3)
    alone = made.fit(trial.params).history
    assert alone["val_accuracy"] == history["val_accuracy"] and alone["epoch"] == [1, 2, 3]
    least = objective(epochs=1, monitor="val_loss")
    study = tune.search(least, {"units": tune.Integer(4, 8), "batch_size": tune.Integer(8, 9)})
    assert study.direction.name == "MINIMIZE"
    assert study.best_value == min(t.value for t in study.trials)


def test_standardisation_sees_the_training_part_alone():
    made = objective()
    (x, _), _ = digits()
    np.testing.assert_array_equal(made.normalize.mean_, data.Standardize().fit(x).mean_)


def test_bad_trials_are_pruned_and_divergence_is_a_result():
    keep = {
        "pruner": optuna.pruners.PercentilePruner(50.0, n_startup_trials=1),
        "storage": optuna.storages.InMemoryStorage(),
    }
    tune.search(objective(epochs=4), {"lr": tune.LogUniform(1e-2, 1e-2)}, trials=1, **keep)
    study = tune.search(objective(epochs=4), {"lr": tune.LogUniform(1e-9, 1e-9)}, trials=2, **keep)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED"]
    assert [len(t.intermediate_values) for t in study.trials] == [4, 1]
    assert "pruned at 1" in tune.table(study)

    def optimizer(model, params):
        from fastnn.optim import SGD

        return SGD(model.parameters(), params["lr"])

    wild = objective(epochs=2, build_optimizer=optimizer)
    study = tune.search(wild, {"lr": tune.Categorical([1e30, 1e-2])}, method="grid")
    state = {t.params["lr"]: t.state.name for t in study.trials}
    assert state == {1e30: "PRUNED", 1e-2: "COMPLETE"}
    text = tune.table(study)
    assert "diverged" in text and text.splitlines()[0].split() == ["trial", "value", "lr", "state"]


def test_table():
    study = tune.search(score, SPACE, trials=5)
    text = tune.table(study).splitlines()
    values = [float(line.split()[1]) for line in text[1:]]
    assert len(text) == 6 and values == sorted(values, reverse=True)
    markdown = tune.table(study, style="markdown", top=2).splitlines()
    assert len(markdown) == 4 and {line.count("|") for line in markdown} == {len(SPACE) + 4}
    assert len({len(line) for line in markdown}) == 1


def test_cross_validation_validates_every_sample_once():
    (x, y), _ = digits()
    seen = []

    class Recorder(nn.Sequential):
        def forward(self, x):
            if not self.training:
                seen.append(x.copy())
            return super().forward(x)

    def recording(params):
        return Recorder(*build(params))

    x = x.astype(np.float32)
    result = tune.cross_validate(recording, x, y, {"lr": 1e-2}, k=4, epochs=1, seed=3)
    for found, (_, held_out) in zip(seen, data.kfold(y, 4, seed=3), strict=True):
        np.testing.assert_array_equal(found, x[held_out])
    rows = np.concatenate(seen)
    assert np.array_equal(rows[np.lexsort(rows.T)], x[np.lexsort(x.T)])
    assert len(result.values) == 4 and result.mean == pytest.approx(np.mean(result.values))
    assert result.std == pytest.approx(np.std(result.values, ddof=1)) and "4 folds" in str(result)
    again = tune.cross_validate(build, x, y, {"lr": 1e-2}, k=4, epochs=1, seed=3)
    assert again.values == result.values
    seen.clear()
    tune.cross_validate(recording, x, y, k=4, epochs=1, stratified=False)
    for found, (_, held_out) in zip(seen, data.kfold(y, 4, stratify=False), strict=True):
        np.testing.assert_array_equal(found, x[held_out])


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: tune.Uniform(1, 0), ValueError, "Uniform: low must be at most high, got 1 and 0"),
        (lambda: tune.Uniform(0, math.nan), ValueError, "Uniform: low must be at most high"),
        (lambda: tune.LogUniform(0, 1), ValueError, "LogUniform: low must be positive"),
        (lambda: tune.Integer(1, 2.5), TypeError, "Integer: low and high must be integers"),
        (lambda: tune.LogInteger(0, 2), ValueError, "LogInteger: low must be positive"),
        (lambda: tune.Categorical([]), ValueError, "Categorical: choices must be a list"),
        (lambda: tune.Categorical("sgd"), ValueError, "Categorical: choices must be a list"),
        (lambda: tune.grid(SPACE, 0), ValueError, "points of lr must be a positive integer, got 0"),
        (lambda: tune.grid(SPACE, {"lr": 1.5}), ValueError, "points of lr must be a positive"),
        (lambda: tune.Uniform("a", 1), TypeError, "Uniform: low and high must be numbers, got 'a'"),
        (
            lambda: tune.search(score, SPACE, direction="up"),
            ValueError,
            'search: direction must be "maximize" or "minimize", got',
        ),
        (lambda: tune.load_study("none.journal"), FileNotFoundError, "storage none.journal does"),
        (
            lambda: tune.load_study(optuna.storages.InMemoryStorage(), "mine"),
            KeyError,
            r"load_study: name must be one of \[\], got 'mine'",
        ),
        (lambda: tune.search(score, {}), ValueError, "search: space must map names"),
        (lambda: tune.search(score, {"lr": (0, 1)}), TypeError, r"search: space\['lr'\] must be"),
        (lambda: tune.search(score, SPACE, trials=0), ValueError, "search: trials must be pos"),
        (lambda: tune.search(score, SPACE, method="magic"), ValueError, "search: method must be"),
        (lambda: tune.search(score, SPACE, pruner="axe"), ValueError, "search: pruner must be"),
        (lambda: objective(epochs=0), ValueError, "Objective: epochs must be positive, got 0"),
        (
            lambda: tune.cross_validate(build, np.zeros((4, 2)), np.zeros(3)),
            ValueError,
            "cross_validate: x and y must be of one length, got 4 and 3",
        ),
        (
            lambda: tune.refine(optuna.create_study(), SPACE),
            ValueError,
            "refine: study must have finished trials",
        ),
        (
            lambda: tune.refine(tune.search(score, SPACE, trials=1), SPACE, top=0),
            ValueError,
            "refine: top must be positive",
        ),
        (
            lambda: tune.table(optuna.create_study(), style="html"),
            ValueError,
            "table: style must be",
        ),
    ],
)
def test_errors_name_the_argument(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_error_of_the_objective_is_raised_once(capfd):
    def broken(trial, params):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        tune.search(broken, SPACE)
    assert capfd.readouterr() == ("", "")


def test_without_optuna_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert tune.grid({"n": tune.Integer(1, 2)}) == {"n": [1, 2]}, "what needs no Optuna works"
    with pytest.raises(ImportError, match=r"fastnn\[tune\]"):
        tune.search(score, SPACE)


def test_import_is_light_and_search_is_silent(capfd):
    program = "import sys, fastnn.tune; sys.exit('optuna' in sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", program], check=True)
    verbosity = optuna.logging.get_verbosity()
    tune.search(score, SPACE, trials=2)
    assert capfd.readouterr() == ("", "") and optuna.logging.get_verbosity() == verbosity


def test_plots(tmp_path, monkeypatch):
    def some_are_pruned(trial, params):
        if trial.number == 5:
            trial.set_user_attr("diverged", "at once")
            raise optuna.TrialPruned
        trial.report(score(trial, params), 0)
        if trial.number == 3:
            raise optuna.TrialPruned
        return score(trial, params)

    study = tune.search(some_are_pruned, SPACE, trials=8)
    single = tune.search(lambda t, p: 1.0, {"n": tune.Integer(2, 2)}, trials=1)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
            tune.plot_search(study, tmp_path / "none.png")
    pytest.importorskip("matplotlib")
    for name, chosen in (("many", study), ("one", single)):
        tune.plot_search(chosen, tmp_path / f"search-{name}.png")
        tune.plot_parallel(chosen, tmp_path / f"parallel-{name}.png")
    two = {"important": "lr", "unimportant": "dropout"}
    tune.plot_grid_and_random(study, study, tmp_path / "both.png", **two)
    made = list(tmp_path.glob("*.png"))
    assert len(made) == 5 and all(p.read_bytes()[:4] == b"\x89PNG" for p in made)
    with pytest.raises(ValueError, match="plot_search: study must have trials with values"):
        tune.plot_search(optuna.create_study(), tmp_path / "none.png")
    with pytest.raises(ValueError, match="grid must have searched 'lr' and 'dropout', got"):
        tune.plot_grid_and_random(single, study, tmp_path / "none.png", **two)
