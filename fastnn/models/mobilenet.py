"""Networks of depthwise-separable convolutions."""

import numpy as np
from numpy.typing import DTypeLike

from ..nn import (
    AdaptiveAvgPool2d,
    Dropout,
    Flatten,
    Linear,
    Module,
    ReLU,
    Sequential,
)
from .block import Block, conv_bn
from .small import conv_bn_relu


def separable(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> list[Module]:
    """Depthwise 3 x 3 and 1 x 1 convolution, each with BatchNorm and ReLU."""
    depthwise = conv_bn(in_channels, in_channels, 3, stride, in_channels, dtype=dtype)
    return [*depthwise, ReLU(), *conv_bn_relu(in_channels, out_channels, 1, dtype=dtype)]


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


class Cap(Module):
    """y = min(x, limit), in place; after a ReLU, which may be fused, this is ReLU6.

    Writing over the layer before is sound there: ReLU's gradient follows from the sign.
    """

    def __init__(self, limit: float = 6.0) -> None:
        self.limit = limit

    def forward(self, x: np.ndarray) -> np.ndarray:
        y: np.ndarray = np.minimum(x, self.limit, out=x)
        self._saved = y if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        y = self._take()
        return dy * (y < self.limit) if input_grad else None

    def extra_repr(self) -> str:
        return f"limit={self.limit}"


def _conv_bn_relu6(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    *,
    dtype: DTypeLike,
) -> Sequential:
    pair = conv_bn(in_channels, out_channels, kernel_size, stride, groups, dtype=dtype)
    return Sequential(*pair, ReLU(), Cap())


def inverted_residual(
    in_channels: int,
    out_channels: int,
    stride: int = 1,
    expand_ratio: int = 6,
    *,
    dtype: DTypeLike = np.float32,
) -> Module:
    """1 x 1 expansion, depthwise 3 x 3, linear 1 x 1; plus x where the shape stays.

    References
    ----------
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, table 1.
    """
    width = in_channels * expand_ratio
    layers: list[Module] = []
    if expand_ratio != 1:
        layers.append(_conv_bn_relu6(in_channels, width, 1, dtype=dtype))
    layers.append(_conv_bn_relu6(width, width, 3, stride, width, dtype=dtype))
    body = Sequential(*layers, *conv_bn(width, out_channels, 1, dtype=dtype))
    if stride == 1 and in_channels == out_channels:
        return Block(body, activation=None, names=("conv", ""))
    return Sequential({"conv": body})


INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, channels, blocks, stride of the first) of each stage of MobileNetV2."""


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that is at least 8 and takes away at most 10 %."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def mobilenet_v2(
    num_classes: int = 1000,
    in_channels: int = 3,
    *,
    width_mult: float = 1.0,
    dropout: float = 0.2,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """MobileNetV2 for ``x`` (N, in_channels, H, W) of 32 pixels and more: 3.5 M parameters.

    Keys are torchvision's: ``features.0.0``, ``features.1.conv.0.0``, ..., ``classifier.1``.
    ``width_mult`` multiplies all channels, rounded to multiples of 8.

    References
    ----------
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, table 2.
    """
    channels = _multiple_of_8(32 * width_mult)
    last = _multiple_of_8(1280 * max(1.0, width_mult))
    features: list[Module] = [_conv_bn_relu6(in_channels, channels, 3, 2, dtype=dtype)]
    for expand_ratio, base, count, first_stride in INVERTED_RESIDUALS:
        width = _multiple_of_8(base * width_mult)
        for index in range(count):
            stride = first_stride if index == 0 else 1
            features.append(inverted_residual(channels, width, stride, expand_ratio, dtype=dtype))
            channels = width
    features.append(_conv_bn_relu6(channels, last, 1, dtype=dtype))
    head = Linear(last, num_classes, nonlinearity="linear", dtype=dtype)
    layers = {
        "features": Sequential(*features),
        "avgpool": AdaptiveAvgPool2d(1),
        "flatten": Flatten(),
        "classifier": Sequential(Dropout(dropout), head),
    }
    return Sequential(layers).reset_parameters(seed)
