"""What one does with trained models: ensembles, views, Monte-Carlo dropout, calibration."""

import math
import sys

import numpy as np
import pytest

from fastnn import data, models, nn, optim, train
from fastnn import functional as F
from fastnn.optim import schedules

EPS = np.finfo(np.float32).eps


def problem(n=60, seed=0, features=6):
    """Three classes of ``features`` numbers, the class's own larger."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.standard_normal((n, features)).astype(np.float32)
    x[np.arange(n), y] += 2
    return x, y


def mlp(seed=0, dropout=0.0):
    return models.mlp([6, 16, 3], dropout, seed=seed)


def softmax(z):
    e = np.exp(z.astype(np.float64) - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# --- probabilities and views ------------------------------------------------------------------


def test_predict_proba_is_softmax_in_eval_mode_and_in_order():
    x, y = problem()
    model = mlp(dropout=0.5)
    expected = softmax(model.eval()(x))
    model.train()
    found = train.predict_proba(model, x, batch_size=7)
    np.testing.assert_allclose(found, expected, rtol=20 * EPS)
    assert found.dtype == np.float32 and model.training
    loader = data.Loader(x, y, 8, seed=3)
    np.testing.assert_allclose(train.predict_proba(model, loader), expected, rtol=20 * EPS)


def test_views_are_averaged_as_probabilities():
    x, _ = problem()
    model = mlp()
    views = [lambda x: x, lambda x: x[:, ::-1], lambda x: 2 * x]
    expected = np.mean([train.predict_proba(model, np.ascontiguousarray(v(x))) for v in views], 0)
    found = train.predict_proba(model, x, views=views, batch_size=11)
    np.testing.assert_allclose(found, expected, rtol=4 * len(views) * EPS)
    np.testing.assert_allclose(found.sum(1), 1, rtol=8 * EPS)


# --- ensembles --------------------------------------------------------------------------------


def test_ensemble_averages_probabilities_not_logits():
    x, _ = problem()
    members = [mlp(seed) for seed in range(4)]
    logits = np.stack([m.eval()(x) for m in members])
    ensemble = train.Ensemble(iter(members))
    found = ensemble.predict_proba(x, batch_size=9)
    np.testing.assert_allclose(found, softmax(logits).mean(0), rtol=20 * EPS)
    assert np.abs(found - softmax(logits.mean(0))).max() > 1e-2
    assert len(ensemble) == 4 and ensemble.member_proba(x).shape == (4, 60, 3)
    np.testing.assert_array_equal(ensemble.predict(x), found.argmax(1))
    views = [lambda x: -x, lambda x: x]
    both = ensemble.predict_proba(x, views=views)
    mirrored = (found + ensemble.predict_proba(-x)) / 2
    np.testing.assert_allclose(both, mirrored, rtol=20 * EPS)


def test_an_ensembles_cross_entropy_is_at_most_its_members_mean():
    """Jensen: -log of a mean is at most the mean of -log."""
    x, y = problem(seed=2)
    ensemble = train.Ensemble([mlp(seed) for seed in range(5)])

    def nll(p):
        return -np.log(p[..., np.arange(len(y)), y].astype(np.float64)).mean(-1)

    assert nll(ensemble.predict_proba(x)) < nll(ensemble.member_proba(x)).mean()


def test_snapshots_are_taken_at_the_ends_of_the_cycles():
    loader = data.Loader(*problem(), 10, seed=1)
    model = mlp()
    falling = schedules.cosine(0.5, 2 * len(loader))
    rate = lambda t: falling(t % (2 * len(loader)))  # noqa: E731
    trainer = train.Trainer(model, optim.SGD(model.parameters(), rate))
    taken = train.snapshots(trainer, loader, cycles=3, epochs=2)
    assert len(taken) == 3 and trainer.optimizer.steps == 3 * 2 * len(loader)
    weights = [m.state_dict()["0.weight"] for m in taken]
    np.testing.assert_array_equal(weights[2], model.state_dict()["0.weight"])
    assert not np.array_equal(weights[0], weights[1])
    once = mlp()
    alone = train.Trainer(once, optim.SGD(once.parameters(), rate))
    alone.fit(data.Loader(*problem(), 10, seed=1), 2)
    np.testing.assert_array_equal(once.state_dict()["0.weight"], weights[0])
    assert (
        train.accuracy(train.Ensemble(taken).predict_proba(problem(seed=5)[0]), problem()[1]) > 0.8
    )


# --- dropout at test time ---------------------------------------------------------------------


def test_mc_dropout_statistics():
    """One linear unit behind dropout: mean and variance of a weighted sum of Bernoullis."""
    p, n = 0.4, 12
    weight = np.linspace(-1, 2, n)
    head = nn.Linear(n, 1, dtype=np.float64)
    head.weight.data[:] = weight
    model = nn.Sequential(nn.Dropout(p), head)
    x = np.ones((2, n))
    samples = 4000
    found = train.mc_dropout(model, x, samples=samples, seed=1, softmax=False)
    terms = weight / (1 - p)
    mean, variance = weight.sum(), p * (1 - p) * (terms**2).sum()
    assert np.abs(found.mean - mean).max() < 4 * math.sqrt(variance / samples)
    # the variance of a sample variance is (fourth moment - variance^2) / samples
    fourth = 3 * variance**2 + p * (1 - p) * (1 - 6 * p * (1 - p)) * (terms**4).sum()
    spread = math.sqrt((fourth - variance**2) / samples)
    assert np.abs(found.variance - variance).max() < 4 * spread


def test_mc_dropout_draws_in_dropout_alone():
    body = nn.Sequential(nn.Linear(16, 16), nn.StochasticDepth(0.5, seed=1))
    model = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Residual(body), nn.Dropout(0.0, seed=3)
    )
    x, _ = problem()
    for _ in range(3):
        model(x)  # running statistics
    state, streams = model.state_dict(), model.rng_state()
    found = train.mc_dropout(model, x, samples=5)
    assert (found.samples == found.samples[0]).all(), "p = 0: nothing else may be random"
    np.testing.assert_allclose(found.mean, softmax(model.eval()(x)), rtol=50 * EPS)
    model.train()[4].eval()
    train.mc_dropout(model, x, samples=1)
    assert [m.training for m in model] == [True] * 4 + [False], "each layer has its mode again"
    assert model.rng_state() == streams and model[4]._saved is None
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


@pytest.mark.parametrize(
    "layer",
    [nn.Dropout(0.5), nn.VanillaDropout(0.5), nn.AlphaDropout(0.5), nn.DropConnect(6, 6, p=0.5)],
    ids=lambda layer: type(layer).__name__,
)
def test_mc_dropout_is_a_function_of_its_seed(layer):
    model = nn.Sequential(layer, nn.Linear(6, 3)).reset_parameters(0)
    x, _ = problem()
    first = train.mc_dropout(model, x, samples=3, seed=1).samples
    assert first.shape == (3, 60, 3) and np.ptp(first, axis=0).max() > 0
    np.testing.assert_array_equal(first, train.mc_dropout(model, x, samples=3, seed=1).samples)
    assert (first != train.mc_dropout(model, x, samples=3, seed=2).samples).any()


def test_entropies():
    """Two passes that are sure of different classes, two that are unsure of the same."""
    eye = np.eye(2)
    samples = np.stack([np.stack([eye[0], [0.5, 0.5]]), np.stack([eye[1], [0.5, 0.5]])])
    found = train.MCPrediction(samples)
    np.testing.assert_allclose(found.predictive_entropy, math.log(2))
    np.testing.assert_allclose(found.expected_entropy, [0, math.log(2)])
    np.testing.assert_allclose(found.mutual_information, [math.log(2), 0], atol=2**-50)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_vanilla_dropout_is_inverted_dropout_with_other_weights(p):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 40))
    inverted, vanilla = nn.Dropout(p, seed=5), nn.VanillaDropout(p, seed=5)
    keep = 1 - p
    dropped = vanilla(x)
    np.testing.assert_allclose(dropped, keep * inverted(x), rtol=1e-15)
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], x[kept], rtol=4 * np.finfo(float).eps)
    dy = rng.standard_normal(x.shape)
    np.testing.assert_allclose(vanilla.backward(dy), np.where(kept, dy, 0), rtol=1e-15)
    np.testing.assert_array_equal(vanilla.eval()(x), keep * x)
    assert vanilla(x.astype(np.float32)).dtype == np.float32
    if p < 1:  # (W / keep) behind the vanilla layer is W behind the inverted one
        weight = rng.standard_normal((3, 40))
        for layers in ((vanilla.train(), inverted.train()), (vanilla.eval(), inverted.eval())):
            a, b = F.linear(layers[0](x), weight / keep), F.linear(layers[1](x), weight)
            np.testing.assert_allclose(a, b, atol=40 * np.finfo(float).eps * 40)


def test_stochastic_depth_keeps_the_expectation_and_eval_is_the_identity():
    x = np.ones((20000, 1))
    layer = nn.StochasticDepth(0.3, seed=1)
    kept = layer(x)
    assert set(np.unique(kept)) == {0, 1 / 0.7}
    assert abs(kept.mean() - 1) < 4 * math.sqrt(0.3 / 0.7 / len(x))
    np.testing.assert_array_equal(layer.eval()(x), x)


def test_batch_norm_at_test_time_does_not_see_the_batch():
    x, _ = problem()
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    for _ in range(5):
        model(x)
    alone = np.concatenate([train.predict_proba(model, x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(train.predict_proba(model, x), alone, rtol=20 * EPS)
    norm = model[1]
    h = model[0](x).astype(np.float64)
    expected = (h - norm.running_mean) / np.sqrt(norm.running_var + norm.eps)
    np.testing.assert_allclose(norm.eval()(h.astype(np.float32)), expected, atol=50 * EPS)


# --- calibration ------------------------------------------------------------------------------


def drawn(n=20000, classes=4, temperature=1.0, seed=0):
    """Logits, and targets drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    z = 3 * rng.standard_normal((n, classes))
    p = softmax(z / temperature)
    return z, (p.cumsum(1) < rng.random((n, 1))).sum(1).clip(0, classes - 1)


