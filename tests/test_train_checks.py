"""Checks before and during training: initial loss, overfitting, update ratios, dead units."""

import math

import numpy as np
import pytest

from fastnn import data, models, nn, optim, train
from fastnn.models.small import conv_bn_relu


def clusters(n=60, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (rng.standard_normal((n, 8)) + 3 * np.eye(classes, 8)[y]).astype(np.float32), y


def snapshot(model):
    return (
        model.state_dict(),
        model.rng_state(),
        [m.training for m in model.modules()],
        [p.grad is None for p in model.parameters()],
    )


def assert_unchanged(model, before):
    state, *rest = snapshot(model)
    assert rest == list(before[1:])
    for name, value in state.items():
        np.testing.assert_array_equal(value, before[0][name], err_msg=name)


def noisy_network(seed=0):
    """BatchNorm and dropout: there are buffers and streams to leave alone."""
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    ).reset_parameters(seed)


# --- check_initial_loss -----------------------------------------------------------------------

EXPECTED = {
    "cross entropy": (None, None, math.log(3), "log 3"),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.1), None, math.log(3), "log 3"),
    "weighted": (nn.CrossEntropyLoss(weight=[1.0, 2.0, 5.0]), None, math.log(3), "log 3"),
    "hinge": (nn.MultiClassHingeLoss(), None, 2.0, "2 * 1"),
    "wide hinge": (nn.MultiClassHingeLoss(margin=2.5), None, 5.0, "2 * 2.5"),
    "binary": (nn.BCEWithLogitsLoss(), np.ones((60, 3), np.float32), math.log(2), "log 2"),
    "squares": (nn.MSELoss(), np.full((60, 3), 2, np.float32), 4.0, "the loss of zeros"),
    "distances": (nn.L1Loss(), np.full((60, 3), 2, np.float32), 2.0, "the loss of zeros"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_expected_initial_loss(name):
    loss, targets, expected, formula = EXPECTED[name]
    x, y = clusters()
    model = noisy_network()
    before = snapshot(model)
    result = train.check_initial_loss(model, x, y if targets is None else targets, loss)
    # The losses are means of 60 float32 numbers.
    assert result.expected == pytest.approx(expected, rel=60 * float(np.finfo(np.float32).eps))
    assert result.formula == formula and formula in str(result)
    assert_unchanged(model, before)


def test_initial_loss_tells_good_from_bad():
    x, y = clusters(600, 10)
    model = models.mlp([8, 32, 10])
    good = train.check_initial_loss(model, x, y)
    assert good.ok and str(good).endswith("ok")
    model[2].weight.data *= 20
    high = train.check_initial_loss(model, x, y)
    assert not high.ok and "TOO HIGH" in str(high) and high.output_std > 10
    model[2].weight.data.fill(np.nan)
    assert "not finite" in str(train.check_initial_loss(model, x, y))
    leaking = nn.Sequential(nn.Linear(10, 10, bias=False))
    leaking[0].weight.data[...] = 20 * np.eye(10)
    low = train.check_initial_loss(leaking, np.eye(10, dtype=np.float32)[y], y)
    assert not low.ok and "TOO LOW" in str(low)


def test_initial_loss_refuses():
    x, y = clusters()
    with pytest.raises(ValueError, match="single number, got shape"):
        train.check_initial_loss(
            noisy_network(), x, np.zeros((60, 3), np.float32), nn.MSELoss("none")
        )
    with pytest.raises(ValueError, match="above 0 for outputs that are all 0, got 0"):
        train.check_initial_loss(noisy_network(), x, np.zeros((60, 3), np.float32), nn.MSELoss())
    with pytest.raises(ValueError, match="factor must be above 1, got 1"):
        train.check_initial_loss(noisy_network(), x, y, factor=1)


# --- overfit_small_batch ----------------------------------------------------------------------


def test_overfitting_succeeds_and_leaves_the_model():
    x, y = clusters()
    model = noisy_network()
    model[3].p = 0.9  # with this dropout on, it could not be learned by heart
    before = snapshot(model)
    result = train.overfit_small_batch(model, x, y)
    assert result.ok and result.accuracy == 1 and result.samples == 16
    assert len(result.losses) == result.steps + 1 and result.losses[-1] < result.losses[0]
    assert "accuracy 100 %: ok" in str(result)
    assert_unchanged(model, before)
    assert model[3].p == 0.9


def test_overfitting_a_regression():
    x, _ = clusters()
    targets = x[:, :3] * 2
    result = train.overfit_small_batch(
        models.mlp([8, 32, 3]),
        x,
        targets,
        nn.MSELoss(),
        optimizer=lambda p: optim.Adam(p, 1e-2),
        samples=5,
    )
    assert result.ok and result.accuracy is None and result.losses[-1] <= 0.01 * result.losses[0]


def failing(model=None, x=None, y=None, rate=1e-2, steps=30):
    return train.overfit_small_batch(
        models.mlp([8, 32, 3]) if model is None else model,
        clusters()[0] if x is None else x,
        clusters()[1] if y is None else y,
        optimizer=lambda p: optim.SGD(p, rate),
        steps=steps,
    )


def test_overfitting_says_why_it_failed():
    model = models.mlp([8, 32, 3])
    model[0].freeze()
    y = np.random.default_rng(1).permutation(clusters()[1])
    frozen = failing(model, y=y, steps=2)
    assert not frozen.ok and "no gradient reaches 0.weight, 0.bias" in str(frozen)
    same = failing(x=np.ones((60, 8), np.float32))
    assert "equal samples have different labels" in same.reason
    slow = failing(rate=1e-7)
    assert "hardly fell" in slow.reason and slow.steps == 30
    short = failing(y=y, rate=0.05, steps=8)
    assert "allow more steps" in short.reason, short
    exploded = failing(x=clusters()[0] * 1e18, rate=1e18)
    assert "is not finite" in str(exploded) or "FAILED; Trainer: the" in str(exploded), exploded
    assert exploded.steps < 30


def test_overfitting_refuses():
    x, y = clusters()
    with pytest.raises(ValueError, match="of one length > 0, got 60 and 59 samples"):
        train.overfit_small_batch(noisy_network(), x, y[1:])
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        train.overfit_small_batch(noisy_network(), x, y, samples=0)


# --- update_ratios ----------------------------------------------------------------------------


def test_update_ratios_are_those_of_the_next_step():
    x, y = clusters()
    model = noisy_network()
    optimizer = optim.SGD(model.parameters(), lambda t: 0.1 / (t + 1), momentum=0.9)
    trainer = train.Trainer(model, optimizer)
    trainer.step(x, y)
    model[4].bias.requires_grad = False
    before = snapshot(model)
    result = train.update_ratios(model, optimizer, x, y)
    assert_unchanged(model, before)
    assert optimizer.steps == 1 and result.lr == 0.05
    trainer.step(x, y)
    for name, parameter in model.named_parameters():
        old = before[0][name].astype(np.float64)
        if name == "4.bias":
            assert name not in result.ratios
        else:
            expected = np.linalg.norm(parameter.data - old) / np.linalg.norm(old)
            assert result.ratios[name] == pytest.approx(expected, rel=1e-12), name


def test_update_ratios_judge():
    x, y = clusters()
    for lr, word, ok in ((10.0, "lower", False), (1e-6, "raise", False), (1e-2, "ok", True)):
        model = models.mlp([8, 16, 3])
        result = train.update_ratios(model, optim.SGD(model.parameters(), lr), x, y)
        assert result.ok == ok and word in str(result), result
        assert math.isinf(result.ratios["0.bias"]) and result.weights == ("0.weight", "2.weight")
    model[0].weight.data.fill(0)
    model[0].bias.data.fill(-1)
    still = train.update_ratios(model, optim.SGD(model.parameters(), 0.1), x, y)
    assert still.ratios["0.weight"] == 0 and "does not move" in str(still) and not still.ok
    with pytest.raises(ValueError, match="optimizer must be over the model's parameters"):
        train.update_ratios(model, optim.SGD(models.mlp([8, 3]).parameters()), x, y)


# --- dead_units -------------------------------------------------------------------------------


def test_dead_units_are_counted_in_plain_and_residual_layers():
    model = nn.Sequential(
        *conv_bn_relu(1, 4),
        nn.Residual(nn.Sequential(*conv_bn_relu(4, 4)[:2])),
        nn.Flatten(),
        nn.Linear(36, 5),
        nn.ReLU(),
        nn.Linear(5, 2),
    ).reset_parameters(0)
    model[1].bias.data[[0, 2]] = -1e3
    model[3].body[1].bias.data[1] = -1e3
    model[5].bias.data[4] = -1e3
    x = np.random.default_rng(0).standard_normal((50, 1, 3, 3)).astype(np.float32)
    before = snapshot(model)
    result = train.dead_units(model, x, batch_size=7)
    assert_unchanged(model, before)
    assert [(row.name, row.dead, len(row.fired)) for row in result.rows] == [
        ("2", 2, 4),
        ("3", 1, 4),
        ("6", 1, 5),
    ]
    np.testing.assert_array_equal(result.rows[0].fired, [False, True, False, True])
    assert result.rows[2].share == 0.2 and result.share == 4 / 13
    model.eval()
    hidden = model[2](model[1](model[0](x)))
    assert result.rows[0].active == np.mean(hidden > 0)
    assert "2 ( 50.0 %)" in str(result)
    loader = data.Loader(x, np.zeros(50, int), 7)
    assert str(train.dead_units(model, loader)) == str(result)


def test_a_unit_that_fires_once_is_alive():
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU())
    model[0].weight.data.fill(1)
    x = np.full((1000, 1), -1, np.float32)
    assert train.dead_units(model, x, batch_size=10).rows[0].dead == 1
    x[555] = 1
    assert train.dead_units(model, x, batch_size=10).rows[0].dead == 0
    assert train.dead_units(nn.Sequential(nn.Tanh()), x).rows == ()
    assert train.dead_units(nn.Sequential(nn.Tanh()), x).share == 0
    with pytest.raises(ValueError, match="data must not be empty"):
        train.dead_units(model, x[:0])
