"""Affine and the block of Fixup: the formula, fusion, state."""

import numpy as np
import pytest

from fastnn import init, nn

EPS = np.finfo(np.float64).eps


def images(shape=(3, 4, 5, 5), seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("features", [1, 4])
@pytest.mark.parametrize("shape", [(3, 4, 5, 5), (6, 4), (2, 4, 7)])
def test_formula(features, shape):
    layer, x = nn.Affine(features, dtype=np.float64), images(shape)
    np.testing.assert_array_equal(layer(x), x)
    rng = np.random.default_rng(1)
    for parameter in layer.parameters():
        parameter.data[...] = rng.standard_normal(features)
    per_channel = (features, *[1] * (len(shape) - 2))
    weight, bias = (p.data.reshape(per_channel) for p in (layer.weight, layer.bias))
    expected = weight * x + bias
    atol = 2 * EPS * np.abs(expected).max()
    np.testing.assert_allclose(layer(x), expected, rtol=0, atol=atol)
    dy = images(shape, 2)
    np.testing.assert_allclose(layer.backward(dy), weight * dy, rtol=2 * EPS)
    axes = tuple(i for i in range(x.ndim) if i != 1 or features == 1)
    for parameter, products in ((layer.weight, dy * x), (layer.bias, dy)):
        summed = products.sum(axes).reshape(features)
        atol = x.size * EPS * np.abs(products).max()
        np.testing.assert_allclose(parameter.grad, summed, rtol=0, atol=atol)
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_parts_can_be_left_out():
    shift = nn.Affine(scale=False, dtype=np.float64)
    shift.bias.data.fill(2)
    np.testing.assert_array_equal(shift(images()), images() + 2)
    scale = nn.Affine(bias=False, init=0.0)
    assert list(scale.state_dict()) == ["weight"] and scale.weight.data == 0
    with pytest.raises(RuntimeError, match=r"Affine\.backward needs a forward"):
        shift.eval().backward(shift(images()))


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"^Affine: num_features must be at least 1, got 0"):
        nn.Affine(0)
    with pytest.raises(ValueError, match=r"^Affine: x must have 3 channels on axis 1, got shape"):
        nn.Affine(3)(np.zeros((2, 4), np.float32))


@pytest.mark.parametrize("stride", [1, 2])
def test_fixup_block_starts_as_its_shortcut_and_fuses(stride):
    block = nn.fixup_block(4, 4, stride, dtype=np.float64)
    model = init.fixup_(nn.Sequential(block, nn.Flatten(), nn.Linear(4, 2, dtype=np.float64)))
    x = images()
    residual = block if stride == 1 else block[1]
    expected = x if residual.shortcut is None else residual.shortcut(x)
    np.testing.assert_array_equal(block(x), np.maximum(expected, 0))
    plan = [(type(step.layer).__name__, step.activation) for step in residual.body.plan()]
    tail = [("Affine", "relu"), ("Affine", None), ("Conv2d", None), ("Affine", None)]
    assert plan[-4:] == tail and residual.body.takes_residual()
    residual.body[-1].weight.data.fill(5)
    assert init.fixup_(model) is model and residual.body[-1].weight.data == 1
