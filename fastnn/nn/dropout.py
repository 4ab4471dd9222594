"""Dropout."""

from typing import Self

import numpy as np

from .. import functional as F
from .. import init
from .module import Module


class Dropout(Module):
    """Zeroes each value with probability ``p`` in training and scales the rest by 1 / (1 - p).

    The mask is a pure function of (seed, offset): nothing is stored for backward, and every
    training forward moves the offset on by the number of values.

    Parameters
    ----------
    p : float in [0, 1]
        Probability of dropping.
    seed : int, optional
        Stream of the masks; None takes the next default seed of the process, so that two layers
        never share one.

    References
    ----------
    Srivastava et al., "Dropout", JMLR 15, 2014; inverted form.
    """

    def __init__(self, p: float = 0.5, *, seed: int | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be in [0, 1], got {p}")
        self.p = p
        self.rng: tuple[int, int] = (init.next_default_seed() if seed is None else seed, 0)

    def reset_parameters(self, seed: int) -> Self:
        """Start the stream ``seed``."""
        self.rng = (seed, 0)
        return self

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not self.training:
            self._saved = None
            return x
        seed, offset = self._saved = self.rng
        self.rng = (seed, offset + x.size)
        return F.dropout(x, self.p, True, seed=seed, offset=offset)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        seed, offset = self._take()
        if not input_grad:
            return None
        return F.dropout_backward(dy, self.p, True, seed=seed, offset=offset)

    def extra_repr(self) -> str:
        return f"p={self.p}"
