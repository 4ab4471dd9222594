"""Scaling to a range."""

import numpy as np
from numpy.typing import DTypeLike

from .affine import Affine


class MinMax(Affine):
    """Each channel (axis 1) from its smallest and largest value to ``feature_range``.

    y = (x - min) / (max - min) (high - low) + low. A channel that is constant becomes ``low``.
    New data may go beyond the range.

    Parameters
    ----------
    feature_range : (float, float)
        low and high.
    dtype : float32 or float64
        Of the result.

    Attributes
    ----------
    data_min_, data_max_ : float64 (C,)

    Raises
    ------
    ValueError
        ``feature_range`` is not two finite numbers in ascending order.
    """

    per_channel = True
    STATE = {"min": 1, "max": 1, "range": 1}  # noqa: RUF012

    def __init__(
        self, feature_range: tuple[float, float] = (0, 1), dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__(dtype)
        low, high = feature_range
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"MinMax: feature_range must be (low, high), got {feature_range}")
        self.feature_range = (low, high)

    def _start(self, shape: tuple[int, ...]) -> None:
        self.data_min_, self.data_max_ = np.full(shape, np.inf), np.full(shape, -np.inf)

    def _take(self, rows: np.ndarray) -> None:
        channels = self.data_min_.size
        low, high = (ends.reshape(-1, channels) for ends in (rows.min(0), rows.max(0)))
        np.minimum(self.data_min_, low.min(0), out=self.data_min_)
        np.maximum(self.data_max_, high.max(0), out=self.data_max_)

    def _affine(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        low, high = self.feature_range
        span = self.data_max_ - self.data_min_
        return self.data_min_, (high - low) / np.where(span > 0, span, 1), low

    def _get_state(self) -> dict[str, np.ndarray]:
        ends = np.array(self.feature_range, np.float64)
        return {"min": self.data_min_.copy(), "max": self.data_max_.copy(), "range": ends}

    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        low, high, ends = arrays["min"], arrays["max"], arrays["range"]
        if ends.shape != (2,) or not ends[0] < ends[1]:
            raise self._refuse("range", "(low, high)", ends)
        if low.shape != high.shape or (low > high).any():
            raise self._refuse("max", f"{low.shape} and at least min", high.shape)
        self.feature_range = (float(ends[0]), float(ends[1]))
        self.data_min_, self.data_max_ = low, high
        return low.shape
