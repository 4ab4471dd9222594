"""Standardisation with statistics of the training data."""

from typing import Self

import numpy as np
from numpy.typing import DTypeLike

CHUNK = 4096
"""Samples converted to float64 at a time: 25 MB of 28 x 28 images."""


class Standardize:
    """y = (x - mean) / std per channel (axis 1), fitted on training data only.

    A channel that is constant is only shifted.

    Parameters
    ----------
    dtype : float32 or float64
        Of the result.

    Attributes
    ----------
    mean_, std_ : float64 (C,)
        Set by :meth:`fit`.
    """

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)

    def fit(self, x: np.ndarray) -> Self:
        """Mean and standard deviation over all axes but 1 of ``x`` (N, C, ...).

        Raises
        ------
        ValueError
            ``x`` has no channel axis or no values.
        """
        if x.ndim < 2 or x.size == 0:
            raise ValueError(f"Standardize.fit: x must be (N, C, ...) with values, got {x.shape}")
        axes = (0, *range(2, x.ndim))
        count = x.size // x.shape[1]
        chunks = range(0, len(x), CHUNK)
        sums = (x[i : i + CHUNK].sum(axes, dtype=np.float64) for i in chunks)
        self.mean_ = sum(sums, np.zeros(x.shape[1])) / count
        center = self._per_channel(self.mean_, x.ndim)
        squares = (((x[i : i + CHUNK] - center) ** 2).sum(axes) for i in chunks)
        self.std_ = np.sqrt(sum(squares, np.zeros(x.shape[1])) / count)
        return self

    @staticmethod
    def _per_channel(values: np.ndarray, rank: int) -> np.ndarray:
        return values.reshape(-1, *[1] * (rank - 2))

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Standardised copy of ``x`` (N, C, ...), of any real dtype, channels-last in memory.

        Raises
        ------
        RuntimeError
            :meth:`fit` has not run.
        ValueError
            The number of channels is not that of :meth:`fit`.
        """
        if not hasattr(self, "mean_"):
            raise RuntimeError("Standardize: call fit(x_train) first")
        if x.ndim < 2 or x.shape[1] != len(self.mean_):
            raise ValueError(
                f"Standardize: x must be (N, {len(self.mean_)}, ...), got shape {x.shape}"
            )
        scale = 1 / np.where(self.std_ > 0, self.std_, 1)
        shift = -self.mean_ * scale
        if out is None:
            out = np.moveaxis(np.empty((len(x), *x.shape[2:], x.shape[1]), self.dtype), -1, 1)
        factor = self._per_channel(scale, x.ndim).astype(out.dtype)
        np.multiply(x, factor, out=out, casting="same_kind", dtype=out.dtype)
        out += self._per_channel(shift, x.ndim).astype(out.dtype)
        return out
