"""Layers that draw at random: Dropout and its relatives, FractionalMaxPool2d."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from .linear import Linear, Pair
from .module import Module


class Random(Module):
    """What they share: the probability, the stream, and identity in eval.

    The mask is a pure function of (seed, offset): nothing is stored for backward, and every
    training forward moves the offset on by the number of elements drawn for.
    """

    def __init__(self, p: float = 0.5, *, seed: int | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be in [0, 1], got {p}")
        self.p = p
        self.rng: tuple[int, int] = (init.next_default_seed() if seed is None else seed, 0)

    def reset_parameters(self, seed: int) -> Self:
        """Start the stream ``seed``."""
        self.rng = (seed, 0)
        return self

    def _elements(self, x: np.ndarray) -> int:
        """How many numbers a forward of ``x`` uses up."""
        return math.prod(x.shape)

    def _drop(self, x: np.ndarray, **stream: int) -> np.ndarray:
        raise NotImplementedError

    def _drop_backward(self, dy: np.ndarray, **stream: int) -> np.ndarray:
        raise NotImplementedError

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not self.training:
            self._saved = None
            return x
        seed, offset = self._saved = self.rng
        self.rng = (seed, offset + self._elements(x))
        return self._drop(x, seed=seed, offset=offset)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        seed, offset = self._take()
        return self._drop_backward(dy, seed=seed, offset=offset) if input_grad else None

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(Random):
    """Zeroes each value with probability ``p`` in training and scales the rest by 1 / (1 - p).

    Parameters
    ----------
    p : float in [0, 1]
        Probability of dropping.
    seed : int, optional
        Stream of the masks; None takes the next default seed of the process, so that two layers
        never share one.

    References
    ----------
    Srivastava et al., "Dropout", JMLR 15, 2014; inverted form.
    """

    def _drop(self, x: np.ndarray, **stream: int) -> np.ndarray:
        return F.dropout(x, self.p, True, **stream)

    def _drop_backward(self, dy: np.ndarray, **stream: int) -> np.ndarray:
        return F.dropout_backward(dy, self.p, True, **stream)


class Dropout2d(Random):
    """Zeroes whole channels of ``x`` (N, C, H, W), otherwise as :class:`Dropout`.

    References
    ----------
    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.
    """

    def _elements(self, x: np.ndarray) -> int:
        n, channels = x.shape[:2]
        return int(n * channels)

    def _drop(self, x: np.ndarray, **stream: int) -> np.ndarray:
        return F.dropout2d(x, self.p, True, **stream)

    def _drop_backward(self, dy: np.ndarray, **stream: int) -> np.ndarray:
        return F.dropout2d_backward(dy, self.p, True, **stream)


class AlphaDropout(Random):
    """Dropout that keeps mean and variance of SELU's outputs, otherwise as :class:`Dropout`.

    References
    ----------
    Klambauer et al., "Self-normalizing neural networks", NIPS 2017.
    """

    def _drop(self, x: np.ndarray, **stream: int) -> np.ndarray:
        return F.alpha_dropout(x, self.p, True, **stream)

    def _drop_backward(self, dy: np.ndarray, **stream: int) -> np.ndarray:
        return F.alpha_dropout_backward(dy, self.p, True, **stream)


class StochasticDepth(Random):
    """Drops whole samples, or the batch, of a residual block's branch with probability ``p``.

    Parameters
    ----------
    p : float in [0, 1]
        Probability of dropping.
    mode : "row" or "batch"
        Whether every sample is drawn for, or the batch as one.
    seed : int, optional
        As in :class:`Dropout`.

    References
    ----------
    Huang et al., "Deep networks with stochastic depth", ECCV 2016.
    """

    def __init__(self, p: float, mode: str = "row", *, seed: int | None = None) -> None:
        super().__init__(p, seed=seed)
        if mode not in ("row", "batch"):
            raise ValueError(f'StochasticDepth: mode must be "row" or "batch", got {mode!r}')
        self.mode = mode

    def _elements(self, x: np.ndarray) -> int:
        return len(x) if self.mode == "row" else 1

    def _drop(self, x: np.ndarray, **stream: int) -> np.ndarray:
        return F.stochastic_depth(x, self.p, self.mode, True, **stream)

    def _drop_backward(self, dy: np.ndarray, **stream: int) -> np.ndarray:
        return F.stochastic_depth_backward(dy, self.p, self.mode, True, **stream)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


class FractionalMaxPool2d(Module):
    """Maximum over windows at pseudo-random distances of ``x`` (N, C, H, W).

    Every forward draws anew, in eval too: the paper averages several runs at test time.

    Parameters
    ----------
    kernel_size : int or (kh, kw)
    output_size : int or (P, Q), optional
    output_ratio : float or pair of floats between 0 and 1, optional
        In place of ``output_size``.
    seed : int, optional
        As in :class:`Dropout`.

    References
    ----------
    Graham, "Fractional max-pooling", 2014.
    """

    def __init__(
        self,
        kernel_size: Pair,
        output_size: Pair | None = None,
        output_ratio: float | tuple[float, float] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                "FractionalMaxPool2d: output_size must be given, or output_ratio instead, "
                f"got {output_size} and {output_ratio}"
            )
        self.kernel_size, self.output_size = kernel_size, output_size
        self.output_ratio = output_ratio
        self.rng: tuple[int, int] = (init.next_default_seed() if seed is None else seed, 0)

    def reset_parameters(self, seed: int) -> Self:
        """Start the stream ``seed``."""
        self.rng = (seed, 0)
        return self

    def forward(self, x: np.ndarray) -> np.ndarray:
        seed, offset = self.rng
        self.rng = (seed, offset + 2 * len(x))
        sizes = self.output_size, self.output_ratio
        y, saved = F.fractional_max_pool2d(x, self.kernel_size, *sizes, seed=seed, offset=offset)
        self._saved = saved if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        saved = self._take()
        return F.fractional_max_pool2d_backward(dy, saved) if input_grad else None

    def extra_repr(self) -> str:
        size = f"output_size={self.output_size}, output_ratio={self.output_ratio}"
        return f"kernel_size={self.kernel_size}, {size}"


class DropConnect(Linear):
    """Linear layer that drops entries of its weight in training; in eval it is :class:`Linear`.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    p : float in [0, 1]
        Probability of dropping.
    nonlinearity, dtype, seed
        As in :class:`Linear`; the masks' stream is derived from ``seed``.

    Attributes
    ----------
    weight : Parameter (out_features, in_features)
    bias : Parameter (out_features,) or None

    References
    ----------
    Wan et al., "Regularization of neural networks using DropConnect", ICML 2013.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        p: float = 0.5,
        *,
        nonlinearity: str = "relu",
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"DropConnect: p must be in [0, 1], got {p}")
        self.p = p
        super().__init__(
            in_features, out_features, bias, nonlinearity=nonlinearity, dtype=dtype, seed=seed
        )

    def reset_parameters(self, seed: int) -> Self:
        """Initial weight and bias as in :class:`Linear`, and a stream of masks."""
        self.rng: tuple[int, int] = (init.derive_seed(seed, 1), 0)
        return super().reset_parameters(seed)

    def takes_activation(self) -> bool:
        return False

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        if not self.training:
            return super().forward_fused(x, activation, residual)
        seed, offset = self.rng
        self.rng = (seed, offset + math.prod(self.weight.shape))
        self._saved = (x, seed, offset)
        bias = None if self.bias is None else self.bias.data
        return F.dropconnect(x, self.weight.data, bias, self.p, True, seed=seed, offset=offset)

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        x, seed, offset = self._take()
        needs: Any = self._needs(input_grad)
        if not needs:
            return None, None
        dx, dw, db = F.dropconnect_backward(
            dy, x, self.weight.data, self.p, True, seed=seed, offset=offset, needs=needs
        )
        self._add_grads(dw, db)
        return dx, None

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p}"
