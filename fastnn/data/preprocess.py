"""What all preprocessing has in common: fitting, checks, and its state."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

CHUNK = 1 << 22
"""Values converted to float64 at a time: 32 MB."""


class Preprocess(ABC):
    """Statistics of training data, applied to every batch of training and test data alike.

    ``fit(x_train)``, or ``partial_fit(batch)`` for each batch of a stream; ``y = preprocess(x)``
    or ``preprocess(x, out)``, which is what ``Loader(..., normalize=preprocess)`` calls;
    ``inverse(y)``; ``state_dict()`` to store it with the model, ``load_state_dict(state)``.

    Parameters
    ----------
    dtype : float32 or float64
        Of the result. The statistics are float64 always.

    Attributes
    ----------
    shape : tuple of int, or None before fitting
        Of what there is one statistic for: (C,), or that of a sample, (C, ...).
    """

    STATE: ClassVar[dict[str, int]]
    """Names in the state, with the ranks of their arrays; -1: any."""
    per_channel: ClassVar[bool] = False
    """One statistic for each channel (axis 1), or for each of the values of a sample."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise TypeError(f"{self._name}: dtype must be float32 or float64, got {self.dtype}")
        self.shape: tuple[int, ...] | None = None

    def fit(self, x: np.ndarray) -> Self:
        """Fit ``x`` (N, C, ...) of any real dtype; what was fitted before is forgotten.

        Raises
        ------
        ValueError
            ``x`` has no axis 1, no values, or values that are not finite.
        TypeError
            ``x`` is no array of real numbers.
        """
        self._need_data("fit", x)
        self.shape = None
        return self._add(x)

    def partial_fit(self, x: np.ndarray) -> Self:
        """Take in one more batch: all batches together give what ``fit`` of all samples gives.

        Raises
        ------
        ValueError
            As :meth:`fit`, or the samples are of another shape than those before.
        TypeError
            As :meth:`fit`.
        """
        self._need_data("partial_fit", x)
        if self.shape is not None:
            self._need_shape("partial_fit", "x", x)
        return self._add(x)

    def _add(self, x: np.ndarray) -> Self:
        if self.shape is None:
            shape = x.shape[1:2] if self.per_channel else x.shape[1:]
            self._start(shape)
            self.shape = shape
        for chunk in self._chunks(x):
            rows = np.moveaxis(chunk, 1, -1) if self.per_channel else chunk
            self._take(np.array(rows, np.float64, order="C").reshape(len(rows), -1))
        return self

    @staticmethod
    def _chunks(x: np.ndarray) -> list[np.ndarray]:
        size = max(1, CHUNK * len(x) // x.size)
        return [x[i : i + size] for i in range(0, len(x), size)]

    @abstractmethod
    def _start(self, shape: tuple[int, ...]) -> None:
        """Forget everything; samples, or their channels, will be of this shape."""

    @abstractmethod
    def _take(self, rows: np.ndarray) -> None:
        """Take in float64 ``rows`` (n, values), channels last if per channel; may be changed."""

    @abstractmethod
    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Preprocessed copy of ``x``."""

    @abstractmethod
    def inverse(self, y: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The ``x`` of which ``y`` is the result."""

    def state_dict(self, prefix: str = "") -> dict[str, np.ndarray]:
        """All that :meth:`load_state_dict` needs, as arrays that safetensors can hold.

        With a prefix it fits into the model's file: ``save_safetensors({**model.state_dict(),
        **preprocess.state_dict("preprocess.")}, path)``.

        Raises
        ------
        RuntimeError
            Nothing has been fitted.
        """
        self._need_fit()
        return {prefix + name: value for name, value in self._get_state().items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray], prefix: str = "") -> None:
        """Take over what :meth:`state_dict` gave; keys without ``prefix`` are others' business.

        Raises
        ------
        KeyError
            Keys are missing or unexpected.
        ValueError
            An array is of the wrong rank or shape, or has values that it cannot have.
        """
        keys = {key.removeprefix(prefix) for key in state if key.startswith(prefix)}
        missing, unexpected = sorted(self.STATE.keys() - keys), sorted(keys - self.STATE.keys())
        if missing or unexpected:
            raise KeyError(
                f"{self._name}.load_state_dict: missing keys {missing or 'none'}, "
                f"unexpected keys {unexpected or 'none'}"
            )
        arrays = {name: np.array(state[prefix + name], np.float64) for name in self.STATE}
        for name, rank in self.STATE.items():
            array = arrays[name]
            if rank not in (-1, array.ndim) or array.size == 0 or not np.isfinite(array).all():
                raise ValueError(
                    f"{self._name}.load_state_dict: {name} must be finite numbers"
                    f"{'' if rank < 0 else f' of rank {rank}'}, got shape {array.shape}"
                )
        self.shape = self._set_state(arrays)

    @abstractmethod
    def _get_state(self) -> dict[str, np.ndarray]: ...

    @abstractmethod
    def _set_state(self, arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
        """Take over arrays that are finite and of the ranks in STATE; returns the shape."""

    def _refuse(self, name: str, must: str, got: object) -> ValueError:
        return ValueError(f"{self._name}.load_state_dict: {name} must be {must}, got {got}")

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _need_fit(self) -> None:
        if self.shape is None:
            raise RuntimeError(f"{self._name}: call fit(x_train) first")

    def _need_array(self, where: str, name: str, x: np.ndarray) -> None:
        if not isinstance(x, np.ndarray) or x.dtype.kind not in "buif":
            got = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
            raise TypeError(f"{where}: {name} must be an array of real numbers, got {got}")

    def _need_data(self, method: str, x: np.ndarray) -> None:
        where = f"{self._name}.{method}"
        self._need_array(where, "x", x)
        if x.ndim < 2 or x.size == 0:
            raise ValueError(f"{where}: x must be (N, C, ...) with values, got {x.shape}")
        if x.dtype.kind == "f" and not all(np.isfinite(c).all() for c in self._chunks(x)):
            raise ValueError(f"{where}: x must be finite, got NaN or infinity")

    def _need_shape(self, method: str, name: str, x: np.ndarray) -> None:
        where = f"{self._name}.{method}" if method else self._name
        self._need_array(where, name, x)
        assert self.shape is not None
        if x.ndim < 2 or (x.shape[1:2] if self.per_channel else x.shape[1:]) != self.shape:
            wanted = ", ".join(map(str, ("N", *self.shape, *(["..."] if self.per_channel else []))))
            raise ValueError(f"{where}: {name} must be ({wanted}), got shape {x.shape}")

    def _out(self, out: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
        """``out``, checked, or new memory, channels-last."""
        if out is None:
            if len(shape) < 3:
                return np.empty(shape, self.dtype)
            return np.moveaxis(np.empty((shape[0], *shape[2:], shape[1]), self.dtype), -1, 1)
        if out.shape != shape or out.dtype not in (np.float32, np.float64):
            raise ValueError(
                f"{self._name}: out must be float32 or float64 {shape}, got {out.dtype} {out.shape}"
            )
        return out
