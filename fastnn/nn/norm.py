"""Batch normalisation layers."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .fusable import Fusable
from .parameter import Parameter


class BatchNorm(Fusable):
    """Batch normalisation over every axis but 1, for inputs of any rank >= 2.

    Training normalises with the statistics of the batch (biased variance) and updates
    running = (1 - momentum) * running + momentum * batch (unbiased variance), as PyTorch does;
    eval normalises with the running statistics.

    Parameters
    ----------
    num_features : int
        Size of axis 1.
    eps : float
        Added to the variance.
    momentum : float or None
        Weight of the new statistics; None averages all batches alike.
    affine : bool
        Whether to scale by ``weight`` and shift by ``bias``.
    track_running_stats : bool
        False keeps no running statistics; eval then uses those of its batch too.
    dtype : float32 or float64

    Attributes
    ----------
    weight, bias : Parameter (num_features,) or None
    running_mean, running_var : ndarray (num_features,) or None
    num_batches_tracked : int64 array () or None
    frozen_statistics : bool
        True: training mode uses the running statistics too (``freeze(statistics=True)``).

    Raises
    ------
    ValueError
        From ``forward``: the rank is wrong, or training sees one value per channel only.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithms 1 and 2.
    """

    ranks: tuple[int, ...] = ()
    """Ranks of inputs that are accepted; empty: any."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: np.ndarray | None
    running_var: np.ndarray | None
    num_batches_tracked: np.ndarray | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.frozen_statistics = False
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine else None
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(num_features, dtype))
            self.register_buffer("running_var", np.ones(num_features, dtype))
            self.register_buffer("num_batches_tracked", np.zeros((), np.int64))

    def reset_parameters(self, seed: int) -> Self:
        """Weight and variance 1, bias, mean and count 0; nothing is drawn."""
        for parameter, value in ((self.weight, 1), (self.bias, 0)):
            if parameter is not None:
                parameter.data.fill(value)
        for name in self._buffers:
            getattr(self, name).fill(1 if name == "running_var" else 0)
        return self

    def takes_residual(self) -> bool:
        return self.takes_activation()

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        if self.ranks and x.ndim not in self.ranks:
            wanted = " or ".join(map(str, self.ranks))
            raise ValueError(
                f"{type(self).__name__}: x must be of rank {wanted}, got shape {x.shape}"
            )
        adapts = self.training and not self.frozen_statistics
        mean, var = self.running_mean, self.running_var
        if self.num_batches_tracked is not None and adapts:
            self.num_batches_tracked += 1
        y, saved = F.batch_norm(
            x,
            mean,
            var,
            None if self.weight is None else self.weight.data,
            None if self.bias is None else self.bias.data,
            adapts or mean is None,
            self._momentum(),
            self.eps,
            activation=activation,
            residual=residual,
        )
        self._saved = saved if self.training else None
        return y

    def _momentum(self) -> float:
        if self.momentum is not None:
            return self.momentum
        return 1 / max(1, int(self.num_batches_tracked)) if self.num_batches_tracked else 0.0

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        grads: tuple[Any, ...] = F.batch_norm_backward(dy, self._take())
        for parameter, grad in zip((self.weight, self.bias), grads[1:3], strict=True):
            if parameter is not None and parameter.requires_grad:
                parameter.add_grad(grad)
        return grads[0] if input_grad else None, grads[3] if len(grads) == 4 else None

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(BatchNorm):
    """:class:`BatchNorm` for ``x`` (N, C) or (N, C, L)."""

    ranks = (2, 3)


class BatchNorm2d(BatchNorm):
    """:class:`BatchNorm` for ``x`` (N, C, H, W)."""

    ranks = (4,)
