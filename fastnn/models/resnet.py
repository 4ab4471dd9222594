"""Residual networks for small images."""

import numpy as np
from numpy.typing import DTypeLike

from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Residual,
    Sequential,
)
from .small import conv_bn_relu


def basic_block(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> Residual:
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)).

    The shortcut is the identity, or a 1 x 1 convolution with BatchNorm where the shape changes
    (option B).
    """

    def conv_bn(fan_in: int, size: int, stride: int) -> list[Module]:
        conv = Conv2d(
            fan_in, out_channels, size, stride, padding=size // 2, bias=False, dtype=dtype
        )
        return [conv, BatchNorm2d(out_channels, dtype=dtype)]

    body = Sequential(*conv_bn(in_channels, 3, stride), ReLU(), *conv_bn(out_channels, 3, 1))
    same = stride == 1 and in_channels == out_channels
    shortcut = None if same else Sequential(*conv_bn(in_channels, 1, stride))
    return Residual(body, shortcut)


def resnet(
    depth: int = 20,
    num_classes: int = 10,
    in_channels: int = 3,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """ResNet for CIFAR, ``x`` (N, in_channels, 32, 32): depth 6n + 2, 16, 32 and 64 channels.

    Raises
    ------
    ValueError
        ``depth`` is not 8, 14, 20, 32, 44, 56, 110 or another 6n + 2.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"resnet: depth must be 6n + 2 with n >= 1, got {depth}")
    layers: list[Module] = conv_bn_relu(in_channels, 16, dtype=dtype)
    channels = 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(basic_block(channels, width, stride, dtype=dtype))
            channels = width
    head = Linear(64, num_classes, nonlinearity="linear", dtype=dtype)
    model = Sequential(*layers, AdaptiveAvgPool2d(1), Flatten(), head)
    return model.reset_parameters(seed)


def resnet18(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """ResNet-18 for ``x`` (N, in_channels, H, W) of 32 pixels and more: 11.7 M parameters.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016, table 1.
    """
    stem = Conv2d(in_channels, 64, 7, 2, padding=3, bias=False, dtype=dtype)
    layers: list[Module] = [stem, BatchNorm2d(64, dtype=dtype), ReLU(), MaxPool2d(3, 2, padding=1)]
    channels = 64
    for width in (64, 128, 256, 512):
        layers.append(basic_block(channels, width, 1 if width == 64 else 2, dtype=dtype))
        layers.append(basic_block(width, width, dtype=dtype))
        channels = width
    head = Linear(512, num_classes, nonlinearity="linear", dtype=dtype)
    model = Sequential(*layers, AdaptiveAvgPool2d(1), Flatten(), head)
    return model.reset_parameters(seed)
