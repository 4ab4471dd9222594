"""Norm of all elements of a list of arrays, as gradient clipping needs it."""

from .. import _core
from ._types import Arrays

__all__ = ["global_norm"]


def global_norm(arrays: Arrays) -> float:
    """Euclidean norm of all elements of all arrays: sqrt(sum of squares).

    Not finite exactly if an element is not, or if a float32 square overflows (beyond 1.8e19):
    the test by which a step is skipped.

    Parameters
    ----------
    arrays : ndarray or list of ndarray, float32 or float64
        Of one dtype, any shapes.

    Returns
    -------
    norm : float
        On a CUDA device an array of no axis, of the arrays' dtype.

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
    ICML 2013, algorithm 1.
    """
    return _core.global_norm(arrays)
