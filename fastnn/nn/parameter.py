"""``Parameter``: a trainable array and its gradient."""

import numpy as np

from ..cuda._arrays import Place, copied, like, moved, place_of


class Parameter:
    """A trainable array and its gradient.

    Attributes
    ----------
    data : ndarray
        The values. An optimizer moves them into its flat buffer, so that this is a view.
    requires_grad : bool
        False freezes the parameter: backward computes no gradient for it.
    """

    __slots__ = ("_bound", "_grad", "_has_grad", "data", "requires_grad")

    def __init__(self, data: np.ndarray, requires_grad: bool = True) -> None:
        self.data = data
        self.requires_grad = requires_grad
        self._grad: np.ndarray | None = None
        self._has_grad = False
        self._bound = False

    @property
    def grad(self) -> np.ndarray | None:
        """What backward has added up since :meth:`zero_grad`; None if it has added nothing."""
        return self._grad if self._has_grad else None

    @grad.setter
    def grad(self, value: np.ndarray | None) -> None:
        self._has_grad = self._has_grad and value is self._grad
        if value is not None and not self._has_grad:
            self.add_grad(copied(like(value, self.data)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self.data.shape

    def add_grad(self, grad: np.ndarray) -> None:
        """Add ``grad``; the first one after ``zero_grad`` is taken over or copied."""
        if self._has_grad and self._grad is not None:
            self._grad += grad
            return
        if self._bound and self._grad is not None:
            self._grad[...] = grad
        else:
            self._grad = grad
        self._has_grad = True

    def zero_grad(self) -> None:
        """Forget the gradient; nothing is filled, the next backward overwrites it."""
        self._has_grad = False

    def written(self) -> None:
        """A replayed CUDA graph has written the gradient, as the captured backward did."""
        self._has_grad = True

    def bind(self, data: np.ndarray, grad: np.ndarray) -> None:
        """Move values and gradient into ``data`` and ``grad``, views of a flat buffer."""
        data[...] = self.data
        if self._has_grad and self._grad is not None:
            grad[...] = self._grad
        self.data, self._grad, self._bound = data, grad, True

    def to(self, place: Place | None) -> None:
        """Move values and gradient to a place, out of an optimizer's flat buffer."""
        if place_of(self.data) != place:
            self.data = moved(self.data, place)
            self._grad = moved(self._grad, place) if self._has_grad else None
            self._bound = False

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.data.dtype})"
