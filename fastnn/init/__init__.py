"""Weight initialisation.

Functions without a trailing underscore are pure: from a shape and a seed to an array. Those with
one write to the parameters of a model: :func:`initialize_` applies a pure one to every layer, the
others look at data (:func:`lsuv_`, :func:`data_dependent_`) or at residual blocks
(:func:`fixup_`, :func:`zero_init_residual_`).

``rng`` is an integer seed or a ``numpy.random.Generator``; there is no global generator.
"""

from .data_dependent import data_dependent_
from .distributions import (
    constant,
    kaiming_normal,
    kaiming_uniform,
    normal,
    ones,
    truncated_normal,
    uniform,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from .gains import calculate_gain, fans
from .lsuv import lsuv_
from .orthogonal import orthogonal
from .residual import fixup_, zero_init_residual_
from .seeds import derive_seed, next_default_seed
from .whole_model import initialize_

__all__ = [
    "calculate_gain",
    "constant",
    "data_dependent_",
    "derive_seed",
    "fans",
    "fixup_",
    "initialize_",
    "kaiming_normal",
    "kaiming_uniform",
    "lsuv_",
    "next_default_seed",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zero_init_residual_",
    "zeros",
]
