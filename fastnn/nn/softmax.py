"""Layers that look at several values at once: Softmax, LogSoftmax and Maxout."""

import numpy as np

from .. import functional as F
from .module import Module


class Softmax(Module):
    """y = exp(x) / sum of exp(x) along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = F.softmax(x, self.axis)
        self._saved = y if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        y = self._take()
        return F.softmax_backward(dy, y, self.axis) if input_grad else None

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """y = x - log(sum of exp(x)) along ``axis``."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = F.log_softmax(x, self.axis)
        self._saved = y if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        y = self._take()
        return F.log_softmax_backward(dy, y, self.axis) if input_grad else None

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class Maxout(Module):
    """The maximum of each ``pieces`` neighbouring channels on axis 1."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def forward(self, x: np.ndarray) -> np.ndarray:
        y, saved = F.maxout(x, self.pieces)
        self._saved = saved if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        saved = self._take()
        return F.maxout_backward(dy, saved) if input_grad else None

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"
