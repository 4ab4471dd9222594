"""Sum of two arrays. Formulas: ``fastnn.functional.add``."""

import numpy as np

__all__ = ["add"]


def add(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """y = x + other."""
    return np.asarray(x + other)  # of 0-d arrays NumPy makes a scalar
