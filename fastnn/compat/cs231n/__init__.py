"""The functions of the CS231n assignments, on fastnn's kernels.

Modules, names, signatures and caches are the course's, so that an assignment's networks and its
solver run here by changing an import::

    from fastnn.compat.cs231n import optim
    from fastnn.compat.cs231n.fast_layers import *
    from fastnn.compat.cs231n.layer_utils import *
    from fastnn.compat.cs231n.layers import *

Arrays are float32 or float64, one of them throughout. What differs from :mod:`fastnn.functional`
is the course's convention: the weight of ``affine_forward`` is (in, out), ``p`` in
``dropout_param`` is the probability of KEEPING, ``momentum`` in ``bn_param`` is the weight of the
OLD statistics (0.9), and the running variance is the biased one.

References
----------
CS231n: Deep Learning for Computer Vision, Stanford University, assignments 1 and 2.
"""

from . import fast_layers, gradient_check, layer_utils, layers, optim
from .fast_layers import *  # noqa: F403
from .gradient_check import *  # noqa: F403
from .layer_utils import *  # noqa: F403
from .layers import *  # noqa: F403

__all__ = [
    "fast_layers",
    "gradient_check",
    "layer_utils",
    "layers",
    "optim",
    *fast_layers.__all__,
    *gradient_check.__all__,
    *layer_utils.__all__,
    *layers.__all__,
]
