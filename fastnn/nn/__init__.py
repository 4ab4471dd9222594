"""Layers: forward, backward, parameters and state, with PyTorch's names and ``state_dict`` keys."""

from .activation import ELU, Activation, LeakyReLU, ReLU, Sigmoid, Tanh
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
from .linear import Conv2d, Linear
from .loss import CrossEntropyLoss
from .module import LoadResult, Module
from .norm import BatchNorm, BatchNorm1d, BatchNorm2d
from .parameter import Parameter
from .sample_norm import GroupNorm, InstanceNorm2d, LayerNorm
from .sequential import Sequential
from .shape import AdaptiveAvgPool2d, AvgPool2d, Flatten, Identity, MaxPool2d

__all__ = [
    "ELU",
    "Activation",
    "AdaptiveAvgPool2d",
    "AlphaDropout",
    "AvgPool2d",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "CrossEntropyLoss",
    "DropConnect",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "FractionalMaxPool2d",
    "Fusable",
    "GroupNorm",
    "Identity",
    "InstanceNorm2d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LoadResult",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "StochasticDepth",
    "Tanh",
    "fusion_enabled",
    "set_fusion",
]
