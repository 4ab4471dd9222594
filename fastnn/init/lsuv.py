"""Layer-sequential unit variance."""

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .orthogonal import orthogonal
from .whole_model import initialize_, undone_on_error

if TYPE_CHECKING:
    from ..nn import Module

    M = TypeVar("M", bound=Module)


def lsuv_(
    model: "M", x: np.ndarray, *, seed: int = 0, tol: float = 0.01, max_iter: int = 10
) -> "M":
    """Orthonormal weights, scaled layer by layer until every output has unit variance on ``x``.

    Each Linear and convolution, in the order in which they run: W = W / sqrt(Var(y)), with y the
    layer's output before any activation, until abs(Var(y) - 1) < tol. Without a bias one division
    is enough. It all happens within one forward pass of the model in its present mode; running
    statistics and random streams are left as they were.

    Parameters
    ----------
    model : Module
    x : ndarray
        A batch of inputs, standardised as in training.
    seed : int
        Stream of the orthonormal weights.
    tol : float
        How far from 1 a variance may stay.
    max_iter : int
        Divisions of one layer at most.

    Returns
    -------
    model

    Raises
    ------
    ValueError
        The output of a layer is constant or not finite, or ``model`` has no such layer.

    References
    ----------
    Mishkin and Matas, "All you need is a good init", ICLR 2016, algorithm 1.
    """
    from ..nn.hooks import forward_hooks, preserved
    from ..nn.linear import Weighted

    def normalise(name: str, layer: "Module", x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not isinstance(layer, Weighted):
            return y
        for _ in range(max_iter):
            variance = check_variance("lsuv_", name, float(np.var(y, dtype=np.float64)))
            if abs(variance - 1) < tol:
                break
            layer.weight.data /= layer.weight.data.dtype.type(np.sqrt(variance))
            y = layer.forward_fused(x)
        return y

    with undone_on_error(model), preserved(model):
        initialize_(model, orthogonal, seed=seed)
        with forward_hooks(model, normalise):
            model.forward(x)
    return model


def check_variance(function: str, name: str, variance: float) -> float:
    """The variance, if a layer's output can be scaled to another."""
    if not 0 < variance < float("inf"):
        raise ValueError(
            f"{function}: the output of layer {name or 'model'} must vary over x, "
            f"got variance {variance:g}"
        )
    return variance
