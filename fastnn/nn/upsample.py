"""Upsample: larger images by repeating pixels or interpolating between them."""

import numpy as np

from .. import functional as F
from ..cuda._arrays import like
from .linear import Pair
from .module import Module

Factor = float | tuple[float, float]


class Upsample(Module):
    """Resizes ``x`` (N, C, H, W) to ``size``, or by ``scale_factor``.

    Along each axis, y = A x with a matrix A of weights: output i reads the input at
    i / scale ("nearest", rounded down) or at max((i + 1/2) / scale - 1/2, 0), shared between its
    two neighbours in proportion ("bilinear"); with ``align_corners`` at i (in - 1) / (out - 1).

    Parameters
    ----------
    size : int or (rows, columns), optional
    scale_factor : float or (rows, columns), optional
        In place of ``size``; the output is floor(scale_factor * in) large.
    mode : "nearest" or "bilinear"
    align_corners : bool, optional
        Of "bilinear" alone: whether the corner pixels' centres stay where they are.

    Raises
    ------
    ValueError
        Not just one of ``size`` and ``scale_factor`` is given, or an argument is out of range;
        from ``forward``: the rank of ``x`` is not 4, or the output would be empty.
    TypeError
        ``size`` holds anything but integers, or ``scale_factor`` anything but numbers.

    Notes
    -----
    By integer factors, "nearest" is the transpose of a sum over windows and "bilinear" (without
    ``align_corners``) a depthwise transposed convolution: the kernels of pools and of
    convolutions do them. All else are two products with A, many times slower where the image is
    large; an infinite value or a NaN spreads along its row and column there.
    """

    def __init__(
        self,
        size: Pair | None = None,
        scale_factor: Factor | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        if (size is None) == (scale_factor is None):
            raise ValueError(
                "Upsample: size must be given, or scale_factor instead, "
                f"got {size} and {scale_factor}"
            )
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f'Upsample: mode must be "nearest" or "bilinear", got {mode!r}')
        if mode == "nearest" and align_corners is not None:
            raise ValueError(f'Upsample: align_corners must be None for "nearest", got {mode!r}')
        name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
        pair = given if isinstance(given, tuple) else (given, given)
        number = int if scale_factor is None else (int, float)
        if not all(isinstance(value, number) for value in pair):
            word = "integers" if scale_factor is None else "numbers"
            raise TypeError(f"Upsample: {name} must be one or two {word}, got {given!r}")
        if len(pair) != 2 or not all(v is not None and 0 < v < float("inf") for v in pair):
            raise ValueError(f"Upsample: {name} must be one or two numbers above 0, got {given}")
        self.size, self.scale_factor = size, scale_factor
        self.mode, self.align_corners = mode, align_corners

    def _targets(self, height: int, width: int) -> tuple[tuple[int, float], tuple[int, float]]:
        """Output size and scale of rows and columns."""
        if self.scale_factor is None:
            assert self.size is not None
            rows, columns = self.size if isinstance(self.size, tuple) else (self.size, self.size)
            return (rows, rows / height), (columns, columns / width)
        factor = self.scale_factor
        down, across = factor if isinstance(factor, tuple) else (factor, factor)
        return (int(height * down), down), (int(width * across), across)

    def _matrix(self, inputs: int, outputs: int, scale: float) -> np.ndarray:
        """Weights (outputs, inputs) of one axis."""
        i = np.arange(outputs)
        if self.mode == "nearest":
            source = np.floor(i / scale)
        elif self.align_corners:
            source = i * ((inputs - 1) / max(outputs - 1, 1))
        else:
            source = np.maximum((i + 0.5) / scale - 0.5, 0)
        low = np.minimum(source.astype(np.int64), inputs - 1)
        share = source - low if self.mode == "bilinear" else np.zeros(outputs)
        matrix = np.zeros((outputs, inputs))
        matrix[i, low] = 1 - share
        matrix[i, np.minimum(low + 1, inputs - 1)] += share
        return matrix

    def forward(self, x: np.ndarray) -> np.ndarray:
        if x.ndim != 4:
            raise ValueError(f"Upsample: x must be of rank 4, got shape {x.shape}")
        height, width = x.shape[2:]
        (rows, down), (columns, across) = self._targets(height, width)
        if not (rows and columns):
            raise ValueError(f"Upsample: x must be larger for {self.extra_repr()}, got {x.shape}")
        factors = int(down), int(across)
        if factors != (down, across) or self.align_corners:
            a = like(self._matrix(height, rows, down), x)
            b = like(self._matrix(width, columns, across), x)
            self._saved = (a, b) if self.training else None
            return _both_axes(x, a, b)
        self._saved = factors if self.training else None
        if self.mode == "nearest":
            shape = (*x.shape[:2], rows, columns)
            return F.avg_pool2d_backward(x, shape, factors, divisor_override=1)
        return _interpolate(x, factors)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        down, across = self._take()
        if not input_grad:
            return None
        if not isinstance(down, int):
            return _both_axes(dy, down.T, across.T)
        if self.mode == "nearest":
            return F.avg_pool2d(dy, (down, across), divisor_override=1)
        return _interpolate_backward(dy, (down, across))

    def extra_repr(self) -> str:
        given = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{given}, mode={self.mode!r}"


def _both_axes(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a applied to the rows of (N, C, H, W) and b to its columns; channels-last in memory."""
    (n, c, height, width), rows, columns = x.shape, len(a), len(b)
    images = F.channels_last(x).transpose(0, 2, 3, 1)
    tall = F.matmul(a, images.reshape(n, height, width * c))
    wide = F.matmul(b, tall.reshape(n * rows, width, c))
    return wide.reshape(n, rows, columns, c).transpose(0, 3, 1, 2)


def _tent(x: np.ndarray, factors: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Depthwise kernel 1 - |distance| / factor along each axis, and its padding.

    The padding takes a border of one pixel, which repeats the image's edge, off again.
    """
    axes = []
    for factor in factors:
        size = 2 * factor - factor % 2
        axes.append(1 - np.abs(np.arange(size) - (size - 1) / 2) / factor)
    padding = [(len(axis) + factor) // 2 for axis, factor in zip(axes, factors, strict=True)]
    kernel = np.outer(*axes)
    weight = np.ascontiguousarray(np.broadcast_to(kernel, (x.shape[1], 1, *kernel.shape)))
    return like(weight, x), (padding[0], padding[1])


def _interpolate(x: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """Bilinear, by integer factors."""
    weight, padding = _tent(x, factors)
    images = F.channels_last(x).transpose(0, 2, 3, 1)
    bordered = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge").transpose(0, 3, 1, 2)
    return F.conv_transpose2d(bordered, weight, None, factors, padding, groups=len(weight))


def _interpolate_backward(dy: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """The transpose: a depthwise convolution, whose border is added to the edge."""
    weight, padding = _tent(dy, factors)
    dx = F.conv2d(dy, weight, None, factors, padding, groups=len(weight))
    for axis in (2, 3):
        along = dx.swapaxes(axis, 0)
        along[1] += along[0]
        along[-2] += along[-1]
        dx = along[1:-1].swapaxes(axis, 0)
    return F.channels_last(dx)
