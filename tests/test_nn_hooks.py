"""Hooks behind every layer: what they see, what they may change, and what stays of them."""

import copy

import numpy as np
import pytest

from fastnn import models, nn
from fastnn.nn.hooks import preserved


def block():
    body = models.basic_block(2, 2, dtype=np.float64).body
    return nn.Sequential(nn.Residual(body), nn.Flatten())


def images(seed=0):
    return np.random.default_rng(seed).standard_normal((3, 2, 4, 4))


def test_every_layer_is_seen_with_its_own_output():
    model, x, seen = block(), images(), {}
    expected = model(x)

    def keep(name, layer, x, y):
        seen[name] = layer, x, y

    with nn.forward_hooks(model, keep):
        y = model(x)
    # 3 layers, sums of at most 18 terms, fused or not.
    atol = 3 * 18 * np.finfo(np.float64).eps * np.abs(expected).max()
    np.testing.assert_allclose(y, expected, rtol=0, atol=atol)
    assert {name: layer for name, (layer, _, _) in seen.items()} == dict(model.named_modules())
    for _, (layer, given, out) in seen.items():
        assert out.dtype == given.dtype and isinstance(layer, nn.Module)
    np.testing.assert_array_equal(np.maximum(seen["0.body.bn1"][2], 0), seen["0.body.relu"][2])
    np.testing.assert_array_equal(seen["0"][2], np.maximum(seen["0.body"][2] + x, 0))


def test_gradients_flow_and_nothing_stays():
    model, x = block(), images()
    dy = np.random.default_rng(1).standard_normal(model(x).shape)
    expected = model.backward(dy)
    steps = len(model[0].body.plan())
    with nn.forward_hooks(model, lambda *_: None):
        assert len(model[0].body.plan()) > steps
        clone = copy.deepcopy(model)
        model(x)
        dx = model.backward(dy)
    # Cancellation in BatchNorm: one more factor of its 48 values.
    atol = 48 * 3 * 18 * np.finfo(np.float64).eps * np.abs(expected).max()
    np.testing.assert_allclose(dx, expected, rtol=0, atol=atol)
    assert len(model[0].body.plan()) == steps == len(clone[0].body.plan())
    assert not any("forward" in vars(m) for net in (model, clone) for m in net.modules())


def test_what_a_hook_returns_takes_the_place_of_the_output():
    model = nn.Sequential(nn.Identity(), nn.Flatten())
    x = images()
    with nn.forward_hooks(model, lambda name, layer, x, y: 2 * y if name == "0" else None):
        np.testing.assert_array_equal(model(x), 2 * x.reshape(3, -1))


def test_hooks_nest_and_leave_on_an_error():
    model, calls = nn.Sequential(nn.Identity()), []
    with nn.forward_hooks(model, lambda *_: calls.append("outer")):
        with (
            pytest.raises(ZeroDivisionError),
            nn.forward_hooks(model, lambda *_: calls.append(1 // 0)),
        ):
            model(images())
        calls.clear()
        model(images())
    assert calls == ["outer", "outer"]
    model(images())
    assert len(calls) == 2


def test_preserved_puts_everything_back():
    model = nn.Sequential(
        nn.Conv2d(2, 2, 1, dtype=np.float64),
        nn.BatchNorm2d(2, dtype=np.float64),
        nn.Dropout(0.5, seed=1),
    )
    y, saved, rng = model(images()), model[0]._saved, model.rng_state()
    buffers = [b.copy() for b in model.buffers()]
    with pytest.raises(ZeroDivisionError), preserved(model):
        model(images(1))
        model.eval()(images(1))
        raise ZeroDivisionError
    assert model.training and model[2].training and model.rng_state() == rng
    assert model[0]._saved is saved
    for buffer, before in zip(model.buffers(), buffers, strict=True):
        np.testing.assert_array_equal(buffer, before)
    assert model.backward(y).shape == y.shape
