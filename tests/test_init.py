"""Initialisers as functions of shape and seed: moments, bounds, orthogonality, errors."""

import math

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import init, nn

SHAPE = (64, 32, 3, 3)
N = math.prod(SHAPE)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9
STDS = {
    "normal": (lambda **o: init.normal(SHAPE, 0.3, **o), 0.3),
    "uniform": (lambda **o: init.uniform(SHAPE, -0.6, 0.6, **o), 0.6 / math.sqrt(3)),
    "xavier_normal": (
        lambda **o: init.xavier_normal(SHAPE, gain=2.0, **o),
        2 * math.sqrt(2 / (FAN_IN + FAN_OUT)),
    ),
    "xavier_uniform": (
        lambda **o: init.xavier_uniform(SHAPE, **o),
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
    ),
    "kaiming_normal": (lambda **o: init.kaiming_normal(SHAPE, **o), math.sqrt(2 / FAN_IN)),
    "kaiming_uniform": (
        lambda **o: init.kaiming_uniform(SHAPE, mode="fan_out", nonlinearity="linear", **o),
        math.sqrt(1 / FAN_OUT),
    ),
    "orthogonal": (lambda **o: init.orthogonal(SHAPE, gain=3.0, **o), 3 / math.sqrt(FAN_IN)),
}


@pytest.mark.parametrize("name", STDS)
def test_mean_and_std_are_those_of_the_formula(name):
    draw, std = STDS[name]
    w = draw(rng=0)
    assert w.shape == SHAPE and w.dtype == np.float32
    # Five standard errors of the mean, and of the std: std / sqrt(2 n) for a Gaussian, less else.
    assert abs(w.mean()) < 5 * std / math.sqrt(N)
    assert abs(w.std() - std) < 5 * std / math.sqrt(2 * N)
    np.testing.assert_array_equal(draw(rng=0), w)
    assert not np.array_equal(draw(rng=1), w)
    assert draw(rng=np.random.default_rng(0), dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("draw", [init.xavier_uniform, init.kaiming_uniform])
def test_uniform_weights_stay_within_their_bound(draw):
    w = draw(SHAPE, rng=0)
    gain = 1 if draw is init.xavier_uniform else math.sqrt(2)
    fan = (FAN_IN + FAN_OUT) / 2 if draw is init.xavier_uniform else FAN_IN
    bound = gain * math.sqrt(3 / fan)
    assert 0.999 * bound < np.abs(w).max() <= bound * (1 + np.finfo(np.float32).eps)


def test_constants():
    for draw, value in ((init.zeros, 0), (init.ones, 1)):
        np.testing.assert_array_equal(draw((2, 3)), np.full((2, 3), value, np.float32))
    for draw in (init.kaiming_normal, init.xavier_uniform, init.orthogonal):
        assert draw((0, 0), rng=0).shape == (0, 0)
    assert init.constant((4,), 0.1, dtype=np.float64).tolist() == [0.1] * 4


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (6, 3, 3, 3), (40, 2, 3, 3), (5, 5)])
def test_orthogonal_keeps_lengths(shape):
    w = init.orthogonal(shape, rng=3, gain=2.0, dtype=np.float64).reshape(shape[0], -1)
    product = w @ w.T if len(w) <= w.shape[1] else w.T @ w
    # QR is backward stable: the error of Q^T Q is a few n eps.
    atol = 4 * 10 * max(w.shape) * np.finfo(np.float64).eps
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), rtol=0, atol=atol)


def test_orthogonal_has_no_preferred_direction():
    """The mean over many draws of a Haar matrix is 0; without the signs of R it is not."""
    draws = np.stack([init.orthogonal((3, 3), rng=i) for i in range(2000)])
    # An entry has variance 1/3.
    assert np.abs(draws.mean(0)).max() < 5 * math.sqrt(1 / 3 / 2000)


def test_truncated_normal_is_cut_not_clipped():
    w = init.truncated_normal((50_000,), 2.0, rng=0, mean=1.0, a=-1.0, b=3.0, dtype=np.float64)
    assert w.min() > -1 and w.max() < 3 and np.unique(w).size == w.size
    # Of a Gaussian cut at one standard deviation: 1 - 2 phi(1) / (2 Phi(1) - 1).
    variance = 4 * (1 - 2 * math.exp(-0.5) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(0.5)))
    assert abs(w.mean() - 1) < 5 * math.sqrt(variance / w.size)
    assert abs(w.var() - variance) < 5 * variance * math.sqrt(2 / w.size)
    with pytest.raises(ValueError, match=r"^truncated_normal: \[a, b\] must hold more than 1 %"):
        init.truncated_normal((3,), 0.1, rng=0, a=1.0)
    with pytest.raises(ValueError, match=r"^truncated_normal: std must be above 0, got 0"):
        init.truncated_normal((3,), 0, rng=0)


MOMENT = ("relu", "elu", "gelu", "hardswish", "silu", "softplus", "leaky_relu")


@pytest.mark.parametrize("name", MOMENT)
def test_gain_keeps_the_second_moment(name):
    z = np.linspace(-12, 12, 1 << 16)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    moment = float((getattr(F, name)(z) ** 2 * density).sum())
    # The table has five digits.
    assert abs(init.calculate_gain(name) ** 2 * moment - 1) < 2e-5


def test_gains_are_torchs():
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name), name
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)
    for shape in ((4, 7), (6, 2, 3, 5)):
        theirs = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
        assert init.fans(shape) == theirs


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"^calculate_gain: nonlinearity must be one of .*selu"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match=r"^fans: shape must have at least two axes, got \(3,\)"):
        init.orthogonal((3,), rng=0)
    with pytest.raises(ValueError, match=r"mode must be 'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal((3, 3), rng=0, mode="fan")


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_has_a_row_for_each_output(groups):
    layer = nn.ConvTranspose2d(4, 6, 3, groups=groups, bias=False, dtype=np.float64)
    assert layer.fan_shape == (6, 4 // groups, 3, 3)
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 5))
    y = layer.eval()(x)
    factors = np.arange(1.0, 7.0)
    layer.scale_outputs(factors)
    expected = y * factors[:, None, None]
    # Sums of at most 36 terms, rounded twice.
    atol = 2 * 36 * np.finfo(np.float64).eps * np.abs(expected).max()
    np.testing.assert_allclose(layer(x), expected, rtol=0, atol=atol)
    values = np.zeros(layer.fan_shape)
    values[4] = 1  # the fifth output alone
    layer.set_weight(values)
    assert [bool(channel.any()) for channel in layer(x)[0]] == [i == 4 for i in range(6)]


def test_batch_norm_folds_into_a_transposed_convolution():
    model = nn.Sequential(
        nn.ConvTranspose2d(4, 6, 3, 2, groups=2, dtype=np.float64),
        nn.BatchNorm2d(6, dtype=np.float64),
    )
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 5))
    model(x)
    expected = model.eval()(x)
    atol = 4 * 36 * np.finfo(np.float64).eps * np.abs(expected).max()
    np.testing.assert_allclose(model.fuse()(x), expected, rtol=0, atol=atol)
