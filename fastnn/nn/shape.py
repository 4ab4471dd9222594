"""Layers without parameters that change the shape: pools, Flatten, Identity."""

from typing import Any

import numpy as np

from .. import functional as F
from .linear import Pair
from .module import Module


class MaxPool2d(Module):
    """Maximum over windows of ``x`` (N, C, H, W); a tie goes to the first in row-major order.

    Parameters
    ----------
    kernel_size : int or (kh, kw)
    stride : int or (rows, columns), optional
        None: the kernel size.
    padding : int or (rows, columns)
        At most half the kernel.
    dilation : int or (rows, columns)
    ceil_mode : bool
        Round the output size up.
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: np.ndarray) -> np.ndarray:
        y, saved = F.max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )
        self._saved = saved if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        saved = self._take()
        return F.max_pool2d_backward(dy, saved) if input_grad else None

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """Mean over windows of ``x`` (N, C, H, W).

    Parameters
    ----------
    kernel_size : int or (kh, kw)
    stride : int or (rows, columns), optional
        None: the kernel size.
    padding : int or (rows, columns)
        At most half the kernel.
    ceil_mode : bool
        Round the output size up.
    count_include_pad : bool
        Whether the mean counts positions in the padding, as zeros.
    divisor_override : int, optional
        What every sum is divided by instead.
    """

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def _options(self) -> tuple[Any, ...]:
        windows = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return (*windows, self.count_include_pad, self.divisor_override)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x.shape if self.training else None
        return F.avg_pool2d(x, *self._options())

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        shape = self._take()
        return F.avg_pool2d_backward(dy, shape, *self._options()) if input_grad else None

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Mean over a grid of ``output_size`` windows of ``x`` (N, C, H, W)."""

    def __init__(self, output_size: Pair) -> None:
        self.output_size = output_size

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x.shape if self.training else None
        return F.adaptive_avg_pool2d(x, self.output_size)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        shape = self._take()
        return F.adaptive_avg_pool2d_backward(dy, shape) if input_grad else None

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class Flatten(Module):
    """(N, C, H, W) to (N, C * H * W), channels first as in PyTorch.

    This reorders memory that is channels-last, unless H = W = 1.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x.shape if self.training else None
        return F.flatten(x)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        shape = self._take()
        return F.flatten_backward(dy, shape) if input_grad else None


class Identity(Module):
    """y = x."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        return dy if input_grad else None
