"""Pooling layers against PyTorch's, and the windows of FractionalMaxPool2d."""

import numpy as np
import pytest

from fastnn import nn

torch = pytest.importorskip("torch", reason="PyTorch's layers are the oracle")

LAYERS = {
    "AvgPool2d": ((2,), {}),
    "AvgPool2d, padding": ((3, 2, 1), {"count_include_pad": False}),
    "AvgPool2d, ceil": ((3,), {"stride": 2, "ceil_mode": True, "divisor_override": 4}),
    "MaxPool2d": ((3, 2, 1), {"ceil_mode": True}),
    "AdaptiveAvgPool2d": ((1,), {}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_agrees_with_torch(name):
    arguments, options = LAYERS[name]
    kind = name.split(",")[0]
    ours, theirs = (getattr(m, kind)(*arguments, **options) for m in (nn, torch.nn))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 8, 11))
    t = torch.tensor(x, requires_grad=True)
    y = theirs(t)
    dy = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dy))
    np.testing.assert_allclose(ours(x), y.detach().numpy(), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(ours.backward(dy), t.grad.numpy(), rtol=1e-13, atol=1e-13)
    assert not ours.state_dict()
    with pytest.raises(RuntimeError, match="forward in training mode"):
        ours.backward(dy)


def test_fractional_windows_are_drawn_anew_and_again():
    x = np.random.default_rng(0).standard_normal((3, 4, 20, 17))
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.7, seed=4)
    first, second = layer(x), layer(x)
    assert first.shape == (3, 4, 14, 11) and layer.rng == (4, 12)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layer.reset_parameters(4)(x), first)
    dx = layer.backward(np.ones_like(first))
    assert dx.sum() == first.size and np.isin(x[dx > 0], first).all()
    with pytest.raises(ValueError, match=r"^FractionalMaxPool2d: output_size must be"):
        nn.FractionalMaxPool2d(2)
