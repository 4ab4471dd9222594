"""Networks of depthwise-separable convolutions."""

import numpy as np
from numpy.typing import DTypeLike

from ..nn import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Linear, Module, ReLU, Sequential
from .small import conv_bn_relu


def separable(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> list[Module]:
    """Depthwise 3 x 3 and 1 x 1 convolution, each with BatchNorm and ReLU."""
    depthwise = Conv2d(
        in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False, dtype=dtype
    )
    first = [depthwise, BatchNorm2d(in_channels, dtype=dtype), ReLU()]
    return [*first, *conv_bn_relu(in_channels, out_channels, 1, dtype=dtype)]


def mobilenet_small(
    num_classes: int = 10, in_channels: int = 3, *, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
    """MobileNet for ``x`` (N, in_channels, 32, 32): 32 to 512 channels, 0.56 M parameters.

    References
    ----------
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017, table 1; without the strides that shrink 224 x 224 images to 28 x 28.
    """
    layers = conv_bn_relu(in_channels, 32, dtype=dtype)
    shape = ((32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2))
    for fan_in, fan_out, stride in shape:
        layers += separable(fan_in, fan_out, stride, dtype=dtype)
    head = Linear(512, num_classes, nonlinearity="linear", dtype=dtype)
    model = Sequential(*layers, AdaptiveAvgPool2d(1), Flatten(), head)
    return model.reset_parameters(seed)
