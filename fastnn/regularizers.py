"""Penalties on the weights, whose gradients an optimizer adds inside its step.

``optim.SGD(params, lr=0.1, regularizer=L1(1e-4))``, or a group's ``"regularizer"``.
"""

import math
from dataclasses import dataclass

__all__ = ["L1", "L2", "ElasticNet", "Regularizer"]


@dataclass(frozen=True)
class Regularizer:
    """R(w) = l1 * sum(abs(w)) + l2 / 2 * sum(w^2); its gradient is l1 * sign(w) + l2 * w.

    Parameters
    ----------
    l1, l2 : float >= 0

    Raises
    ------
    ValueError
        A strength is negative or not finite.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("l1", self.l1), ("l2", self.l2)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{type(self).__name__}: {name} must be at least 0, got {value}")


def L1(l1: float) -> Regularizer:
    """l1 * sum(abs(w)): drives weights to zero (Tibshirani, "Lasso", JRSS B 58, 1996)."""
    return Regularizer(l1=l1)


def L2(l2: float) -> Regularizer:
    """l2 / 2 * sum(w^2): the same as ``weight_decay=l2`` (Hoerl and Kennard, 1970)."""
    return Regularizer(l2=l2)


def ElasticNet(l1: float, l2: float) -> Regularizer:
    """Both penalties (Zou and Hastie, "Elastic net", JRSS B 67, 2005)."""
    return Regularizer(l1, l2)
