"""Orthogonal weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from .gains import fans
from .seeds import Rng


def orthogonal(
    shape: Sequence[int], *, rng: Rng, gain: float = 1.0, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Random orthogonal matrix times ``gain``: a signal keeps its length in both directions.

    The weight is seen as a matrix W of out rows and in * prod(kernel) columns. W W^T = gain^2 I
    where it has no more rows than columns, else W^T W = gain^2 I. The distribution is Haar's: the
    Q of a Gaussian matrix's QR decomposition with R's diagonal made positive.

    Parameters
    ----------
    shape : sequence of int
        (out, in, *kernel).
    rng : int or numpy.random.Generator
    gain : float
    dtype : float32 or float64

    Raises
    ------
    ValueError
        Fewer than two axes.

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", ICLR 2014.
    """
    columns, rows = fans(shape)[0], shape[0]
    a = np.random.default_rng(rng).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(a)
    q *= np.copysign(1.0, np.diagonal(r))
    return (gain * (q if rows >= columns else q.T)).reshape(tuple(shape)).astype(dtype)
