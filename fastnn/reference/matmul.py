"""Products of matrices. Formulas and sources: ``fastnn.functional.matmul``."""

import numpy as np

__all__ = ["matmul", "matmul_backward"]


def matmul(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """y[..., i, j] = sum_k x[..., i, k] other[..., k, j]; a vector is one row or one column."""
    return np.asarray(x @ other)  # of two vectors NumPy makes a scalar


def matmul_backward(
    dy: np.ndarray, x: np.ndarray, other: np.ndarray, *, needs: tuple[str, ...] = ("x", "other")
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """dx = dy other^T, dother = x^T dy, summed over the axes along which a batch was repeated."""
    a = x if x.ndim > 1 else x[None, :]
    b = other if other.ndim > 1 else other[:, None]
    g = dy
    if x.ndim == 1:
        g = np.expand_dims(g, -1 if other.ndim == 1 else -2)
    if other.ndim == 1:
        g = np.expand_dims(g, -1)
    return (
        sum_to(g @ b.swapaxes(-1, -2), a.shape).reshape(x.shape) if "x" in needs else None,
        sum_to(a.swapaxes(-1, -2) @ g, b.shape).reshape(other.shape) if "other" in needs else None,
    )


def sum_to(v: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The sum over the axes that broadcasting added or repeated."""
    v = v.sum(tuple(range(v.ndim - len(shape))))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and v.shape[i] != 1)
    total: np.ndarray = v.sum(repeated, keepdims=True)
    return total
