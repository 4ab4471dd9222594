"""Layers with a weight: Linear, Conv2d and ConvTranspose2d."""

from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .. import init
from .fusable import Fusable
from .parameter import Parameter

Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str


class Weighted(Fusable):
    """What the layers share: weight, bias, their start and their gradients."""

    weight: Parameter
    bias: Parameter | None
    nonlinearity: str

    def _build(
        self,
        weight: np.ndarray,
        bias: bool,
        nonlinearity: str,
        seed: int | None,
        outputs: int | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        self.weight = Parameter(weight)
        size = len(weight) if outputs is None else outputs
        self.bias = Parameter(np.empty(size, weight.dtype)) if bias else None
        self.reset_parameters(init.next_default_seed() if seed is None else seed)

    def weight_rows(self) -> np.ndarray:
        """View of the weight with a row for each output: (blocks, rows, in / groups, *kernel)."""
        return self.weight.data[None]

    @property
    def fan_shape(self) -> tuple[int, ...]:
        """(out, in / groups, *kernel): the shape of which ``fastnn.init`` counts the fans."""
        blocks, rows, *rest = self.weight_rows().shape
        return (blocks * rows, *rest)

    def set_weight(self, values: np.ndarray) -> None:
        """Copy ``values`` of shape :attr:`fan_shape` into the weight."""
        rows = self.weight_rows()
        rows[...] = values.reshape(rows.shape)

    def scale_outputs(self, factors: np.ndarray) -> None:
        """Multiply the weights of each output by its factor; the bias stays."""
        rows = self.weight_rows()
        rows[...] = rows * factors.reshape(*rows.shape[:2], *[1] * (rows.ndim - 2))

    def reset_parameters(self, seed: int) -> Self:
        """Kaiming-normal weight (fan_in, gain of ``nonlinearity``), zero bias."""
        dtype = self.weight.data.dtype
        fresh = init.kaiming_normal(
            self.fan_shape, rng=seed, nonlinearity=self.nonlinearity, dtype=dtype
        )
        self.set_weight(fresh)
        if self.bias is not None:
            self.bias.data.fill(0)
        return self

    def _needs(self, input_grad: bool) -> tuple[str, ...]:
        needs: tuple[str, ...] = ("x",) if input_grad else ()
        if self.weight.requires_grad:
            needs += ("weight",)
        if self.bias is not None and self.bias.requires_grad:
            needs += ("bias",)
        return needs

    def _add_grads(self, dw: np.ndarray | None, db: np.ndarray | None) -> None:
        if dw is not None:
            self.weight.add_grad(dw)
        if db is not None and self.bias is not None:
            self.bias.add_grad(db)


class Linear(Weighted):
    """y = x W^T + b for ``x`` (..., in_features).

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    nonlinearity : str
        What follows, for the gain of the initial weight (``fastnn.init.calculate_gain``).
    dtype : float32 or float64
    seed : int, optional
        Stream of the initial weight; None takes the next default seed of the process.

    Attributes
    ----------
    weight : Parameter (out_features, in_features)
    bias : Parameter (out_features,) or None
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        nonlinearity: str = "relu",
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        self._build(np.empty((out_features, in_features), dtype), bias, nonlinearity, seed)

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        bias = None if self.bias is None else self.bias.data
        y = F.linear(x, self.weight.data, bias, activation=activation)
        self._saved = (x, activation, y if activation else None) if self.training else None
        return y

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        x, activation, y = self._take()
        needs = self._needs(input_grad)
        if not needs:
            return None, None
        dx, dw, db = F.linear_backward(
            dy, x, self.weight.data, activation=activation, y=y, needs=needs
        )
        self._add_grads(dw, db)
        return dx, None

    def extra_repr(self) -> str:
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}, bias={self.bias is not None}"


class Conv2d(Weighted):
    """2-D cross-correlation of ``x`` (N, in_channels, H, W), plus bias.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (kh, kw)
    stride, dilation : int or (rows, columns)
    padding : int, (ph, pw), ((top, bottom), (left, right)), "same" or "valid"
    groups : int
        Divides both channel numbers.
    bias : bool
    nonlinearity, dtype, seed
        As in :class:`Linear`.
    algorithm : None, "auto", "direct" or "winograd"
        As in ``fastnn.functional.conv2d``; checked there, when the shapes are known.

    Attributes
    ----------
    weight : Parameter (out_channels, in_channels / groups, kh, kw)
        Channels-last in memory, like its gradient.
    bias : Parameter (out_channels,) or None

    Raises
    ------
    ValueError
        ``groups`` does not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        nonlinearity: str = "relu",
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
        algorithm: str | None = None,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups must divide in_channels {in_channels} and "
                f"out_channels {out_channels}, got {groups}"
            )
        self.algorithm = algorithm
        kh, kw = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        weight = np.empty((out_channels, kh, kw, in_channels // groups), dtype)
        self._build(weight.transpose(0, 3, 1, 2), bias, nonlinearity, seed)

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        y = F.conv2d(
            x,
            self.weight.data,
            None if self.bias is None else self.bias.data,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            activation=activation,
            algorithm=self.algorithm,
        )
        self._saved = (x, activation, y if activation else None) if self.training else None
        return y

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        x, activation, y = self._take()
        needs = self._needs(input_grad)
        if not needs:
            return None, None
        dx, dw, db = F.conv2d_backward(
            dy,
            x,
            self.weight.data,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            activation=activation,
            y=y,
            needs=needs,
            algorithm=self.algorithm,
        )
        self._add_grads(dw, db)
        return dx, None

    def extra_repr(self) -> str:
        o, i, kh, kw = self.weight.shape
        text = f"{i * self.groups}, {o}, kernel_size={(kh, kw)}, stride={self.stride}"
        return f"{text}, padding={self.padding}, bias={self.bias is not None}"


class ConvTranspose2d(Weighted):
    """Transposed convolution of ``x`` (N, in_channels, H, W), plus bias.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (kh, kw)
    stride, output_padding, dilation : int or (rows, columns)
    padding : int, (ph, pw) or ((top, bottom), (left, right))
        Of the convolution that this one transposes: it is cut off here.
    groups : int
        Divides both channel numbers.
    bias : bool
    nonlinearity, dtype, seed
        As in :class:`Linear`; the fan_in is that of an output, in_channels / groups * kh * kw.

    Attributes
    ----------
    weight : Parameter (in_channels, out_channels / groups, kh, kw)
    bias : Parameter (out_channels,) or None

    Raises
    ------
    ValueError
        ``groups`` does not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        *,
        nonlinearity: str = "relu",
        dtype: DTypeLike = np.float32,
        seed: int | None = None,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"ConvTranspose2d: groups must divide in_channels {in_channels} and "
                f"out_channels {out_channels}, got {groups}"
            )
        kh, kw = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.groups, self.dilation = groups, dilation
        weight = np.empty((in_channels, out_channels // groups, kh, kw), dtype)
        self._build(weight, bias, nonlinearity, seed, out_channels)

    def weight_rows(self) -> np.ndarray:
        c, o, kh, kw = self.weight.shape
        blocks = self.weight.data.reshape(self.groups, c // self.groups, o, kh, kw)
        return blocks.swapaxes(1, 2)

    def takes_activation(self) -> bool:
        """Its kernel has none to apply."""
        return False

    def _options(self) -> tuple[Pair, Padding, Pair, int, Pair]:
        return self.stride, self.padding, self.output_padding, self.groups, self.dilation

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        bias = None if self.bias is None else self.bias.data
        self._saved = x if self.training else None
        return F.conv_transpose2d(x, self.weight.data, bias, *self._options())

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        needs = self._needs(input_grad)
        x = self._take()
        if not needs:
            return None, None
        dx, dw, db = F.conv_transpose2d_backward(
            dy, x, self.weight.data, *self._options(), needs=needs
        )
        self._add_grads(dw, db)
        return dx, None

    def extra_repr(self) -> str:
        i, o, kh, kw = self.weight.shape
        text = f"{i}, {o * self.groups}, kernel_size={(kh, kw)}, stride={self.stride}"
        return f"{text}, padding={self.padding}, bias={self.bias is not None}"
