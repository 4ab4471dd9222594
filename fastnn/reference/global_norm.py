"""Norm of all elements of a list of arrays. Source: ``fastnn.functional.global_norm``."""

from collections.abc import Sequence

import numpy as np

__all__ = ["global_norm"]


def global_norm(arrays: np.ndarray | Sequence[np.ndarray]) -> float:
    """sqrt of the sum of all squares; Pascanu et al. 2013, algorithm 1."""
    listed = [arrays] if isinstance(arrays, np.ndarray) else arrays
    return float(np.sqrt(sum(np.sum(np.square(a)) for a in listed)))
