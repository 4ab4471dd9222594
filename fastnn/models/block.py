"""The pieces of named networks: a residual block, and conv + BatchNorm pairs."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from ..nn import BatchNorm2d, Conv2d, Module, Residual, Sequential


class Block(Residual):
    """A residual block whose ``state_dict`` keys are those of published checkpoints.

    Parameters
    ----------
    body, shortcut, activation
        As in :class:`~fastnn.nn.Residual`, fusion included.
    names : (str, str)
        Of body and shortcut. An empty name adds no level: the layers of the body are named as if
        they were the block's own (``conv1``, not ``body.conv1``).
    """

    def __init__(
        self,
        body: Module,
        shortcut: Module | None = None,
        activation: str | None = "relu",
        *,
        names: tuple[str, str] = ("", "downsample"),
    ) -> None:
        super().__init__(body, shortcut, activation)
        self._names = names

    def named_children(self) -> Iterator[tuple[str, Module]]:
        for name, child in zip(self._names, (self.body, self.shortcut), strict=True):
            if child is not None:
                yield name, child


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    *,
    dtype: DTypeLike = np.float32,
) -> tuple[Conv2d, BatchNorm2d]:
    """Convolution without bias, padded by half its kernel, and its BatchNorm."""
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
        dtype=dtype,
    )
    return conv, BatchNorm2d(out_channels, dtype=dtype)


def shortcut(
    in_channels: int, out_channels: int, stride: int, *, dtype: DTypeLike = np.float32
) -> Sequential | None:
    """None for the identity; where the shape changes, 1 x 1 convolution and BatchNorm (option B).

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.1.
    """
    if stride == 1 and in_channels == out_channels:
        return None
    return Sequential(*conv_bn(in_channels, out_channels, 1, stride, dtype=dtype))
