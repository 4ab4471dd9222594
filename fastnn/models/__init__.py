"""Networks, ready to train: every factory takes ``seed`` and ``dtype``."""

from .mobilenet import mobilenet_small, separable
from .resnet import basic_block, resnet, resnet18
from .small import digits_cnn, lenet5, mlp, mnist_cnn, vgg_small

__all__ = [
    "basic_block",
    "digits_cnn",
    "lenet5",
    "mlp",
    "mnist_cnn",
    "mobilenet_small",
    "resnet",
    "resnet18",
    "separable",
    "vgg_small",
]
