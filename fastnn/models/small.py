"""Small networks: multi-layer perceptrons and the CNNs of the demo and of MNIST."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from ..nn import (
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


def mlp(
    sizes: Sequence[int], dropout: float = 0.0, *, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
    """Fully connected network with ReLU and, if ``dropout`` > 0, dropout between its layers.

    Parameters
    ----------
    sizes : sequence of int
        Features of the input, of each hidden layer and of the output.
    dropout : float
        Probability of dropping.
    seed : int
    dtype : float32 or float64
    """
    layers: list[Module] = []
    for fan_in, fan_out in pairwise(sizes[:-1]):
        layers += [Linear(fan_in, fan_out, dtype=dtype), ReLU()]
        layers += [Dropout(dropout)] if dropout else []
    layers.append(Linear(sizes[-2], sizes[-1], nonlinearity="linear", dtype=dtype))
    return Sequential(*layers).reset_parameters(seed)


def conv_bn_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, dtype: DTypeLike = np.float32
) -> list[Module]:
    """Convolution that keeps the size, BatchNorm, ReLU."""
    conv = Conv2d(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False, dtype=dtype
    )
    return [conv, BatchNorm2d(out_channels, dtype=dtype), ReLU()]


def digits_cnn(
    num_classes: int = 10, *, dropout: float = 0.4, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
    """The demo's network, for ``x`` (N, 1, 8, 8): 31,000 parameters."""
    return Sequential(
        *conv_bn_relu(1, 32, dtype=dtype),
        *conv_bn_relu(32, 32, dtype=dtype),
        MaxPool2d(2),
        *conv_bn_relu(32, 64, dtype=dtype),
        MaxPool2d(2),
        Flatten(),
        Dropout(dropout),
        Linear(64 * 2 * 2, num_classes, nonlinearity="linear", dtype=dtype),
    ).reset_parameters(seed)


def mnist_cnn(
    num_classes: int = 10, *, dropout: float = 0.3, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
    """The network of ``fastnn train --data mnist``, for ``x`` (N, 1, 28, 28): 82,000 parameters."""
    return Sequential(
        *conv_bn_relu(1, 24, 5, dtype=dtype),
        MaxPool2d(2),
        *conv_bn_relu(24, 48, dtype=dtype),
        *conv_bn_relu(48, 48, dtype=dtype),
        MaxPool2d(2),
        *conv_bn_relu(48, 96, dtype=dtype),
        MaxPool2d(2),
        Flatten(),
        Dropout(dropout),
        Linear(96 * 3 * 3, num_classes, nonlinearity="linear", dtype=dtype),
    ).reset_parameters(seed)


def lenet5(
    num_classes: int = 10, in_channels: int = 1, *, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
    """LeNet-5 with ReLU and max pooling, for ``x`` (N, in_channels, 28, 28): 62,000 parameters.

    Layers are named ``conv1``, ``conv2``, ``fc1``, ``fc2`` and ``fc3``.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86, 1998, figure 2; its tanh, trainable pools and sparse connections replaced by
    today's.
    """
    layers = {
        "conv1": Conv2d(in_channels, 6, 5, padding=2, dtype=dtype),
        "relu1": ReLU(),
        "pool1": MaxPool2d(2),
        "conv2": Conv2d(6, 16, 5, dtype=dtype),
        "relu2": ReLU(),
        "pool2": MaxPool2d(2),
        "flatten": Flatten(),
        "fc1": Linear(16 * 5 * 5, 120, dtype=dtype),
        "relu3": ReLU(),
        "fc2": Linear(120, 84, dtype=dtype),
        "relu4": ReLU(),
        "fc3": Linear(84, num_classes, nonlinearity="linear", dtype=dtype),
    }
    return Sequential(layers).reset_parameters(seed)
