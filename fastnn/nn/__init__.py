"""Layers: forward, backward, parameters and state, with PyTorch's names and ``state_dict`` keys."""

from .activation import ELU, Activation, LeakyReLU, ReLU, Sigmoid, Tanh
from .affine import Affine, fixup_block
from .branches import Concat, Residual
from .dropout import (
    AlphaDropout,
    DropConnect,
    Dropout,
    Dropout2d,
    FractionalMaxPool2d,
    StochasticDepth,
)
from .fusable import Fusable, fusion_enabled, set_fusion
from .hooks import forward_hooks
from .input_activation import GELU, SELU, Hardswish, PReLU, SiLU, Softplus
from .linear import Conv2d, ConvTranspose2d, Linear
from .loss import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    MultiClassHingeLoss,
)
from .module import LoadResult, Module
from .norm import BatchNorm, BatchNorm1d, BatchNorm2d
from .parameter import Parameter
from .pre_activation import pre_activation_block
from .sample_norm import GroupNorm, InstanceNorm2d, LayerNorm
from .sequential import Sequential
from .shape import AdaptiveAvgPool2d, AvgPool2d, Flatten, Identity, MaxPool2d
from .softmax import LogSoftmax, Maxout, Softmax
from .upsample import Upsample
from .vanilla_dropout import VanillaDropout

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "AdaptiveAvgPool2d",
    "Affine",
    "AlphaDropout",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "DropConnect",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "FractionalMaxPool2d",
    "Fusable",
    "GroupNorm",
    "Hardswish",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LoadResult",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Maxout",
    "Module",
    "MultiClassHingeLoss",
    "PReLU",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "StochasticDepth",
    "Tanh",
    "Upsample",
    "VanillaDropout",
    "fixup_block",
    "forward_hooks",
    "fusion_enabled",
    "pre_activation_block",
    "set_fusion",
]
