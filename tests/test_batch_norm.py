"""What the specs' inputs do not ask of batch_norm."""

import numpy as np
import pytest

import fastnn
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


@pytest.mark.parametrize("backward_isa", fastnn.available_isas())
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(3, 5, 3, 3), (4, 70, 9, 11), (4, 16, 64, 67), (4, 128, 64, 67)],
    ids=["few", "no whole vectors", "residual streamed", "all streamed"],
)
def test_activation_behind_a_residual(isa, backward_isa, activation, training, shape):
    """In training from the signs that the forward pass kept, which another ISA cannot read."""
    rng = np.random.default_rng(0)
    x, residual, dy = (rng.standard_normal(shape, dtype=np.float32) for _ in range(3))
    weight, bias = rng.standard_normal((2, shape[1]), dtype=np.float32)
    mean, var = rng.random((2, shape[1]), dtype=np.float32)
    given = (x, mean, var, weight, bias, training)
    y, saved = F.batch_norm(*given, activation=activation, residual=residual)
    plain = F.batch_norm(*given)[1]
    fastnn.set_isa(backward_isa)
    slope = np.float32(0 if activation == "relu" else 0.01)
    dz = np.where(y > 0, dy, slope * dy)
    dx, dweight, dbias, dresidual = F.batch_norm_backward(dy, saved)
    np.testing.assert_array_equal(dresidual, dz)
    for got, expected in zip((dx, dweight, dbias), F.batch_norm_backward(dz, plain), strict=True):
        np.testing.assert_array_equal(got, expected)
