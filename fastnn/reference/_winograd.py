"""Winograd's F(4 x 4, 3 x 3), as the kernels compute it; ``conv2d`` states the same sums plainly.

A tile of 4 x 4 outputs is y = A^T [(G w G^T) * (B^T d B)] A, d being the 6 x 6 inputs it reads: the
product of two polynomials, evaluated at six points and interpolated (Toom and Cook; Winograd,
"Arithmetic complexity of computations", 1980; Lavin and Gray, CVPR 2016, section 4; for the choice
of the points Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution",
ACM Trans. Math. Softw. 46(4), 2020).
"""

from typing import NamedTuple

import numpy as np

from ._windows import Margins

TILE = 4
POINTS = (0.0, 21 / 32, -21 / 32, 1.5, -1.5)  # and infinity


class Transforms(NamedTuple):
    """The matrices, one row a point."""

    outputs: np.ndarray  # A (6, 4)
    weights: np.ndarray  # G (6, 3)
    inputs: np.ndarray  # B^T (6, 6)

    def magnitudes(self) -> "Transforms":
        """The same of absolute values: what rounding errors are proportional to."""
        return Transforms(*(np.abs(m) for m in self))


def toom_cook(points: tuple[float, ...] = POINTS) -> Transforms:
    """A: powers of the points; G: powers over N = prod (p - q); B^T: coefficients of prod (x - q).

    The products run over the other points q; the point at infinity picks the leading term.
    """
    n = len(points) + 1
    a, g, b = np.zeros((n, n - 2)), np.zeros((n, 3)), np.zeros((n, n))
    for row, p in enumerate(points):
        others = [q for q in points if q != p]
        a[row] = p ** np.arange(n - 2)
        g[row] = p ** np.arange(3) / np.prod([p - q for q in others])
        b[row, : n - 1] = np.poly(others)[::-1]
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return Transforms(a, g, b)


def tiles(x: np.ndarray, size: int, first: tuple[int, int], out: tuple[int, int]) -> np.ndarray:
    """Patches (N, C, rows, columns, size, size) of ``x``, zero outside it.

    They start at ``first`` and are 4 apart, one for every 4 x 4 tile of ``out``.
    """
    for axis, (begin, outputs) in enumerate(zip(first, out, strict=True), 2):
        starts = begin + TILE * np.arange(-(-outputs // TILE))
        index = starts[:, None] + np.arange(size)
        inside = (index >= 0) & (index < x.shape[axis])
        x = np.take(x, np.where(inside, index, 0), axis)
        x = np.where(inside.reshape(*inside.shape, *[1] * (x.ndim - axis - 2)), x, 0)
        x = np.moveaxis(x, axis + 1, -1)
    return x


def both(m: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """m p m^T of the last two axes."""
    return np.asarray(m @ patches @ m.T)


def correlate(
    x: np.ndarray,
    weight: np.ndarray,
    first: tuple[int, int],
    out: tuple[int, int],
    t: Transforms | None = None,
) -> np.ndarray:
    """y (N, O, *out): output (p, q) reads ``x`` from (p, q) + ``first`` on."""
    t = toom_cook() if t is None else t
    d = both(t.inputs, tiles(x, TILE + 2, first, out))
    products = np.einsum("ocij,ncpqij->nopqij", both(t.weights, weight), d, optimize=True)
    y = both(t.outputs.T, products).swapaxes(3, 4)
    n, o, p, _, q, _ = y.shape
    return y.reshape(n, o, p * TILE, q * TILE)[:, :, : out[0], : out[1]]


def conv2d(
    x: np.ndarray, weight: np.ndarray, margin: Margins, t: Transforms | None = None
) -> np.ndarray:
    """The forward pass with the given padding."""
    rows, columns = (x.shape[axis + 2] + sum(margin[axis]) - 2 for axis in (0, 1))
    return correlate(x, weight, (-margin[0][0], -margin[1][0]), (rows, columns), t)


def input_gradient(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, margin: Margins, t: Transforms | None = None
) -> np.ndarray:
    """dx: a correlation of dy with the kernel turned round and its channels exchanged."""
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    first = margin[0][0] - 2, margin[1][0] - 2
    return correlate(dy, turned, first, (x.shape[2], x.shape[3]), t)


def weight_gradient(
    dy: np.ndarray, x: np.ndarray, margin: Margins, t: Transforms | None = None
) -> np.ndarray:
    """dW = G^T [sum over tiles of (B^T d B) * (A dy A^T)] G."""
    t = toom_cook() if t is None else t
    out = dy.shape[2], dy.shape[3]
    d = both(t.inputs, tiles(x, TILE + 2, (-margin[0][0], -margin[1][0]), out))
    g = both(t.outputs, tiles(dy, TILE, (0, 0), out))
    return both(t.weights.T, np.einsum("nopqij,ncpqij->ocij", g, d, optimize=True))
