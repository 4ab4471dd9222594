"""Networks, ready to train: every factory takes ``seed`` and ``dtype``.

Where torchvision has the network, ``state_dict`` has its keys and shapes, so that its checkpoints
and timm's of the same layout load by name (:func:`load_pretrained`).
"""

from .block import Block
from .mobilenet import inverted_residual, mobilenet_small, mobilenet_v2, separable
from .resnet import (
    basic_block,
    bottleneck,
    resnet,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet50,
    resnet56,
)
from .resnet9 import resnet9
from .small import digits_cnn, lenet5, mlp, mnist_cnn
from .transfer import (
    discriminative_groups,
    feature_extractor,
    freeze_until,
    load_pretrained,
    reset_head,
)
from .vgg import (
    vgg,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
    vgg_small,
)

__all__ = [
    "Block",
    "basic_block",
    "bottleneck",
    "digits_cnn",
    "discriminative_groups",
    "feature_extractor",
    "freeze_until",
    "inverted_residual",
    "lenet5",
    "load_pretrained",
    "mlp",
    "mnist_cnn",
    "mobilenet_small",
    "mobilenet_v2",
    "reset_head",
    "resnet",
    "resnet9",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet50",
    "resnet56",
    "separable",
    "vgg",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vgg_small",
]
