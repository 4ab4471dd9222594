"""Activation layers."""

import numpy as np

from .. import functional as F
from .module import Module


class Activation(Module):
    """Base of the activations; ``fused_name`` is the word by which an op applies it, if any."""

    fused_name: str | None = None

    def fusable(self) -> bool:
        """Whether a layer before this one may apply it."""
        own = (type(self).forward, type(self).backward) in _OWN
        return self.fused_name is not None and own and "forward" not in vars(self)


class ReLU(Activation):
    """y = max(x, 0)."""

    fused_name = "relu"

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.relu(x)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.relu_backward(dy, x) if input_grad else None


class LeakyReLU(Activation):
    """y = x where x > 0, else negative_slope * x. The slope is fixed once built."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self._negative_slope = negative_slope
        if negative_slope == 0.01:
            self.fused_name = "leaky_relu"

    @property
    def negative_slope(self) -> float:
        """Slope of the negative side."""
        return self._negative_slope

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.leaky_relu(x, self._negative_slope)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.leaky_relu_backward(dy, x, self._negative_slope) if input_grad else None

    def extra_repr(self) -> str:
        return f"negative_slope={self._negative_slope}"


class ELU(Activation):
    """y = x where x > 0, else alpha * (exp(x) - 1). Alpha is fixed once built."""

    def __init__(self, alpha: float = 1.0) -> None:
        self._alpha = alpha
        if alpha == 1.0:
            self.fused_name = "elu"

    @property
    def alpha(self) -> float:
        """Negative of the limit at minus infinity."""
        return self._alpha

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._saved = x if self.training else None
        return F.elu(x, self._alpha)

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        x = self._take()
        return F.elu_backward(dy, x, self._alpha) if input_grad else None

    def extra_repr(self) -> str:
        return f"alpha={self._alpha}"


class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x))."""

    fused_name = "sigmoid"

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = F.sigmoid(x)
        self._saved = y if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        y = self._take()
        return F.sigmoid_backward(dy, y) if input_grad else None


class Tanh(Activation):
    """y = tanh(x)."""

    fused_name = "tanh"

    def forward(self, x: np.ndarray) -> np.ndarray:
        y = F.tanh(x)
        self._saved = y if self.training else None
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        y = self._take()
        return F.tanh_backward(dy, y) if input_grad else None


_OWN = {(cls.forward, cls.backward) for cls in (ReLU, LeakyReLU, ELU, Sigmoid, Tanh)}
