"""Every layer of ``fastnn.nn`` against central differences in float64."""

import inspect

import numpy as np
import pytest

from fastnn import nn, train

IMAGES, ROWS = (3, 4, 6, 6), (5, 6)
D = {"dtype": np.float64}
LAYERS = {
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 3)), IMAGES),
    "Affine": (lambda: nn.Affine(**D), IMAGES),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.3), IMAGES),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), IMAGES),
    "BatchNorm": (lambda: nn.BatchNorm(4, **D), IMAGES),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6, **D), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, **D), IMAGES),
    "Concat": (lambda: nn.Concat(nn.Conv2d(4, 2, 1, **D), nn.Sequential(nn.Tanh())), IMAGES),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, 2, ((1, 0), (0, 1)), 1, 2, **D), IMAGES),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, **D), IMAGES),
    "DropConnect": (lambda: nn.DropConnect(6, 3, p=0.4, **D), ROWS),
    "Dropout": (lambda: nn.Dropout(0.4), IMAGES),
    "Dropout2d": (lambda: nn.Dropout2d(0.4), IMAGES),
    "ELU": (nn.ELU, IMAGES),
    "Flatten": (nn.Flatten, IMAGES),
    "FractionalMaxPool2d": (lambda: nn.FractionalMaxPool2d(2, 3), IMAGES),
    "GELU": (nn.GELU, IMAGES),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4, **D), IMAGES),
    "Hardswish": (nn.Hardswish, IMAGES),
    "Identity": (nn.Identity, IMAGES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True, **D), IMAGES),
    "LayerNorm": (lambda: nn.LayerNorm(6, **D), ROWS),
    "LeakyReLU": (nn.LeakyReLU, IMAGES),
    "Linear": (lambda: nn.Linear(6, 3, **D), ROWS),
    "LogSoftmax": (nn.LogSoftmax, ROWS),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1), IMAGES),
    "Maxout": (lambda: nn.Maxout(2), IMAGES),
    "PReLU": (lambda: nn.PReLU(4, **D), IMAGES),
    "ReLU": (nn.ReLU, IMAGES),
    "Residual": (lambda: nn.Residual(nn.Linear(6, 6, **D), activation="tanh"), ROWS),
    "SELU": (nn.SELU, IMAGES),
    "Sequential": (lambda: nn.Sequential(nn.Linear(6, 4, **D), nn.Sigmoid()), ROWS),
    "SiLU": (nn.SiLU, IMAGES),
    "Sigmoid": (nn.Sigmoid, IMAGES),
    "Softmax": (nn.Softmax, ROWS),
    "Softplus": (nn.Softplus, IMAGES),
    "StochasticDepth": (lambda: nn.StochasticDepth(0.4), IMAGES),
    "Tanh": (nn.Tanh, IMAGES),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES),
    "VanillaDropout": (lambda: nn.VanillaDropout(0.4), IMAGES),
    "fixup_block": (lambda: nn.fixup_block(4, 4, **D), IMAGES),
    "fixup_block, stride": (lambda: nn.fixup_block(4, 6, 2, **D), IMAGES),
    "pre_activation_block": (lambda: nn.pre_activation_block(4, 6, 2, **D), IMAGES),
}
BASES = {"Activation", "Fusable", "Module"}


def test_every_public_layer_is_here():
    kinds = (getattr(nn, name) for name in nn.__all__)
    layers = {k.__name__ for k in kinds if inspect.isclass(k) and issubclass(k, nn.Module)}
    assert layers - BASES == {name for name in LAYERS if "block" not in name}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(name):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    layer, x = make(), rng.standard_normal(shape)
    for parameter in layer.parameters():  # biases of 0 and weights of 1 hide faults
        parameter.data += 0.3 * rng.standard_normal(parameter.shape)
    report = train.gradient_check(layer, x, coordinates=30)
    assert report.ok, report
    assert len(report.rows) == 1 + len(list(layer.parameters()))
