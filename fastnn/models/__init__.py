"""Networks, ready to train: every factory takes ``seed`` and ``dtype``."""

from .resnet import basic_block, resnet
from .small import digits_cnn, lenet5, mlp, mnist_cnn, vgg_small

__all__ = [
    "basic_block",
    "digits_cnn",
    "lenet5",
    "mlp",
    "mnist_cnn",
    "resnet",
    "vgg_small",
]
