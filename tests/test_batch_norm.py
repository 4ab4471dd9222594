"""What the specs' inputs do not ask of batch_norm."""

import numpy as np

import fastnn.functional as F


def test_variance_beside_an_outlying_first_row():
    x = np.random.default_rng(0).standard_normal((8, 7, 7, 2048), dtype=np.float32)
    x[0, 0, 0] = 4
    x = x.transpose(0, 3, 1, 2)
    var = np.zeros(2048, np.float32)
    F.batch_norm(x, np.zeros_like(var), var, training=True, momentum=1.0)
    exact = x.astype(np.float64).var((0, 2, 3), ddof=1)
    # The squares of 98 rows, shifted by about a deviation, are rounded as they are summed.
    bound = 2 * np.sqrt(98) * np.finfo(np.float32).eps
    assert np.abs(var / exact - 1).max() <= bound
