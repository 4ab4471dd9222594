"""The table of a network: counted by hand, for every model, without a trace."""

import numpy as np
import pytest

import fastnn
from fastnn import models, nn

MODELS = {
    "digits_cnn": (1, 8, 8),
    "lenet5": (1, 28, 28),
    "mnist_cnn": (1, 28, 28),
    "mobilenet_small": (3, 32, 32),
    "mobilenet_v2": (3, 64, 64),
    "resnet18": (3, 64, 64),
    "resnet20": (3, 32, 32),
    "resnet50": (3, 64, 64),
    "vgg_small": (3, 32, 32),
}


def row(summary, name):
    (found,) = (layer for layer in summary.layers if layer.name == name)
    return found


def test_counts_by_hand():
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 4 * 4, 10, bias=False),
    )
    found = model.summary((5, 4, 8, 8))
    conv, norm, linear = (row(found, name) for name in "014")
    assert (conv.kind, conv.depth, conv.output_shape) == ("Conv2d", 1, (5, 6, 4, 4))
    assert conv.parameters == conv.trainable == 6 * 2 * 9 + 6
    # A multiplication and an addition for each weight an output, and the bias.
    outputs = 5 * 6 * 4 * 4
    assert outputs * 2 * 2 * 9 <= conv.flops <= outputs * (2 * 2 * 9 + 1)
    assert conv.output_bytes == norm.output_bytes == 4 * outputs
    assert linear.output_shape == (5, 10) and linear.parameters == 960
    assert linear.flops == 2 * 5 * 96 * 10
    assert row(found, "").output_shape == (5, 10) and row(found, "").output_bytes == 0
    assert found.parameters == 114 + 12 + 960 and found.parameter_bytes == 4 * found.parameters
    assert found.buffer_bytes == 4 * 12 + 8
    assert found.flops == sum(layer.flops for layer in found.layers)
    assert found.output_bytes == 4 * (4 * outputs + 50)  # Flatten reorders channels-last memory


@pytest.mark.parametrize("name", MODELS)
def test_every_model(name):
    model, shape = getattr(models, name)(), (2, *MODELS[name])
    found = model.summary(shape)
    text = str(found)
    with fastnn.profile({"fma_peak": 1.0, "copy": 1.0}) as profile:
        y = model.eval()(np.zeros(shape, np.float32))
    assert found.layers[0].output_shape == y.shape
    assert found.parameters == sum(p.data.size for p in model.parameters())
    known = [record.flops for record in profile.ops if record.flops is not None]
    # Fused, an activation is no op of its own and costs nothing that is counted.
    assert 0.9 * found.flops <= sum(known) <= found.flops
    assert len(text.splitlines()) == len(found.layers) + 4
    assert max(map(len, text.splitlines())) < 100


def test_depth_counts_what_is_deeper_with_its_container():
    model = models.resnet(8)
    full, short = model.summary((1, 3, 32, 32)), model.summary((1, 3, 32, 32), depth=1)
    assert max(layer.depth for layer in short.layers) == 1 < len(full.layers) - len(short.layers)
    for total in ("parameters", "trainable", "flops", "output_bytes"):
        assert getattr(short, total) == getattr(full, total)
    stage, shape = dict(model.named_children())["layer1"], (1, 16, 32, 32)
    block = stage.summary(shape)
    assert row(short, "layer1").flops == block.flops
    assert row(short, "layer1").output_shape == shape
    assert row(full, "layer1.0").flops == 2 * 16 * 32 * 32  # the sum and its ReLU


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.DropConnect(8, 3))
    y = model(np.ones((4, 6), np.float32))
    state, rng, plan = model.state_dict(), model.rng_state(), model.plan()
    model.summary((4, 6))
    assert model.training and model.rng_state() == rng and len(model.plan()) == len(plan)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    assert model.backward(np.ones_like(y)) is not None
    pooled = nn.Sequential(nn.FractionalMaxPool2d(2, 3, seed=1))
    assert pooled.summary((1, 2, 8, 8)).layers[1].output_shape == (1, 2, 3, 3)
    assert pooled[0].rng == (1, 0)
    with pytest.raises(ValueError, match="summary"):
        model.summary((4, 7))
    assert model.training and not any("forward" in vars(m) for m in model.modules())


def test_frozen_layers_unused_layers_and_layers_of_ones_own():
    class Twice(nn.Module):
        def __init__(self):
            self.linear, self.spare = nn.Linear(3, 3, dtype=np.float64), nn.Linear(2, 2)

        def forward(self, x):
            return self.linear(self.linear(x))

    model = Twice()
    model.linear.freeze()
    found = model.summary((2, 3))
    assert row(found, "linear").flops == 2 * 2 * 2 * 9  # twice
    assert row(found, "linear").trainable == 0 and found.trainable == 6
    assert row(found, "spare").output_shape is None
    assert "12 of them frozen (*)" in str(found) and "12*" in str(found)
    assert nn.ReLU().summary((2, 3), dtype=np.float64).output_bytes == 8 * 6


def test_a_child_without_a_name_is_a_part_of_its_parent():
    class Bare(nn.Residual):
        def named_children(self):
            yield "", self.body

    found = nn.Sequential(Bare(nn.Sequential(nn.Linear(3, 3), nn.ReLU()))).summary((2, 3))
    assert [layer.name for layer in found.layers] == ["", "0", "0.0", "0.1"]
    assert row(found, "0").output_bytes == 4 * 6


def test_what_does_not_fit():
    model = models.lenet5()
    with pytest.raises(ValueError, match=r"^summary: input_shape must be .*, got \(1, 28, 28\)"):
        model.summary((1, 28, 28))
    with pytest.raises(TypeError, match=r"^summary: input_shape must be a sequence, .* got 28"):
        model.summary(28)
    with pytest.raises(ValueError, match=r"^summary: depth must be at least 1, got 0"):
        model.summary((1, 1, 28, 28), depth=0)
