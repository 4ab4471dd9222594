"""PReLU. Formula and source: ``fastnn.functional.prelu``."""

import numpy as np

__all__ = ["prelu", "prelu_backward"]


def slope(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weight of each value: that of its channel on axis 1, or the only one."""
    return weight[0] if len(weight) == 1 else weight.reshape(-1, *[1] * (x.ndim - 2))


def prelu(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """y = x where x > 0, else weight * x; weight (C,) for the channels on axis 1, or (1,)."""
    return np.where(x > 0, x, slope(x, weight) * x)


def prelu_backward(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """dx = dy where x > 0, else weight * dy; dweight = sum of x * dy over x <= 0."""
    dx = np.where(x > 0, dy, slope(x, weight) * dy)
    below = np.where(x > 0, 0, x * dy)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1 or len(weight) == 1)
    return dx, np.asarray(below.sum(axes), x.dtype).reshape(weight.shape)
