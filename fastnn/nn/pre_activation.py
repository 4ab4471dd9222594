"""Residual blocks that normalise and activate before each convolution."""

import numpy as np
from numpy.typing import DTypeLike

from .activation import ReLU
from .branches import Residual
from .linear import Conv2d
from .module import Module
from .norm import BatchNorm2d
from .sequential import Sequential


def pre_activation_block(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> Module:
    """x + conv(relu(bn(conv(relu(bn(x)))))), both convolutions 3 x 3: nothing follows the sum.

    Where the shape changes, the shortcut is a 1 x 1 convolution of relu(bn(x)), the activated
    input that both branches then share. A network of these blocks ends in BatchNorm and ReLU.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Of the first convolution.
    dtype : float32 or float64

    Returns
    -------
    Residual, or Sequential of BatchNorm, ReLU and Residual where the shape changes

    References
    ----------
    He et al., "Identity mappings in deep residual networks", ECCV 2016, figure 1b.
    """

    def conv(inputs: int, size: int, step: int) -> Conv2d:
        padding = size // 2
        return Conv2d(inputs, out_channels, size, step, padding, bias=False, dtype=dtype)

    first = {"bn1": BatchNorm2d(in_channels, dtype=dtype), "relu1": ReLU()}
    body = {
        "conv1": conv(in_channels, 3, stride),
        "bn2": BatchNorm2d(out_channels, dtype=dtype),
        "relu2": ReLU(),
        "conv2": conv(out_channels, 3, 1),
    }
    if stride == 1 and in_channels == out_channels:
        return Residual(Sequential({**first, **body}), activation=None)
    shortcut = conv(in_channels, 1, stride)
    return Sequential({**first, "sum": Residual(Sequential(body), shortcut, activation=None)})
