"""VGG, with the names of torchvision's checkpoints, and a small one for small images."""

from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from ..nn import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
)
from .small import conv_bn_relu

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Depth -> convolutions before each of the five pools (configurations A, B, D, E)."""


def vgg(
    depth: int = 16,
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    batch_norm: bool = False,
    dropout: float = 0.5,
    hidden_features: int = 4096,
    pool_size: int = 7,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """VGG for ``x`` (N, in_channels, H, W) of 32 pixels and more.

    ``vgg11``, ``vgg13``, ``vgg16``, ``vgg19`` and ``vgg11_bn``, ... are this function with that
    depth, without and with BatchNorm. Keys are torchvision's: ``features.0``, ...,
    ``classifier.0``, ``classifier.3``, ``classifier.6``.

    Parameters
    ----------
    depth : 11, 13, 16 or 19
    num_classes, in_channels : int
    batch_norm : bool
        BatchNorm between each convolution and its ReLU.
    dropout : float
        Probability of dropping in the classifier.
    hidden_features, pool_size : int
        Width of the classifier and side of the feature map that it sees. The defaults are the
        paper's, for 224 x 224 pixels: 124 of the 138 M parameters of VGG-16 stand there. For
        32 x 32, ``hidden_features=512, pool_size=1`` leaves 0.8 M.
    seed : int
    dtype : float32 or float64

    Raises
    ------
    ValueError
        There is no VGG of that depth.

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    ICLR 2015, table 1.
    """
    if depth not in CONVOLUTIONS:
        raise ValueError(f"vgg: depth must be one of {list(CONVOLUTIONS)}, got {depth}")
    features: list[Module] = []
    channels = in_channels
    for width, count in zip((64, 128, 256, 512, 512), CONVOLUTIONS[depth], strict=True):
        for _ in range(count):
            features.append(Conv2d(channels, width, 3, padding=1, dtype=dtype))
            features += [BatchNorm2d(width, dtype=dtype)] if batch_norm else []
            features.append(ReLU())
            channels = width
        features.append(MaxPool2d(2))
    classifier = Sequential(
        Linear(channels * pool_size**2, hidden_features, dtype=dtype),
        ReLU(),
        Dropout(dropout),
        Linear(hidden_features, hidden_features, dtype=dtype),
        ReLU(),
        Dropout(dropout),
        Linear(hidden_features, num_classes, nonlinearity="linear", dtype=dtype),
    )
    layers = {
        "features": Sequential(*features),
        "avgpool": AdaptiveAvgPool2d(pool_size),
        "flatten": Flatten(),
        "classifier": classifier,
    }
    return Sequential(layers).reset_parameters(seed)


vgg11, vgg11_bn = partial(vgg, 11), partial(vgg, 11, batch_norm=True)
vgg13, vgg13_bn = partial(vgg, 13), partial(vgg, 13, batch_norm=True)
vgg16, vgg16_bn = partial(vgg, 16), partial(vgg, 16, batch_norm=True)
vgg19, vgg19_bn = partial(vgg, 19), partial(vgg, 19, batch_norm=True)


def vgg_small(
    num_classes: int = 10, in_channels: int = 3, *, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
    """VGG with BatchNorm for ``x`` (N, in_channels, 32, 32): 64, 128 and 256 channels, twice each.

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks", ICLR 2015.
    """
    layers: list[Module] = []
    for fan_in, fan_out in ((in_channels, 64), (64, 128), (128, 256)):
        layers += [
            *conv_bn_relu(fan_in, fan_out, dtype=dtype),
            *conv_bn_relu(fan_out, fan_out, dtype=dtype),
            MaxPool2d(2),
        ]
    head = Linear(256 * 4 * 4, num_classes, nonlinearity="linear", dtype=dtype)
    return Sequential(*layers, Flatten(), Dropout(0.5), head).reset_parameters(seed)
