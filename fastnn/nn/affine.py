"""Affine: a learned scale and shift, and the residual block of Fixup that is made with it."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from ..cuda._arrays import like
from .activation import ReLU
from .branches import Residual
from .fusable import Fusable
from .linear import Conv2d
from .module import Module
from .parameter import Parameter
from .sequential import Sequential


class Affine(Fusable):
    """y = weight * x + bias, with one number for all values or one for each channel on axis 1.

    It is BatchNorm's second half, and runs on its kernel: it takes the activation and the residual
    sum that follow. It learns the scalars of Fixup, and with a weight of 0 or nearly 0 those of
    ReZero, SkipInit and LayerScale.

    Parameters
    ----------
    num_features : int
        1, or the size of axis 1.
    scale, bias : bool
        False leaves that part out.
    init : float
        What the weight starts from.
    dtype : float32 or float64

    Attributes
    ----------
    weight, bias : Parameter (num_features,) or None

    Raises
    ------
    ValueError
        ``num_features`` is below 1; from ``forward``: it fits no channel of ``x``.

    References
    ----------
    Zhang, Dauphin and Ma, "Fixup initialization", ICLR 2019, section 3; Touvron et al., "Going
    deeper with image transformers", ICCV 2021 (LayerScale).
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_features: int = 1,
        *,
        scale: bool = True,
        bias: bool = True,
        init: float = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if num_features < 1:
            raise ValueError(f"Affine: num_features must be at least 1, got {num_features}")
        self.num_features, self.init = num_features, init
        self.weight = Parameter(np.full(num_features, init, dtype)) if scale else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if bias else None

    def reset_parameters(self, seed: int) -> Self:
        """Weight ``init`` and bias 0; nothing is drawn."""
        if self.weight is not None:
            self.weight.data.fill(self.init)
        if self.bias is not None:
            self.bias.data.fill(0)
        return self

    def takes_residual(self) -> bool:
        return self.takes_activation()

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        if x.ndim < 2 or self.num_features not in (1, x.shape[1]):
            raise ValueError(
                f"Affine: x must have {self.num_features} channels on axis 1, got shape {x.shape}"
            )
        weight, bias = (
            None if p is None else _over_channels(p.data, x) for p in (self.weight, self.bias)
        )
        mean, var = like(np.zeros(x.shape[1]), x), like(np.ones(x.shape[1]), x)
        y, saved = F.batch_norm(
            x, mean, var, weight, bias, eps=0.0, activation=activation, residual=residual
        )
        self._saved = saved if self.training else None
        return y

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        grads: tuple[Any, ...] = F.batch_norm_backward(dy, self._take())
        for parameter, grad in zip((self.weight, self.bias), grads[1:3], strict=True):
            if parameter is not None and parameter.requires_grad:
                whole = self.num_features == 1
                parameter.add_grad(grad.sum(keepdims=True) if whole else grad)
        return grads[0] if input_grad else None, grads[3] if len(grads) == 4 else None

    def extra_repr(self) -> str:
        parts = f"scale={self.weight is not None}, bias={self.bias is not None}"
        return f"{self.num_features}, {parts}"


def _over_channels(data: np.ndarray, x: np.ndarray) -> np.ndarray:
    """One number a channel of ``x``."""
    if len(data) == x.shape[1]:
        return data
    whole: np.ndarray = like(np.zeros(x.shape[1]), x)
    whole[...] = data
    return whole


def fixup_block(
    in_channels: int, out_channels: int, stride: int = 1, *, dtype: DTypeLike = np.float32
) -> Module:
    """Residual block without normalisation: 3 x 3 convolutions with scalars between them.

    relu(s conv2(relu(conv1(x + a) + b) + c) + d + shortcut), with scalars s = 1 and
    a, b, c, d = 0 at the start. The shortcut is x, or where the shape changes a 1 x 1 convolution
    of x + a. :func:`fastnn.init.fixup_` initialises networks of these blocks.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Of the first convolution.
    dtype : float32 or float64

    Returns
    -------
    Residual, or Sequential of Affine and Residual where the shape changes

    References
    ----------
    Zhang, Dauphin and Ma, "Fixup initialization: residual learning without normalization",
    ICLR 2019, figure 1.
    """

    def conv(inputs: int, size: int, step: int) -> Conv2d:
        padding = size // 2
        return Conv2d(inputs, out_channels, size, step, padding, bias=False, dtype=dtype)

    first = {"bias1a": Affine(scale=False, dtype=dtype)}
    body = {
        "conv1": conv(in_channels, 3, stride),
        "bias1b": Affine(scale=False, dtype=dtype),
        "relu": ReLU(),
        "bias2a": Affine(scale=False, dtype=dtype),
        "conv2": conv(out_channels, 3, 1),
        "scale": Affine(dtype=dtype),
    }
    if stride == 1 and in_channels == out_channels:
        return Residual(Sequential({**first, **body}))
    return Sequential({**first, "sum": Residual(Sequential(body), conv(in_channels, 1, stride))})
