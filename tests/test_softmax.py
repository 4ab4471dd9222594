"""Rows along memory, a few or many at a time, and rows across it give the same bits."""

import numpy as np
import pytest

import fastnn
from fastnn import functional as F


@pytest.mark.parametrize("isa", fastnn.available_isas())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", [F.softmax, F.log_softmax])
@pytest.mark.parametrize("length", [1, 7, 8, 15, 16, 17, 21, 32, 33])
def test_bits_do_not_depend_on_the_way(isa, dtype, op, length):
    before = fastnn.get_isa()
    fastnn.set_isa(isa)
    try:
        x = 3 * np.random.default_rng(length).standard_normal((100, length)).astype(dtype)
        x[3, 0], x[5], x[6, 0], x[18] = np.inf, -np.inf, -np.inf, np.nan
        across = op(np.ascontiguousarray(x.T), axis=0).T
        for rows in (1, 15, 16, 17, 33, 100):
            np.testing.assert_array_equal(op(x[:rows]), across[:rows])
    finally:
        fastnn.set_isa(before)
