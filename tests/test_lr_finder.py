"""The learning-rate range test."""

import sys

import numpy as np
import pytest

from fastnn import data, nn, optim, train


def problem(n=96, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return (rng.standard_normal((n, 8)) + 2 * np.eye(3, 8)[y]).astype(np.float32), y


def network():
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3)
    ).reset_parameters(0)


def test_rates_are_exponential_and_the_steps_are_those_of_training():
    x, y = problem()
    model, twin = network(), network()
    rule = optim.SGD(optim.param_groups(model, lr_mult={"4": 0.5}), 0.3)
    found = train.find_lr(
        model, rule, (x, y), start_lr=1e-4, end_lr=1e-1, num_iter=31, batch_size=32
    )
    np.testing.assert_allclose(found.rates, 10 ** np.linspace(-4, -1, 31), rtol=1e-13)
    assert not found.diverged and len(found.losses) == len(found.smoothed) == 31
    schedule = [float(rate) for rate in found.rates]
    other = optim.SGD(optim.param_groups(twin, lr_mult={"4": 0.5}), lambda t: (schedule * 2)[t])
    trainer, loader = train.Trainer(twin, other), data.Loader(x, y, 32)
    expected = [trainer.step(*batch)[0] for _ in range(11) for batch in loader]
    assert found.losses.tolist() == expected[:31]


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_everything_is_left_bit_for_bit(rule):
    x, y = problem()
    model, twin = network(), network()
    loaders = [data.Loader(x, y, 10, seed=3) for _ in range(2)]
    trainers = [
        train.Trainer(m, rule(m.parameters(), lambda t: 0.01 / (t + 1))) for m in (model, twin)
    ]
    for trainer, loader in zip(trainers, loaders, strict=True):
        for _, batch in zip(range(4), loader, strict=False):
            trainer.step(*batch)
    for parameter in model.parameters():
        parameter.add_grad(np.ones(parameter.shape, np.float32))
    grads = [p.grad.copy() for p in model.parameters()]
    train.find_lr(model, trainers[0].optimizer, loaders[0], num_iter=40)
    assert loaders[0].state_dict() == loaders[1].state_dict()
    for parameter, grad in zip(model.parameters(), grads, strict=True):
        np.testing.assert_array_equal(parameter.grad, grad)
    steps = [[t.step(*b)[0] for b in loader] for t, loader in zip(trainers, loaders, strict=True)]
    assert steps[0] == steps[1] and model.rng_state() == twin.rng_state()
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, twin.state_dict()[name])


def test_it_stops_when_the_loss_explodes_and_suggests_a_rate_that_trains():
    x, y = problem()
    model = network()
    found = train.find_lr(model, optim.SGD(model.parameters()), (x, y), end_lr=1e4)
    assert found.diverged and len(found.losses) < 100
    assert 1e-3 < found.suggestion < found.minimum < found.rates[-1]
    assert f"suggested lr {found.suggestion:.1e}" in str(found) and "exploded" in str(found)
    trainer = train.Trainer(model, optim.SGD(model.parameters(), found.suggestion))
    losses = [trainer.step(x, y)[0] for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]


class Bowl(nn.Module):
    """Its loss with :func:`half_square` is w^2 / 2: SGD multiplies w by 1 - lr."""

    def __init__(self):
        self.weight = nn.Parameter(np.full(1, 8.0))

    def forward(self, x):
        return self.weight.data + 0 * x

    def backward(self, dy, *, input_grad=True):
        self.weight.add_grad(dy.sum(keepdims=True))


def half_square(outputs, targets):
    return float(outputs[0]) ** 2 / 2, np.concatenate([outputs[:1], 0 * outputs[1:]])


def bowl(**arguments):
    model = Bowl()
    return train.find_lr(
        model,
        optim.SGD(model.parameters()),
        (np.zeros(4), np.zeros(4)),
        half_square,
        batch_size=4,
        **arguments,
    )


def test_suggestion_on_a_parabola():
    found = bowl(start_lr=1.05e-4, end_lr=1e2, num_iter=121)
    w = 8 * np.cumprod(np.concatenate([[1], 1 - found.rates[:-1]]))
    np.testing.assert_allclose(found.losses, w**2 / 2, rtol=1e-9)
    # d loss / d log lr is steepest about where the decays so far add up to 1 / 2.
    steepest = found.rates[np.argmin(np.gradient(w**2 / 2, np.log(found.rates)))]
    assert found.suggestion == pytest.approx(steepest, rel=0.15)  # one step is 12 %
    assert found.diverged  # beyond lr 2 it explodes


def test_a_loss_that_never_falls_gives_no_suggestion():
    model = network()
    rising = iter(range(1, 1000))

    def loss(outputs, targets):
        return float(next(rising)) ** 0.5, np.zeros_like(outputs)

    found = train.find_lr(model, optim.SGD(model.parameters()), problem(), loss, num_iter=10)
    assert found.suggestion is None and "no suggestion" in str(found)


def test_misuse_is_refused():
    model, batch = network(), problem()
    rule = optim.SGD(model.parameters())
    cases = [
        ({"start_lr": 0.0}, "start_lr must be above 0 and below end_lr, got 0.0 and 10"),
        ({"start_lr": 1.0, "end_lr": 1.0}, "below end_lr"),
        ({"num_iter": 9}, "num_iter must be at least 10, got 9"),
        ({"diverge": 1.0}, "diverge must be above 1, got 1"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            train.find_lr(model, rule, batch, **arguments)
    with pytest.raises(ValueError, match="optimizer must be over the model's parameters"):
        train.find_lr(network(), rule, batch)
    with pytest.raises(TypeError, match=r"data must be a Loader or a pair \(x, y\), got ndarray"):
        train.find_lr(model, rule, batch[0])
    x = batch[0].copy()
    x[:] = np.nan
    loader = data.Loader(x, batch[1], 32)
    with pytest.raises(FloatingPointError, match="loss is nan"):
        train.find_lr(model, rule, loader)
    assert loader.state_dict()["position"] == 0


def test_plot(tmp_path, monkeypatch):
    found = bowl(num_iter=20)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
            found.plot(tmp_path / "none.png")
    pytest.importorskip("matplotlib")
    found.plot(tmp_path / "range.png")
    assert (tmp_path / "range.png").read_bytes()[:4] == b"\x89PNG"
