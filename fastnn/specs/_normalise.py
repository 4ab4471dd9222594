"""Error analysis that layer, group and instance normalisation share.

Arrays are broadcast against x, whose ``axes`` are those that a mean and a variance are taken over.
"""

from typing import Any, NamedTuple

import numpy as np

from ..reference.activations import activate
from ._fused import KINKED, activation_bound, gradient_magnitude
from ._spec import Options, rounding


class Errors(NamedTuple):
    """The normalisation in float64, its intermediate values and their rounding errors."""

    n: int
    xhat: np.ndarray
    rstd: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    e_mean: np.ndarray
    e_var: np.ndarray
    e_rstd: np.ndarray  # relative
    e_xhat: np.ndarray
    z: np.ndarray
    e_z: np.ndarray


def propagate(
    x: np.ndarray,
    axes: tuple[int, ...],
    weight: Any,
    bias: Any,
    residual: Any,
    offset: float,
    eps: float,
    given: tuple[np.ndarray, np.ndarray] | None = None,
) -> Errors:
    """First-order errors of sums of x - s and (x - s)^2, s a value of the row (at most so far
    from the mean as its first one), and of scale and shift; ``given`` are mean and variance that
    are not computed from x."""
    n = int(np.prod([x.shape[axis] for axis in axes]))
    if given is None:
        first = x[tuple(slice(0, 1) if i in axes else slice(None) for i in range(x.ndim))]
        d = np.abs(x - first)
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        # The mean is kept in two parts, so that only the sum's rounding is left, and that of the
        # reference, which sums x itself in float64.
        own = rounding(n, float(np.finfo(np.float64).eps)) * np.abs(x).mean(axes, keepdims=True)
        e_mean = rounding(n, eps) * d.mean(axes, keepdims=True) + own
        e_var = rounding(n, eps) * (d**2).mean(axes, keepdims=True) + e_mean**2
    else:
        mean, var = given
        e_mean = e_var = np.zeros_like(mean)
    rstd = 1 / np.sqrt(var + offset)
    e_rstd = e_var / (2 * (var + offset)) + 2 * eps
    xhat = (x - mean) * rstd
    # where the low part of the mean joins the bias, it is rounded as that sum is
    e_shift = e_mean + 2 * eps * np.abs(x - mean) + eps**2 * np.abs(mean)
    e_xhat = rstd * e_shift + np.abs(xhat) * (e_rstd + 2 * eps)
    z = weight * xhat + bias + residual
    magnitude = np.abs(weight * xhat) + np.abs(bias) + np.abs(residual)
    e_z = np.abs(weight) * e_xhat + 2 * eps * magnitude
    return Errors(n, xhat, rstd, weight, mean, var, e_mean, e_var, e_rstd, e_xhat, z, e_z)


def forward_bound(e: Errors, o: Options, eps: float) -> np.ndarray:
    return activation_bound(activate(e.z, o.get("activation")), e.e_z, o, eps)


def gradient_bounds(
    e: Errors,
    dy: np.ndarray,
    axes: tuple[int, ...],
    rest: tuple[int, ...],
    o: Options,
    eps: float,
    training: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Errors of dx, dweight, dbias (sums over the axes ``rest``) and dresidual."""
    dz = gradient_magnitude(dy, activate(e.z, o.get("activation")), o)
    e_dz = 2 * eps * dz
    if o.get("activation") in KINKED:  # within its error of 0, z may be on either side
        e_dz = e_dz + np.abs(dy) * (np.abs(e.z) <= e.e_z)
    elif o.get("activation"):  # the derivatives' own derivatives do not exceed 1
        e_dz = e_dz + np.abs(dy) * e.e_z
    size = np.abs(e.xhat)
    count = int(np.prod([dy.shape[axis] for axis in rest]))
    total = rounding(count, eps)
    dbias = (total * dz + e_dz).sum(rest, keepdims=True)
    dweight = (total * dz * size + e_dz * size + dz * e.e_xhat).sum(rest, keepdims=True)
    g, e_g = dz * np.abs(e.weight), (e_dz + eps * dz) * np.abs(e.weight)
    magnitude, error = g, e_g
    if training:
        total = rounding(e.n, eps)
        mean, e_mean = (v.mean(axes, keepdims=True) for v in (g, total * g + e_g))
        product, e_product = (
            v.mean(axes, keepdims=True)
            for v in (g * size, total * g * size + e_g * size + g * e.e_xhat)
        )
        magnitude = g + mean + size * product
        error = e_g + e_mean + size * e_product + e.e_xhat * product
    return e.rstd * (error + magnitude * (e.e_rstd + 4 * eps)), dweight, dbias, e_dz
