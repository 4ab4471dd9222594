"""One initialiser for every layer of a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .seeds import derive_seed

if TYPE_CHECKING:
    from ..nn import Module
    from ..nn.linear import Weighted

    M = TypeVar("M", bound=Module)


def weighted_layers(model: "Module") -> "list[tuple[str, Weighted]]":
    """Name and layer of every Linear, Conv2d and ConvTranspose2d, in the order of the model."""
    from ..nn.linear import Weighted

    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, Weighted)]


@contextmanager
def undone_on_error(model: "Module") -> Iterator[None]:
    """Put the parameters back as they were if the block raises."""
    before = [(parameter.data, parameter.data.copy()) for parameter in model.parameters()]
    try:
        yield
    except BaseException:
        for data, values in before:
            np.copyto(data, values)
        raise


def initialize_(
    model: "M",
    initializer: Callable[..., np.ndarray],
    *,
    seed: int = 0,
    bias: float = 0.0,
    **options: Any,
) -> "M":
    """Draw the weight of every Linear, Conv2d and ConvTranspose2d anew, and set their biases.

    Parameters
    ----------
    model : Module
    initializer : function
        ``init.xavier_normal``, ``init.orthogonal``, ... or one of your own: called with the shape
        (out, in / groups, *kernel), ``rng``, ``dtype`` and ``options``.
    seed : int
        Every layer draws from a stream of its own, derived from this.
    bias : float
        What biases start from.
    **options
        For the initializer: ``std=0.05``, ``gain=2 ** 0.5``, ``nonlinearity="tanh"``, ...

    Returns
    -------
    model

    Raises
    ------
    ValueError
        The model has no such layer, or the initializer raises it or returns another shape;
        the model is as it was then.

    Examples
    --------
    >>> init.initialize_(model, init.kaiming_normal, nonlinearity="leaky_relu", seed=1)
    """
    layers = weighted_layers(model)
    if not layers:
        raise ValueError("initialize_: model must have a Linear or a convolution, got none")
    with undone_on_error(model):
        for index, (_, layer) in enumerate(layers):
            rng, dtype = derive_seed(seed, index), layer.weight.data.dtype
            weight = initializer(layer.fan_shape, rng=rng, dtype=dtype, **options)
            if weight.shape != (shape := layer.fan_shape):
                raise ValueError(
                    f"initialize_: initializer must return shape {shape}, got {weight.shape}"
                )
            layer.set_weight(weight)
            if layer.bias is not None:
                layer.bias.data.fill(bias)
    return model
