"""LayerNorm, GroupNorm and InstanceNorm2d against PyTorch's layers: results, gradients, state."""

import numpy as np
import pytest

from fastnn import nn

torch = pytest.importorskip("torch", reason="PyTorch's layers are the oracle")

LAYERS = {
    "LayerNorm": ((8,), {}, (5, 3, 8)),
    "LayerNorm, two axes": (((4, 6),), {"bias": False}, (5, 4, 6)),
    "GroupNorm": ((2, 6), {}, (3, 6, 4, 5)),
    "GroupNorm, no affine": ((3, 6), {"affine": False}, (3, 6, 4, 5)),
    "InstanceNorm2d": ((6,), {}, (3, 6, 4, 5)),
    "InstanceNorm2d, tracking": (
        (6,),
        {"affine": True, "track_running_stats": True},
        (3, 6, 4, 5),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_agrees_with_torch(name):
    arguments, options, shape = LAYERS[name]
    kind = name.split(",")[0]
    theirs = getattr(torch.nn, kind)(*arguments, **options, dtype=torch.float64)
    ours = getattr(nn, kind)(*arguments, **options, dtype=np.float64)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.tensor(rng.standard_normal(p.shape)))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for _ in range(2):
        x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
        t = torch.tensor(x, requires_grad=True)
        y = theirs(t)
        y.backward(torch.tensor(dy))
        np.testing.assert_allclose(ours(x), y.detach().numpy(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(ours.backward(dy), t.grad.numpy(), rtol=1e-11, atol=1e-12)
    for (key, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            mine.grad, other.grad.numpy(), rtol=1e-11, atol=1e-12, err_msg=key
        )
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-12, err_msg=key)
    ours.eval(), theirs.eval()
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_mean_costs_no_digits(dtype):
    rng = np.random.default_rng(0)
    x = (1e4 + rng.standard_normal((6, 8, 16, 16))).astype(dtype)
    wide = x.astype(np.float64)
    for layer, axes in (
        (nn.LayerNorm((8, 16, 16), dtype=dtype), (1, 2, 3)),
        (nn.InstanceNorm2d(8, dtype=dtype), (2, 3)),
    ):
        mean, var = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
        expected = (wide - mean) / np.sqrt(var + layer.eps)
        np.testing.assert_allclose(layer(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_constant_gives_exactly_the_bias(dtype):
    x = np.full((4, 6, 5, 7), 3.3, dtype)
    for layer in (
        nn.LayerNorm((5, 7), dtype=dtype),
        nn.GroupNorm(2, 6, dtype=dtype),
        nn.InstanceNorm2d(6, affine=True, dtype=dtype),
    ):
        layer.bias.data[...] = rng_like(layer.bias.data)
        bias = layer.bias.data if layer.bias.data.ndim == 2 else layer.bias.data[:, None, None]
        np.testing.assert_array_equal(layer(x), np.broadcast_to(bias, x.shape))


def rng_like(v):
    return np.random.default_rng(1).standard_normal(v.shape)


def test_fused_with_activation_and_residual():
    """In a Sequential and in a Residual, as BatchNorm is."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 4, 5, 5)), rng.standard_normal((2, 4, 5, 5))

    def make():
        body = nn.Sequential(
            nn.GroupNorm(2, 4, dtype=np.float64),
            nn.ReLU(),
            nn.InstanceNorm2d(4, affine=True, dtype=np.float64),
        )
        return nn.Residual(body)

    results = []
    for enabled in (True, False):
        nn.set_fusion(enabled)
        try:
            net = make()
            results.append((net(x), net.backward(dy)))
        finally:
            nn.set_fusion(True)
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-12, atol=1e-12)
