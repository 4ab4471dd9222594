"""What specs of ops with a fused activation share."""

import numpy as np

from ..reference.activations import activate_backward
from ._spec import Options

ACTIVATIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh")
KINKED = ("relu", "leaky_relu")


def activation_bound(y: np.ndarray, error: np.ndarray, o: Options, eps: float) -> np.ndarray:
    """Error of act(z) when z has the given error: no derivative exceeds 1, plus 4 ulp of y."""
    return error + 4 * eps * np.abs(y) if o.get("activation") else error


def gradient_magnitude(dy: np.ndarray, y: np.ndarray, o: Options) -> np.ndarray:
    """Magnitude whose rounding the error of dz = dy * act'(y) stays within.

    The smooth derivatives are computed as 1 - y or y + 1 and cancel, so theirs is that of dy.
    """
    if o.get("activation") in KINKED:
        return np.abs(activate_backward(dy, y, o["activation"]))
    return np.abs(dy)
