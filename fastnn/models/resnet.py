"""Residual networks, with the names of torchvision's and timm's checkpoints."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from ..nn import AdaptiveAvgPool2d, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential
from .block import Block, conv_bn, shortcut


def basic_block(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> Block:
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), both convolutions 3 x 3.

    The shortcut is the identity, or a 1 x 1 convolution with BatchNorm where the shape changes
    (option B).
    """
    conv1, bn1 = conv_bn(in_channels, out_channels, 3, stride, dtype=dtype)
    conv2, bn2 = conv_bn(out_channels, out_channels, 3, dtype=dtype)
    body = {"conv1": conv1, "bn1": bn1, "relu": ReLU(), "conv2": conv2, "bn2": bn2}
    return Block(Sequential(body), shortcut(in_channels, out_channels, stride, dtype=dtype))


def bottleneck(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> Block:
    """Residual block of 1 x 1, 3 x 3 and 1 x 1 convolutions, the inner ones a quarter as wide.

    The 3 x 3 convolution has the stride, as in torchvision ("v1.5"); in the paper the first one
    has it. Shortcut as in :func:`basic_block`.
    """
    width = out_channels // 4
    conv1, bn1 = conv_bn(in_channels, width, 1, dtype=dtype)
    conv2, bn2 = conv_bn(width, width, 3, stride, dtype=dtype)
    conv3, bn3 = conv_bn(width, out_channels, 1, dtype=dtype)
    body: dict[str, Module] = {"conv1": conv1, "bn1": bn1, "relu1": ReLU()}
    body |= {"conv2": conv2, "bn2": bn2, "relu2": ReLU(), "conv3": conv3, "bn3": bn3}
    return Block(Sequential(body), shortcut(in_channels, out_channels, stride, dtype=dtype))


def _stages(
    stem: dict[str, Module],
    channels: int,
    block: Callable[..., Block],
    widths: Sequence[int],
    counts: Sequence[int],
    num_classes: int,
    seed: int,
    dtype: DTypeLike,
) -> Sequential:
    """Stem, one layer of blocks a width (all but the first halve the image), head."""
    layers = dict(stem)
    for stage, (width, count) in enumerate(zip(widths, counts, strict=True), start=1):
        blocks = []
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            blocks.append(block(channels, width, stride, dtype=dtype))
            channels = width
        layers[f"layer{stage}"] = Sequential(*blocks)
    head = Linear(channels, num_classes, nonlinearity="linear", dtype=dtype)
    layers |= {"avgpool": AdaptiveAvgPool2d(1), "flatten": Flatten(), "fc": head}
    return Sequential(layers).reset_parameters(seed)


def resnet(
    depth: int = 20,
    num_classes: int = 10,
    in_channels: int = 3,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """ResNet for CIFAR, ``x`` (N, in_channels, 32, 32): depth 6n + 2, 16, 32 and 64 channels.

    ``resnet20``, ``resnet32`` and ``resnet56`` are this function with that depth. Keys are named
    as in :func:`resnet18`, with three layers.

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
    conv1, bn1 = conv_bn(in_channels, 16, 3, dtype=dtype)
    stem = {"conv1": conv1, "bn1": bn1, "relu": ReLU()}
    return _stages(stem, 16, basic_block, (16, 32, 64), [blocks] * 3, num_classes, seed, dtype)


resnet20 = partial(resnet, 20)
resnet32 = partial(resnet, 32)
resnet56 = partial(resnet, 56)


def _imagenet(
    block: Callable[..., Block],
    expansion: int,
    counts: Sequence[int],
    num_classes: int,
    in_channels: int,
    seed: int,
    dtype: DTypeLike,
) -> Sequential:
    conv1, bn1 = conv_bn(in_channels, 64, 7, 2, dtype=dtype)
    stem = {"conv1": conv1, "bn1": bn1, "relu": ReLU(), "maxpool": MaxPool2d(3, 2, padding=1)}
    widths = [expansion * width for width in (64, 128, 256, 512)]
    return _stages(stem, 64, block, widths, counts, num_classes, seed, dtype)


def resnet18(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """ResNet-18 for ``x`` (N, in_channels, H, W) of 32 pixels and more: 11.7 M parameters.

    Keys are torchvision's and timm's: ``conv1``, ``bn1``, ``layer1.0.conv1``, ...,
    ``layer4.1.bn2``, ``fc``.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016, table 1.
    """
    return _imagenet(basic_block, 1, (2, 2, 2, 2), num_classes, in_channels, seed, dtype)


def resnet34(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """ResNet-34: as :func:`resnet18`, with 3, 4, 6 and 3 blocks; 21.8 M parameters."""
    return _imagenet(basic_block, 1, (3, 4, 6, 3), num_classes, in_channels, seed, dtype)


def resnet50(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """ResNet-50: as :func:`resnet34`, of :func:`bottleneck` blocks; 25.6 M parameters."""
    return _imagenet(bottleneck, 4, (3, 4, 6, 3), num_classes, in_channels, seed, dtype)
