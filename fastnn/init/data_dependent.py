"""Data-dependent initialisation."""

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .distributions import normal
from .lsuv import check_variance
from .whole_model import initialize_, undone_on_error, weighted_layers

if TYPE_CHECKING:
    from ..nn import Module
    from ..nn.linear import Weighted

    M = TypeVar("M", bound=Module)

DRAWS = 16
"""Random gradients of the output over which a rate is averaged: known to some 10 % then."""


def data_dependent_(
    model: "M", x: np.ndarray, *, seed: int = 0, beta: float = 0.0, equalize: bool = True
) -> "M":
    """Gaussian weights, scaled so that every channel is standardised on ``x`` and learns as fast.

    Within a layer (algorithm 1): with z_i the output of channel i before the activation,
    W_i = W_i / std(z_i) and b_i = beta - mean(z_i) / std(z_i); one forward pass.

    Between layers (``equalize``, algorithm 2): the rate at which a layer changes is
    C_k = sqrt(E ||dW_k||^2) / ||W_k||, dW_k being the gradient for a random dy ~ N(0, 1). Where all
    activations are positively homogeneous, multiplying W_k by s_k = sqrt(C_k / C), C the geometric
    mean of all C_k, makes all rates C; the product of the s_k is 1, and with b_k multiplied by
    s_1 ... s_k the function stays what it was. The paper approaches this fixed point in damped
    steps; it is reached in one.

    Parameters
    ----------
    model : Module
        Runs in its present mode; running statistics and random streams are left as they were.
    x : ndarray
        A batch of inputs, standardised as in training.
    seed : int
        Stream of the weights and of dy.
    beta : float
        Mean of every channel; above 0 more of the ReLUs after it fire. Layers without bias ignore
        it.
    equalize : bool
        False: within layers alone.

    Returns
    -------
    model

    Raises
    ------
    ValueError
        The output of a channel is constant or not finite, or ``model`` has no Linear or
        convolution; with ``equalize``, a layer is not positively homogeneous or not in a chain
        (a norm, a tanh, a residual block), so that no scale passes through it.

    References
    ----------
    Kraehenbuehl, Doersch, Donahue and Darrell, "Data-dependent initializations of convolutional
    neural networks", ICLR 2016.
    """
    from ..nn.hooks import forward_hooks, preserved
    from ..nn.linear import Linear, Weighted

    def standardise(name: str, layer: "Module", x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not isinstance(layer, Weighted):
            return y
        channel = y.ndim - 1 if isinstance(layer, Linear) else 1
        others = tuple(axis for axis in range(y.ndim) if axis != channel)
        mean, variance = (f(y, axis=others, dtype=np.float64) for f in (np.mean, np.var))
        check_variance("data_dependent_", name, float(variance.min()))
        layer.scale_outputs(1 / np.sqrt(variance))
        if layer.bias is not None:
            layer.bias.data[...] = beta - mean / np.sqrt(variance)
        return layer.forward_fused(x)

    if equalize:
        _check_chain(model)
    with undone_on_error(model), preserved(model):
        initialize_(model, normal, seed=seed, std=1.0)
        with forward_hooks(model, standardise):
            model.forward(x)
        if equalize:
            _equalize(model, x, np.random.default_rng(seed))
    return model


def _check_chain(model: "Module") -> None:
    """Refuse what no scale passes through."""
    from .. import nn

    passing = (
        *(nn.Sequential, nn.Linear, nn.Conv2d, nn.ConvTranspose2d),
        *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Maxout, nn.Identity, nn.Flatten),
        *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.FractionalMaxPool2d),
        *(nn.Dropout, nn.Dropout2d),
    )
    for name, layer in model.named_modules():
        if not isinstance(layer, passing):
            raise ValueError(
                "data_dependent_: equalize=True needs a chain of positively homogeneous layers, "
                f"got {type(layer).__name__} at {name or 'the top'}; give equalize=False"
            )


def _equalize(model: "Module", x: np.ndarray, rng: np.random.Generator) -> None:
    """Give all layers the same relative gradient, without changing what the model computes."""
    layers = [layer for _, layer in weighted_layers(model)]
    rates = _rates(model, layers, x, rng)
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(f"data_dependent_: every layer must have a gradient, got rates {rates}")
    passed = 1.0
    for layer, rate in zip(layers, rates, strict=True):
        scale = math.sqrt(rate / math.exp(np.log(rates).mean()))
        passed *= scale
        layer.weight.data *= layer.weight.data.dtype.type(scale)
        if layer.bias is not None:
            layer.bias.data *= layer.bias.data.dtype.type(passed)


def _rates(
    model: "Module", layers: "list[Weighted]", x: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """sqrt(E ||dW||^2) / ||W|| of each layer, but for a factor; the model's gradients are kept."""
    parameters = list(model.parameters())
    before = [(p.requires_grad, None if p.grad is None else p.grad.copy()) for p in parameters]
    squares = np.zeros(len(layers))
    model.train()
    for parameter in parameters:
        parameter.requires_grad = True
    for _ in range(DRAWS):
        model.zero_grad()
        y = model.forward(x)
        model.backward(rng.standard_normal(y.shape).astype(y.dtype), input_grad=False)
        squares += [_square(layer.weight.grad) for layer in layers]
    for parameter, (requires_grad, grad) in zip(parameters, before, strict=True):
        parameter.requires_grad = requires_grad
        parameter.zero_grad()
        if grad is not None:
            parameter.add_grad(grad)
    return np.sqrt(squares / [_square(layer.weight.data) for layer in layers])


def _square(array: np.ndarray | None) -> float:
    return 0.0 if array is None else float(np.square(array, dtype=np.float64).sum())
