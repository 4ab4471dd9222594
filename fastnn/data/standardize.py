"""Centring and standardisation: mean image, channel means, means and standard deviations."""

from math import prod

import numpy as np

from .affine import Affine
from .moments import Moments


class _Centred(Affine):
    """Mean, and what it takes to go on fitting."""

    STATE = {"count": 0, "mean": -1}  # noqa: RUF012

    def _start(self, shape: tuple[int, ...]) -> None:
        self._moments = Moments(prod(shape))

    def _take(self, rows: np.ndarray) -> None:
        self._moments.add(rows)

    @property
    def mean_(self) -> np.ndarray:
        self._need_fit()
        return self._moments.mean.reshape(self.shape)

    def _affine(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        return self.mean_, None, 0

    def _get_state(self) -> dict[str, np.ndarray]:
        return {"count": np.array(self._moments.count), "mean": self.mean_.copy()}

    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        count, mean = int(arrays["count"]), arrays["mean"]
        if count < 1:
            raise self._refuse("count", "positive", count)
        if mean.ndim == 0 or (self.per_channel and mean.ndim != 1):
            raise self._refuse("mean", "(C,)" if self.per_channel else "(C, ...)", mean.shape)
        moments = Moments(mean.size)
        moments.count, moments.mean = count, mean.reshape(-1)
        self._moments = moments
        return mean.shape


class MeanImage(_Centred):
    """y = x - mean, the mean over the samples: an image, as AlexNet subtracts it.

    Attributes
    ----------
    mean_ : float64 (C, ...)

    References
    ----------
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
    networks", NeurIPS 2012, section 2.
    """


class ChannelMean(_Centred):
    """y = x - mean, one mean for each channel (axis 1), as VGGNet subtracts it.

    Attributes
    ----------
    mean_ : float64 (C,)

    References
    ----------
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
    ICLR 2015, section 2.1.
    """

    per_channel = True


class _Scaled(_Centred):
    STATE = {"count": 0, "mean": -1, "var": -1}  # noqa: RUF012

    @property
    def std_(self) -> np.ndarray:
        self._need_fit()
        return np.sqrt(self._moments.squares / self._moments.count, dtype=np.float64).reshape(
            self.shape
        )

    def _affine(self) -> tuple[np.ndarray, np.ndarray | None, float]:
        std = self.std_
        return self.mean_, 1 / np.where(std > 0, std, 1), 0

    def _get_state(self) -> dict[str, np.ndarray]:
        return {**super()._get_state(), "var": np.square(self.std_)}

    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        var = arrays["var"]
        if var.shape != arrays["mean"].shape or var.min() < 0:
            raise self._refuse("var", f"{arrays['mean'].shape} and not negative", var.shape)
        shape = super()._set_state(arrays)
        self._moments.squares = var.reshape(-1) * self._moments.count
        return shape


class Standardize(_Scaled):
    """y = (x - mean) / std per channel (axis 1), as residual networks have it.

    The standard deviation is that of the data, sum of squares / n. A channel that is constant is
    only shifted. For a table (N, F) the channels are its columns.

    Attributes
    ----------
    mean_, std_ : float64 (C,)
    """

    per_channel = True


class StandardizeFeatures(_Scaled):
    """y = (x - mean) / std for each value of a sample: the images of means and deviations.

    A value that is constant is only shifted.

    Attributes
    ----------
    mean_, std_ : float64 (C, ...)
    """
