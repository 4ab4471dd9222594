"""Principal components."""

from math import prod

import numpy as np
from numpy.typing import DTypeLike

from ..functional import linear
from .moments import Moments
from .preprocess import Preprocess


class PCA(Preprocess):
    """Coordinates along the principal components, y = U^T (x - mean), largest variance first.

    The columns of U are the eigenvectors of the covariance matrix, sum of (x - mean)(x - mean)^T
    / n over the samples, each taken as one vector of its D values: the new coordinates are
    uncorrelated. The matrix takes 8 D^2 bytes and the decomposition, at the first use after
    fitting, some 10 D^3 operations: images up to about 64 x 64. Decompositions are float64, the
    products of the call :func:`fastnn.functional.linear` in ``dtype``. To keep K < D of them, call
    it on the data before the :class:`Loader`, whose batches have the shape of their samples.

    Parameters
    ----------
    n_components : int or float in (0, 1), optional
        How many to keep, or the share of the variance that they must explain together. None: all.
    dtype : float32 or float64
        Of the result.

    Attributes
    ----------
    mean_ : float64 (C, ...)
    components_ : float64 (K, D)
        Rows of unit length; the largest entry of each is positive. ``components_.reshape(-1,
        *pca.mean_.shape)`` are images.
    variance_ : float64 (K,)
        Of the data along each; divided by n, where scikit-learn divides by n - 1.
    explained_variance_ratio_ : float64 (K,)

    Raises
    ------
    ValueError
        ``n_components`` is not one of those above; at ``fit``, if it exceeds D.

    References
    ----------
    H. Hotelling, "Analysis of a complex of statistical variables into principal components", 1933.
    """

    STATE = {"mean": -1, "components": 2, "variance": 1}  # noqa: RUF012

    def __init__(
        self, n_components: int | float | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__(dtype)
        whole = isinstance(n_components, int | np.integer)
        if n_components is not None and not (n_components >= 1 if whole else 0 < n_components < 1):
            raise ValueError(
                f"{self._name}: n_components must be a positive integer or a share in (0, 1), "
                f"got {n_components}"
            )
        self.n_components = n_components
        self._forget()

    def _forget(self) -> None:
        """Whatever follows from the statistics is computed when it is asked for."""
        self._spectrum: np.ndarray | None = None
        self._matrices: dict[str, np.ndarray] = {}

    def _start(self, shape: tuple[int, ...]) -> None:
        size = prod(shape)
        if self.n_components is not None and self.n_components > size:
            raise ValueError(
                f"{self._name}: n_components must be at most {size}, the values of a sample, "
                f"got {self.n_components}"
            )
        self._moments: Moments | None = Moments(size, covariance=True)
        self._mean = self._moments.mean

    def _take(self, rows: np.ndarray) -> None:
        if self._moments is None:
            raise RuntimeError(
                f"{self._name}.partial_fit: what was loaded cannot be fitted further; call fit"
            )
        self._moments.add(rows)
        self._forget()

    def _decompose(self) -> np.ndarray:
        """All D variances; the components that are kept go into the attribute."""
        self._need_fit()
        if self._spectrum is None:
            assert self._moments is not None  # what was loaded has its spectrum
            values, vectors = np.linalg.eigh(self._moments.squares / self._moments.count)
            self._spectrum = np.maximum(values[::-1], 0)
            kept = vectors.T[::-1][: self._kept(self._spectrum)]
            largest = np.take_along_axis(kept, np.abs(kept).argmax(1)[:, None], 1)
            self._components = kept * np.where(largest < 0, -1.0, 1.0)
        return self._spectrum

    def _kept(self, spectrum: np.ndarray) -> int:
        share = self.n_components
        if share is None or share >= 1:
            return len(spectrum) if share is None else int(share)
        reached = int(np.searchsorted(np.cumsum(spectrum), share * spectrum.sum()))
        return min(reached + 1, len(spectrum))

    @property
    def mean_(self) -> np.ndarray:
        self._need_fit()
        return self._mean.reshape(self.shape)

    @property
    def components_(self) -> np.ndarray:
        self._decompose()
        return self._components

    @property
    def variance_(self) -> np.ndarray:
        spectrum = self._decompose()
        return spectrum[: len(self._components)]

    @property
    def explained_variance_ratio_(self) -> np.ndarray:
        spectrum = self._decompose()
        ratio: np.ndarray = self.variance_ / (spectrum.sum() or 1.0)
        return ratio

    def _gain(self) -> np.ndarray:
        """What each coordinate is multiplied by."""
        return np.ones(len(self.components_))

    def _build(self, inverse: bool) -> np.ndarray:
        """Matrix that maps centred samples to results, or back: (K, D) or (D, K)."""
        u, gain = self.components_, self._gain()[:, None]
        matrix: np.ndarray = (u / gain).T if inverse else u * gain
        return matrix

    def _matrix(self, name: str) -> np.ndarray:
        if name not in self._matrices:
            self._matrices[name] = self._build(name == "inverse").astype(self.dtype, order="C")
        return self._matrices[name]

    def _result(self, x: np.ndarray) -> tuple[int, ...]:
        return (len(x), len(self.components_))

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Coordinates of ``x``, of any real dtype.

        Parameters
        ----------
        x : ndarray (N, C, ...)
        out : ndarray of the shape of the result, float32 or float64, optional
            Where to write.

        Returns
        -------
        y : ndarray (N, K)

        Raises
        ------
        RuntimeError
            Nothing has been fitted.
        ValueError
            ``x`` is not of the shape that was fitted, or ``out`` not of that of the result.
        TypeError
            ``x`` is no array of real numbers.
        """
        self._need_fit()
        self._need_shape("", "x", x)
        out = self._out(out, self._result(x))
        wide = np.result_type(x, self.dtype)  # as in Affine
        rows = np.subtract(x.reshape(len(x), self._mean.size), self._mean, dtype=wide)
        matrix = self._matrix("forward")
        out[...] = linear(rows.astype(self.dtype, copy=False), matrix).reshape(out.shape)
        return out

    def inverse(self, y: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Samples (N, C, ...) from results; without all components, the nearest there are.

        Parameters and errors are those of the call.
        """
        self._need_fit()
        self._need_array(f"{self._name}.inverse", "y", y)
        if y.ndim < 2 or y.shape != self._result(y):
            wanted = ", ".join(map(str, ("N", *self._result(y)[1:])))
            raise ValueError(f"{self._name}.inverse: y must be ({wanted}), got shape {y.shape}")
        assert self.shape is not None
        out = self._out(out, (len(y), *self.shape))
        matrix = self._matrix("inverse")
        rows = linear(y.reshape(len(y), matrix.shape[1]).astype(self.dtype), matrix)
        rows += self._mean.astype(self.dtype)
        out[...] = rows.reshape(out.shape)
        return out

    def _get_state(self) -> dict[str, np.ndarray]:
        spectrum = self._decompose()
        return {
            "mean": self.mean_.copy(),
            "components": self._components.copy(),
            "variance": spectrum.copy(),
        }

    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        mean, components, variance = (arrays[n] for n in ("mean", "components", "variance"))
        if mean.ndim == 0 or len(components) > mean.size or components.shape[1] != mean.size:
            raise self._refuse("components", f"(K, {mean.size})", components.shape)
        if variance.shape != (mean.size,) or variance.min() < 0:
            raise self._refuse("variance", f"({mean.size},), not negative", variance.shape)
        self._forget()
        self._moments, self._mean = None, mean.reshape(-1)
        self._spectrum, self._components = variance, components
        return mean.shape
