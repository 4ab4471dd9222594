"""The norm of arrays on a CUDA device."""

import numpy as np
import pytest
from cuda_on_cpu import arrays

from fastnn import functional as F

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


def test_an_array_of_no_axis_whatever_the_addresses() -> None:
    """Several launches, and the same bits from unaligned memory."""
    values = [np.linspace(-1, 2, n, dtype=np.float32) for n in (*range(300), 5001)]
    shifted = [np.concatenate([v[:1], v])[1:] for v in values]
    norm, again = F.global_norm(arrays.to_device(values)), F.global_norm(arrays.to_device(shifted))
    arrays.check_guards()
    assert isinstance(norm, arrays.Array) and norm.shape == () and norm.dtype == np.float32
    assert norm.get().tobytes() == again.get().tobytes()
    assert float(norm.get()) == pytest.approx(F.global_norm(values), rel=1e-6)
