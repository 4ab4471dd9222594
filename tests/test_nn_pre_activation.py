"""Pre-activation blocks: the formula, gradients, and blocks that start as the identity."""

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import init, nn

EPS = np.finfo(np.float64).eps


def images(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def bn_relu(x):
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return np.maximum((x - mean) / np.sqrt(var + 1e-5), 0)


@pytest.mark.parametrize(("channels", "stride"), [(4, 1), (4, 2), (6, 1)])
def test_formula_and_gradient(channels, stride):
    block = nn.pre_activation_block(4, channels, stride, dtype=np.float64)
    x = images((3, 4, 6, 6))
    weights = {
        name.split(".")[-2]: p.data for name, p in block.named_parameters() if p.data.ndim > 1
    }
    h = bn_relu(x)
    expected = F.conv2d(h, weights["conv1"], stride=stride, padding=1)
    expected = F.conv2d(bn_relu(expected), weights["conv2"], padding=1)
    same = (channels, stride) == (4, 1)
    expected += x if same else F.conv2d(h, weights["shortcut"], stride=stride)
    # 5 layers, sums of at most 54 terms.
    atol = 5 * 54 * EPS * np.abs(expected).max()
    y = block(x)
    np.testing.assert_allclose(y, expected, rtol=0, atol=atol)

    dy = images(y.shape, 1)
    dx, direction, step = block.backward(dy), images(x.shape, 2), 1e-6
    ends = [float((block(x + h * direction) * dy).sum()) for h in (step, -step)]
    numeric = (ends[0] - ends[1]) / (2 * step)
    # Truncation 1e-12, cancellation |loss| eps / step = 1e-9, and the chance of a kink between.
    assert abs(numeric - float((dx * direction).sum())) < 1e-6 * max(1, abs(numeric))


def test_keys():
    same = nn.pre_activation_block(4, 4).state_dict()
    assert "body.bn1.running_mean" in same and "body.conv2.weight" in same
    changed = nn.pre_activation_block(4, 8).state_dict()
    assert {"bn1.weight", "sum.body.conv1.weight", "sum.shortcut.weight"} <= changed.keys()


def test_it_can_start_as_the_identity_and_fuses():
    block, x = nn.pre_activation_block(4, 4, dtype=np.float64), images((2, 4, 6, 6))
    np.testing.assert_array_equal(init.zero_init_residual_(block)(x), x)
    names = [type(step.layer).__name__ for step in block.body.plan()]
    assert names == ["BatchNorm2d", "Conv2d", "BatchNorm2d", "Conv2d"]
