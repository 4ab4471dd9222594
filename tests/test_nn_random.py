"""Layers that drop at random: what they drop, gradients, streams, eval."""

import numpy as np
import pytest

from fastnn import nn

LAYERS = {
    "Dropout": lambda **o: nn.Dropout(0.4, **o),
    "Dropout2d": lambda **o: nn.Dropout2d(0.4, **o),
    "AlphaDropout": lambda **o: nn.AlphaDropout(0.4, **o),
    "StochasticDepth": lambda **o: nn.StochasticDepth(0.4, **o),
    "StochasticDepth, batch": lambda **o: nn.StochasticDepth(0.4, "batch", **o),
    "DropConnect": lambda **o: nn.DropConnect(5, 7, p=0.4, dtype=np.float64, **o),
}
EACH = pytest.mark.parametrize("name", LAYERS)
USED = {  # numbers that one forward of (4, 6, 3, 5) uses up
    "Dropout": 360, "Dropout2d": 24, "AlphaDropout": 360, "StochasticDepth": 4,
    "StochasticDepth, batch": 1, "DropConnect": 35,
}  # fmt: skip


def images(seed=0):
    return np.random.default_rng(seed).standard_normal((4, 6, 3, 5))


@EACH
def test_streams_move_on_and_start_anew(name):
    x, layer = images(), LAYERS[name](seed=3)
    first, second = layer(x), layer(x)
    assert layer.rng[1] == 2 * USED[name]
    if name != "StochasticDepth, batch":  # one number: two of them may be alike
        assert not np.array_equal(first, second)
    np.testing.assert_array_equal(LAYERS[name](seed=3)(x), first)
    np.testing.assert_array_equal(layer.reset_parameters(3)(x), first)


@EACH
def test_backward_is_the_derivative(name):
    x, layer = images(), LAYERS[name](seed=3)
    dy = np.random.default_rng(1).standard_normal(layer(x).shape)
    dx = layer.backward(dy)
    v = images(2)
    ends = [layer.reset_parameters(3)(x + h * v) for h in (0.5, -0.5)]  # piecewise linear in x
    np.testing.assert_allclose((dx * v).sum(), (dy * (ends[0] - ends[1])).sum(), rtol=1e-10)
    with pytest.raises(RuntimeError, match="forward in training mode"):
        LAYERS[name](seed=3).backward(dy)


@EACH
def test_eval_drops_nothing(name):
    x, layer = images(), LAYERS[name](seed=3).eval()
    expected = x
    if name == "DropConnect":
        expected = x @ layer.weight.data.T + layer.bias.data
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12, atol=1e-12)
    assert layer.rng[1] == 0


def test_what_is_dropped_is_whole():
    x = np.ones((64, 32, 4, 3), np.float32)
    channels = nn.Dropout2d(0.25, seed=1)(x).reshape(64 * 32, 12)
    assert (channels == channels[:, :1]).all()
    assert abs((channels[:, 0] == 0).mean() - 0.25) < 0.05
    rows = nn.StochasticDepth(0.25, seed=1)(x).reshape(64, -1)
    assert (rows == rows[:, :1]).all() and 0 < (rows[:, 0] == 0).sum() < 40


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal(1 << 18).astype(np.float32)
    y = nn.AlphaDropout(0.3, seed=5)(x)
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.02


def test_dropconnect_has_linear_s_state_and_gradients():
    layer = nn.DropConnect(5, 7, p=0.5, dtype=np.float64, seed=2)
    assert list(layer.state_dict()) == list(nn.Linear(5, 7).state_dict())
    x, dy = np.random.default_rng(0).standard_normal((9, 5)), np.ones((9, 7))
    start = layer.rng
    layer(x)
    layer.backward(dy)
    ones = nn.DropConnect(5, 7, bias=False, p=0.5, dtype=np.float64, seed=2)
    ones.weight.data.fill(1)
    ones.rng = start
    mask = ones(np.eye(5)).T
    assert set(np.unique(mask)) == {0.0, 2.0}
    np.testing.assert_allclose(layer.weight.grad, mask * (dy.T @ x), rtol=1e-12)
    np.testing.assert_allclose(layer.bias.grad, dy.sum(0))


@pytest.mark.parametrize("kind", [nn.Dropout2d, nn.AlphaDropout, nn.StochasticDepth])
def test_a_wrong_p(kind):
    with pytest.raises(ValueError, match=rf"^{kind.__name__}: p must be"):
        kind(1.5)
    with pytest.raises(ValueError, match=r"^StochasticDepth: mode must be"):
        nn.StochasticDepth(0.5, "column")
