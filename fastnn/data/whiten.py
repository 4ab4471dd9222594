"""Whitening: data without correlations, of variance 1."""

import numpy as np
from numpy.typing import DTypeLike

from .pca import PCA


class PCAWhitening(PCA):
    """Uncorrelated coordinates of variance 1: y_i = U_i^T (x - mean) / sqrt(variance_i + eps).

    Attributes are those of :class:`PCA`.

    Parameters
    ----------
    n_components : int or float in (0, 1), optional
        As in :class:`PCA`.
    eps : float
        Positive; added to the variances, so that directions of less variance, which are mostly
        noise, are not blown up. It is in units of the data squared: 1e-5 fits values around 1.
    dtype : float32 or float64
        Of the result.
    """

    STATE = {**PCA.STATE, "eps": 0}  # noqa: RUF012

    def __init__(
        self,
        n_components: int | float | None = None,
        eps: float = 1e-5,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(n_components, dtype)
        if not 0 < eps < np.inf:
            raise ValueError(f"{self._name}: eps must be positive and finite, got {eps}")
        self.eps = eps

    def _gain(self) -> np.ndarray:
        return np.power(self.variance_ + self.eps, -0.5)

    def _get_state(self) -> dict[str, np.ndarray]:
        return {**super()._get_state(), "eps": np.array(self.eps, np.float64)}

    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        eps = float(arrays["eps"])
        if eps <= 0:
            raise self._refuse("eps", "positive", eps)
        shape = super()._set_state(arrays)
        self.eps = eps
        return shape


class ZCAWhitening(PCAWhitening):
    """PCA whitening turned back, y = U diag(1 / sqrt(variance + eps)) U^T (x - mean).

    Of all whitenings the one that changes the data least: results have the shape of the samples,
    and images still look like images, with their edges strengthened.

    Attributes are those of :class:`PCA`.

    Parameters
    ----------
    eps : float
        As in :class:`PCAWhitening`.
    dtype : float32 or float64
        Of the result.

    References
    ----------
    Bell and Sejnowski, "The 'independent components' of natural scenes are edge filters", 1997;
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, appendix A.
    """

    def __init__(self, eps: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        super().__init__(None, eps, dtype)

    def _build(self, inverse: bool) -> np.ndarray:
        u, matrix = self.components_, super()._build(inverse)
        turned: np.ndarray = matrix @ u if inverse else u.T @ matrix
        return turned

    def _result(self, x: np.ndarray) -> tuple[int, ...]:
        assert self.shape is not None
        return (len(x), *self.shape)

    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        if len(arrays["components"]) != arrays["mean"].size:
            raise self._refuse("components", "all of them", arrays["components"].shape)
        return super()._set_state(arrays)
