"""Preprocessing that shifts and scales."""

from abc import abstractmethod

import numpy as np

from .preprocess import Preprocess


class Affine(Preprocess):
    """y = (x - shift) scale + low, for each channel or each value of a sample."""

    @abstractmethod
    def _affine(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        """shift, scale (None: 1) and low."""

    def _like(self, values: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Statistics that broadcast against ``x``."""
        return values.reshape(-1, *[1] * (x.ndim - 2)) if self.per_channel else values

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Preprocessed copy of ``x`` (N, C, ...), of any real dtype, channels-last in memory.

        Parameters
        ----------
        x : ndarray (N, C, ...)
        out : ndarray of the shape of ``x``, float32 or float64, optional
            Where to write.

        Raises
        ------
        RuntimeError
            Nothing has been fitted.
        ValueError
            ``x`` is not of the shape that was fitted, or ``out`` not of that of ``x``.
        TypeError
            ``x`` is no array of real numbers.
        """
        self._need_fit()
        self._need_shape("", "x", x)
        out = self._out(out, x.shape)
        shift, scale, low = self._affine()
        # float64 for what float32 does not hold exactly: a mean may be large, a difference small
        wide = np.result_type(x, out)
        centre = self._like(shift, x).astype(wide)
        np.subtract(x, centre, out=out, dtype=wide, casting="same_kind")
        if scale is not None:
            out *= self._like(scale, x).astype(out.dtype)
        if low:
            out += out.dtype.type(low)
        return out

    def inverse(self, y: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """x = (y - low) / scale + shift; parameters and errors as in the call."""
        self._need_fit()
        self._need_shape("inverse", "y", y)
        out = self._out(out, y.shape)
        shift, scale, low = self._affine()
        np.subtract(y, out.dtype.type(low), out=out, dtype=out.dtype, casting="same_kind")
        if scale is not None:
            out *= self._like(1 / scale, y).astype(out.dtype)
        out += self._like(shift, y).astype(out.dtype)
        return out
