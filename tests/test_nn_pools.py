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
