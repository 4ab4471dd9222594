"""What the scale of a weight follows from: its fans and the gain of the activation after it."""

import math
from collections.abc import Sequence

SQUARES = {
    "elu": 0.64495,
    "gelu": 0.42522,
    "hardswish": 0.33157,
    "silu": 0.35577,
    "softplus": 0.92125,
}
"""E[f(z)^2] of a standard normal z, where PyTorch has no gain; a test integrates them anew."""

GAINS = {
    "linear": 1.0,
    "conv2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
    **{name: 1 / math.sqrt(square) for name, square in SQUARES.items()},
}


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in, *kernel).

    fan_in is in * prod(kernel) and fan_out out * prod(kernel), as in PyTorch. The ``in`` of a
    convolution's weight is in_channels / groups already.

    Raises
    ------
    ValueError
        ``shape`` has fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"fans: shape must have at least two axes, got {tuple(shape)}")
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor that keeps the second moment of a signal through a nonlinearity.

    PyTorch's values where it has one: 1 for "linear", "conv2d" and "sigmoid", 5/3 for "tanh",
    sqrt(2) for "relu", 3/4 for "selu", sqrt(2 / (1 + slope^2)) for "leaky_relu" and "prelu",
    whose slope is ``param`` (default 0.01 and 0.25). For "elu", "gelu", "hardswish", "silu" and
    "softplus" it is 1 / sqrt(E[f(z)^2]) of a standard normal z, which for ReLU gives the sqrt(2).

    Raises
    ------
    ValueError
        The nonlinearity is not one of these.

    References
    ----------
    He et al., "Delving deep into rectifiers", ICCV 2015, equations 10 and 15.
    """
    slopes = {"leaky_relu": 0.01, "prelu": 0.25}
    if nonlinearity in slopes:
        slope = slopes[nonlinearity] if param is None else param
        return math.sqrt(2 / (1 + slope * slope))
    if nonlinearity not in GAINS:
        known = ", ".join([*GAINS, *slopes])
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of {known}, got {nonlinearity!r}"
        )
    return GAINS[nonlinearity]
