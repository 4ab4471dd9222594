"""Names for the argument types that several ops share."""

from collections.abc import Sequence

import numpy as np

Pair = int | tuple[int, int]
"""One number for both spatial axes, or (rows, columns)."""

Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str
"""``1``, ``(ph, pw)``, ``((top, bottom), (left, right))``, ``"same"`` or ``"valid"``."""

Arrays = np.ndarray | Sequence[np.ndarray]
"""One array or a list of arrays."""
