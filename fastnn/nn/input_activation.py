"""Activation layers whose derivative needs the input: they are not fused."""

from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from .. import functional as F
from .activation import Activation
from .parameter import Parameter


class SELU(Activation):
    """y = s x where x > 0, else s a (exp(x) - 1): :func:`fastnn.functional.selu`."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.selu(x)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.selu_backward(dy, x) if input_grad else None


class GELU(Activation):
    """y = x Phi(x), or its approximation by tanh.

    Parameters
    ----------
    approximate : "none" or "tanh"
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.gelu(x, self.approximate)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.gelu_backward(dy, x, self.approximate) if input_grad else None

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Activation):
    """y = x sigmoid(x)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.silu(x)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.silu_backward(dy, x) if input_grad else None


class Softplus(Activation):
    """y = log(1 + exp(beta x)) / beta, and x where beta x > threshold.

    Parameters
    ----------
    beta : float
        Above 0.
    threshold : float
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.softplus(x, self.beta, self.threshold)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.softplus_backward(dy, x, self.beta, self.threshold) if input_grad else None

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardswish(Activation):
    """y = x min(max(x + 3, 0), 6) / 6."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.hardswish(x)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.hardswish_backward(dy, x) if input_grad else None


class PReLU(Activation):
    """y = x where x > 0, else weight x, with a learned weight for each channel or for all.

    Parameters
    ----------
    num_parameters : int
        The number of channels on axis 1, or 1.
    init : float
        What the weights start from.
    dtype : float32 or float64

    Attributes
    ----------
    weight : Parameter (num_parameters,)
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32
    ) -> None:
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(np.full(num_parameters, init, dtype))

    def reset_parameters(self, seed: int) -> Self:
        """All weights back to ``init``; nothing is drawn."""
        self.weight.data.fill(self.init)
        return self

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.prelu(x, self.weight.data)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        if not (input_grad or self.weight.requires_grad):
            return None
        dx, dweight = F.prelu_backward(dy, x, self.weight.data)
        if self.weight.requires_grad:
            self.weight.add_grad(dweight)
        return dx if input_grad else None

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
