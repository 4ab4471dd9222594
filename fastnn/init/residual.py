"""Initialisation of residual networks: blocks that start as the identity, and Fixup."""

from typing import TYPE_CHECKING, TypeVar

from .distributions import kaiming_normal
from .whole_model import initialize_, weighted_layers

if TYPE_CHECKING:
    from ..nn import Module, Residual
    from ..nn.linear import Weighted
    from ..nn.norm import BatchNorm
    from ..nn.sample_norm import SampleNorm

    M = TypeVar("M", bound=Module)


def residual_blocks(function: str, model: "Module") -> "list[tuple[str, Residual]]":
    """Name and block of every Residual, in the order of the model."""
    from ..nn import Residual

    found = [(name, m) for name, m in model.named_modules() if isinstance(m, Residual)]
    if not found:
        raise ValueError(f"{function}: model must have Residual blocks, got none")
    return found


def zero_init_residual_(model: "M") -> "M":
    """Zero the last layer of every residual branch, so that each block starts as its shortcut.

    The last layer is the last norm with a weight, of which the weight alone becomes 0, or the last
    Linear or convolution after it, whose bias becomes 0 too.

    Returns
    -------
    model

    Raises
    ------
    ValueError
        The model has no ``nn.Residual``, or a branch has no such layer.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD", 2017, section 5.1; the option of the same name
    of torchvision's ResNets.
    """
    from ..nn.linear import Weighted
    from ..nn.norm import BatchNorm
    from ..nn.sample_norm import SampleNorm

    lasts: list[Weighted | BatchNorm | SampleNorm] = []
    for name, block in residual_blocks("zero_init_residual_", model):
        found = [
            layer
            for layer in block.body.modules()
            if isinstance(layer, (Weighted, BatchNorm, SampleNorm)) and layer.weight is not None
        ]
        if not found:
            raise ValueError(f"zero_init_residual_: the body of {name or 'model'} has no weight")
        lasts.append(found[-1])
    for layer in lasts:
        _zero(layer)
    return model


def _zero(layer: "Weighted | BatchNorm | SampleNorm") -> None:
    from ..nn.linear import Weighted

    assert layer.weight is not None
    layer.weight.data.fill(0)
    if isinstance(layer, Weighted) and layer.bias is not None:
        layer.bias.data.fill(0)


def fixup_(model: "M", *, seed: int = 0) -> "M":
    """Initialise a residual network without normalisation so that its depth does no harm.

    With L residual branches of m weight layers each: the last layer of every branch starts at 0,
    and so does the classifier, the last layer of the model if that lies in no block; the other
    layers of a branch are Kaiming-normal times L^(-1 / (2m - 2)), all others Kaiming-normal, and
    biases start at 0.

    These are the rules 1 and 2 of the paper; rule 3, the scalar multiplier and biases of a branch,
    is a matter of the network: :func:`fastnn.nn.fixup_block` has them. Every ``nn.Affine`` starts
    anew.

    Parameters
    ----------
    model : Module
    seed : int

    Returns
    -------
    model

    Raises
    ------
    ValueError
        The model has no ``nn.Residual``, a branch has no Linear or convolution, or a layer
        normalises.

    References
    ----------
    Zhang, Dauphin and Ma, "Fixup initialization: residual learning without normalization",
    ICLR 2019, section 3.
    """
    from ..nn.affine import Affine
    from ..nn.norm import BatchNorm
    from ..nn.sample_norm import SampleNorm

    blocks = residual_blocks("fixup_", model)
    for name, layer in model.named_modules():
        if isinstance(layer, (BatchNorm, SampleNorm)):
            raise ValueError(
                f"fixup_: model must have no normalisation, got {type(layer).__name__} at {name}"
            )
    branches = [[layer for _, layer in weighted_layers(block.body)] for _, block in blocks]
    for (name, _), branch in zip(blocks, branches, strict=True):
        if not branch:
            raise ValueError(f"fixup_: the body of {name or 'model'} has no Linear or convolution")
    initialize_(model, kaiming_normal, seed=seed)
    for module in model.modules():
        if isinstance(module, Affine):
            module.reset_parameters(seed)
    for branch in branches:
        for layer in branch[:-1]:
            scale = len(branches) ** (-1 / (2 * len(branch) - 2))
            layer.weight.data *= layer.weight.data.dtype.type(scale)
        _zero(branch[-1])
    last = weighted_layers(model)[-1][1]
    if not any(layer is last for _, block in blocks for layer in block.modules()):
        _zero(last)
    return model
