"""Normalisation of every sample by itself: LayerNorm, GroupNorm, InstanceNorm2d."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .fusable import Fusable
from .parameter import Parameter


class SampleNorm(Fusable):
    """What they share: weight and bias, fusion, and the way of the gradients."""

    weight: Parameter | None
    bias: Parameter | None
    eps: float

    def _build(
        self, shape: tuple[int, ...], eps: float, weight: bool, bias: bool, dtype: Any
    ) -> None:
        self.eps = eps
        self.weight = Parameter(np.ones(shape, dtype)) if weight else None
        self.bias = Parameter(np.zeros(shape, dtype)) if bias else None

    def reset_parameters(self, seed: int) -> Self:
        """Weight 1, bias 0; nothing is drawn."""
        for parameter, value in ((self.weight, 1), (self.bias, 0)):
            if parameter is not None:
                parameter.data.fill(value)
        return self

    def takes_residual(self) -> bool:
        return self.takes_activation()

    def _affine(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        weight = None if self.weight is None else self.weight.data
        return weight, None if self.bias is None else self.bias.data

    def _normalise(self, x: np.ndarray, **fused: Any) -> tuple[np.ndarray, object]:
        raise NotImplementedError

    def _gradients(self, dy: np.ndarray, saved: object) -> tuple[Any, ...]:
        raise NotImplementedError

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        y, saved = self._normalise(x, activation=activation, residual=residual)
        self._saved = saved if self.training else None
        return y

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        grads = self._gradients(dy, self._take())
        for parameter, grad in zip((self.weight, self.bias), grads[1:3], strict=True):
            if parameter is not None and parameter.requires_grad:
                parameter.add_grad(grad)
        return grads[0] if input_grad else None, grads[3] if len(grads) == 4 else None


class LayerNorm(SampleNorm):
    """Normalises the last axes of ``x`` (..., *normalized_shape), alike in training and eval.

    Parameters
    ----------
    normalized_shape : int or tuple of int
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Whether to scale by ``weight`` and shift by ``bias``.
    bias : bool
        False: no shift.
    dtype : float32 or float64

    Attributes
    ----------
    weight, bias : Parameter (*normalized_shape) or None

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if isinstance(normalized_shape, int):
            normalized_shape = (normalized_shape,)
        self.normalized_shape = tuple(normalized_shape)
        affine = elementwise_affine
        self._build(self.normalized_shape, eps, affine, affine and bias, dtype)

    def _normalise(self, x: np.ndarray, **fused: Any) -> tuple[np.ndarray, object]:
        return F.layer_norm(x, self.normalized_shape, *self._affine(), self.eps, **fused)

    def _gradients(self, dy: np.ndarray, saved: object) -> tuple[Any, ...]:
        return F.layer_norm_backward(dy, saved)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(SampleNorm):
    """Normalises groups of channels of ``x`` (N, num_channels, ...), alike in training and eval.

    Parameters
    ----------
    num_groups : int
        A divisor of ``num_channels``.
    num_channels : int
    eps : float
        Added to the variance.
    affine : bool
        Whether to scale by ``weight`` and shift by ``bias``.
    dtype : float32 or float64

    Attributes
    ----------
    weight, bias : Parameter (num_channels,) or None

    Raises
    ------
    ValueError
        ``num_groups`` does not divide ``num_channels``.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups must divide num_channels {num_channels}, got {num_groups}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self._build((num_channels,), eps, affine, affine, dtype)

    def _normalise(self, x: np.ndarray, **fused: Any) -> tuple[np.ndarray, object]:
        return F.group_norm(x, self.num_groups, *self._affine(), self.eps, **fused)

    def _gradients(self, dy: np.ndarray, saved: object) -> tuple[Any, ...]:
        return F.group_norm_backward(dy, saved)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class InstanceNorm2d(SampleNorm):
    """Normalises every channel of every image of ``x`` (N, num_features, H, W).

    Parameters
    ----------
    num_features : int
    eps : float
        Added to the variance.
    momentum : float
        Weight of the new statistics.
    affine : bool
        Whether to scale by ``weight`` and shift by ``bias``.
    track_running_stats : bool
        True: eval normalises with running statistics, else with the image's own.
    dtype : float32 or float64

    Attributes
    ----------
    weight, bias : Parameter (num_features,) or None
    running_mean, running_var : ndarray (num_features,) or None
    num_batches_tracked : int64 array () or None
        Stays 0: kept for the sake of PyTorch's ``state_dict``.

    Raises
    ------
    ValueError
        From ``forward``: the rank is not 4, or an image has one pixel only.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.
    """

    running_mean: np.ndarray | None
    running_var: np.ndarray | None
    num_batches_tracked: np.ndarray | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_features, self.momentum = num_features, momentum
        self._build((num_features,), eps, affine, affine, dtype)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(num_features, dtype))
            self.register_buffer("running_var", np.ones(num_features, dtype))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    def reset_parameters(self, seed: int) -> Self:
        """Weight and variance 1, bias, mean and count 0; nothing is drawn."""
        for name in self._buffers:
            getattr(self, name).fill(1 if name == "running_var" else 0)
        return super().reset_parameters(seed)

    def _normalise(self, x: np.ndarray, **fused: Any) -> tuple[np.ndarray, object]:
        if x.ndim != 4:
            raise ValueError(f"InstanceNorm2d: x must be of rank 4, got shape {x.shape}")
        own = self.training or self.running_mean is None
        running = self.running_mean, self.running_var
        return F.instance_norm(x, *running, *self._affine(), own, self.momentum, self.eps, **fused)

    def _gradients(self, dy: np.ndarray, saved: object) -> tuple[Any, ...]:
        return F.instance_norm_backward(dy, saved)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