def test_reliability_is_its_definition():
    z, y = drawn(500)
    p = softmax(z)
    found = train.reliability(p, y, bins=10)
    ece, largest = 0.0, 0.0
    for b in range(10):
        inside = (p.max(1) > b / 10) & (p.max(1) <= (b + 1) / 10)
        assert found.count[b] == inside.sum()
        if inside.any():
            accuracy, confidence = (p.argmax(1) == y)[inside].mean(), p.max(1)[inside].mean()
            assert found.accuracy[b] == pytest.approx(accuracy, rel=1e-12)
            assert found.confidence[b] == pytest.approx(confidence, rel=1e-12)
            gap = abs(accuracy - confidence)
            ece, largest = ece + inside.sum() / 500 * gap, max(largest, gap)
        else:
            assert math.isnan(found.accuracy[b])
    assert found.ece == pytest.approx(ece, rel=1e-12) and found.mce == pytest.approx(largest)
    assert train.expected_calibration_error(p, y, bins=10) == found.ece


def test_bins_are_closed_on_the_right():
    p = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    assert train.reliability(p, np.array([0, 0, 0]), bins=4).count.tolist() == [0, 1, 1, 1]


def test_calibration_error_of_known_models():
    z, y = drawn()
    bound = 4 * math.sqrt(15 * 0.25 / len(y))  # 15 bins, a Bernoulli variance of at most 1 / 4
    assert train.expected_calibration_error(softmax(z), y) < bound
    assert train.expected_calibration_error(softmax(3 * z), y) > 2 * bound
    always = np.tile([0.9, 0.1], (100, 1))
    ece = train.expected_calibration_error(always, (np.arange(100) % 2))
    assert ece == pytest.approx(0.4, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_found(temperature):
    z, y = drawn(temperature=temperature)
    found = train.fit_temperature(z, y)
    assert found == pytest.approx(temperature, rel=4 / math.sqrt(len(y)) * 2)

    def nll(t):
        return -np.log(softmax(z / t)[np.arange(len(y)), y]).mean()

    assert nll(found) < min(nll(found * 1.001), nll(found / 1.001))
    scaled = softmax(z / found)
    np.testing.assert_array_equal(scaled.argmax(1), z.argmax(1))
    single = train.fit_temperature(z.astype(np.float32), y)
    assert single == pytest.approx(found, rel=1e-4)


def test_temperature_of_a_perfect_model_is_the_smallest():
    z = 5 * np.eye(3)
    assert train.fit_temperature(z, np.arange(3)) == pytest.approx(0.01)
    assert train.fit_temperature(-z, np.arange(3)) == pytest.approx(100)


def test_reliability_plot(tmp_path, monkeypatch):
    z, y = drawn(300)
    result = train.reliability(softmax(z), y)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
            train.plot_reliability(result, tmp_path / "none.png")
    pytest.importorskip("matplotlib")
    train.plot_reliability(result, tmp_path / "one.png")
    train.plot_reliability({"a": result, "b": result}, tmp_path / "two.png")
    assert (tmp_path / "two.png").read_bytes()[:4] == b"\x89PNG"


X, Y = problem()
P = np.full((60, 3), 1 / 3)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: train.predict_proba(mlp(), X, views=[]), ValueError, "views must hold at least"),
        (lambda: train.predict_proba(mlp(), X[:0]), ValueError, "data must hold samples"),
        (lambda: train.predict_proba(mlp(), X, batch_size=0), ValueError, "batch_size must be"),
        (
            lambda: train.predict_proba(mlp(), X, views=[lambda x: x[:5]]),
            ValueError,
            r"model must give \(60, C\) for a batch of 60, got \(5, 3\)",
        ),
        (lambda: train.Ensemble([]), ValueError, "Ensemble: models must hold at least one"),
        (
            lambda: train.Ensemble([mlp(), models.mlp([6, 4])]).predict(X),
            ValueError,
            r"Ensemble: models must have the same classes, got \[3, 4\]",
        ),
        (
            lambda: train.snapshots(None, (X, Y), cycles=0, epochs=1),
            ValueError,
            "snapshots: cycles and epochs must be positive, got 0 and 1",
        ),
        (lambda: train.mc_dropout(mlp(), X), ValueError, "model must have a dropout layer"),
        (lambda: train.mc_dropout(mlp(0, 0.5), X, samples=0), ValueError, "samples must be posit"),
        (lambda: train.mc_dropout(mlp(0, 0.5), X[:0]), ValueError, "data must hold samples"),
        (lambda: train.reliability(P, Y[:5]), ValueError, r"must be \(N, C\) and targets \(N,\)"),
        (lambda: train.reliability(P, Y, bins=0), ValueError, "bins must be positive, got 0"),
        (lambda: train.reliability(2 * P, Y), ValueError, "logits need softmax first"),
        (lambda: train.reliability(P * np.nan, Y), ValueError, "rows that add up to 1"),
        (lambda: train.reliability(P, Y * 1.0), TypeError, "targets integers"),
        (lambda: train.reliability(P, Y + 1), ValueError, r"targets must be in \[0, 3\), got 1"),
        (lambda: train.fit_temperature(P[:0], Y[:0]), ValueError, "fit_temperature: logits must"),
        (lambda: train.plot_reliability({}, "none.png"), ValueError, "results must hold at least"),
    ],
)
def test_errors_name_the_argument(make, error, message):
    with pytest.raises(error, match=message):
        make()
