"""Folding BatchNorm into the layer before it, for inference."""

import copy

import numpy as np

from ..cuda._arrays import place_of
from .linear import Weighted
from .module import Module
from .norm import BatchNorm
from .parameter import Parameter
from .sequential import Sequential


def fuse(model: Module) -> Module:
    """Copy of ``model`` in eval mode; conv or linear + BatchNorm are one layer.

    W' = W * s and b' = (b - mean) * s + beta with s = gamma / sqrt(var + eps) per output channel,
    computed in float64 and rounded once.
    """
    clone = copy.deepcopy(model).eval()
    places = {place_of(parameter.data) for parameter in clone.parameters()} - {None}
    clone.to("cpu")
    for module in clone.modules():
        if isinstance(module, Sequential):
            module.replace_layers(_folded(dict(module.named_children())))
    for place in places:
        clone._to_place(place)
    return clone


def _folded(layers: dict[str, Module]) -> dict[str, Module]:
    """The layers that remain, under their old names."""
    result: dict[str, Module] = {}
    before: Module | None = None
    for name, layer in layers.items():
        match before, layer:
            case Weighted(), BatchNorm(running_mean=np.ndarray()):
                _fold(before, layer)
            case _:
                result[name] = before = layer
    return result


def _fold(layer: Weighted, norm: BatchNorm) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    dtype = layer.weight.data.dtype
    scale = 1 / np.sqrt(norm.running_var.astype(np.float64) + norm.eps)
    if norm.weight is not None:
        scale *= norm.weight.data
    bias = -norm.running_mean * scale
    if layer.bias is not None:
        bias += layer.bias.data * scale
    if norm.bias is not None:
        bias += norm.bias.data
    layer.scale_outputs(scale)
    layer.bias = Parameter(bias.astype(dtype))
