"""Initialisers of whole models: what a forward and a backward find after them."""

import math
from functools import partial

import numpy as np
import pytest

from fastnn import init, models, nn


def batch(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def conv_net(activation=nn.ReLU, dtype=np.float64, transposed=True):
    conv = partial(nn.Conv2d, padding=1, dtype=dtype)
    up = nn.ConvTranspose2d(8, 6, 2, 2, dtype=dtype) if transposed else conv(8, 6, 3)
    return nn.Sequential(
        conv(3, 8, 3),
        activation(),
        nn.Sequential(conv(8, 8, 3, groups=2), activation()),
        nn.MaxPool2d(2),
        up,
        activation(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 5, dtype=dtype),
    )


def outputs(model, x):
    """Output of every layer with a weight."""
    found = {}

    def keep(name, layer, x, y):
        if hasattr(layer, "fan_shape"):
            found[name] = y

    with nn.forward_hooks(model, keep):
        model(x)
    return found


def state_of(model):
    return {**model.state_dict(), "rng": model.rng_state(), "mode": model.training}


def test_initialize_draws_every_layer_from_a_stream_of_its_own():
    model = nn.Sequential(*(nn.Linear(30, 30) for _ in range(3)), nn.BatchNorm1d(30))
    model[3].weight.data.fill(7)
    result = init.initialize_(model, init.normal, std=0.05, seed=4, bias=0.25)
    assert result is model and (model[3].weight.data == 7).all()
    for i in range(3):
        expected = init.normal((30, 30), 0.05, rng=init.derive_seed(4, i))
        np.testing.assert_array_equal(model[i].weight.data, expected)
        assert (model[i].bias.data == 0.25).all()
    init.initialize_(model, init.zeros)
    assert not model[0].weight.data.any() and not model[0].bias.data.any()
    assert init.initialize_(model, init.constant, value=2.0)[1].weight.data.max() == 2
    with pytest.raises(ValueError, match=r"^initialize_: initializer must return shape \(30, 30\)"):
        init.initialize_(model, lambda shape, rng, dtype: np.zeros(3))
    draws = iter([np.zeros((30, 30))])
    with pytest.raises(StopIteration):
        init.initialize_(model, lambda shape, rng, dtype: next(draws))
    assert model[0].weight.data.max() == 2
    with pytest.raises(ValueError, match=r"^initialize_: model must have a Linear"):
        init.initialize_(nn.Sequential(nn.ReLU()), init.normal)


def test_initialize_orthogonal_reaches_transposed_convolutions():
    layer = nn.ConvTranspose2d(8, 6, 2, groups=2, dtype=np.float64)
    init.initialize_(layer, init.orthogonal)
    rows = layer.weight_rows().reshape(6, -1)
    np.testing.assert_allclose(rows @ rows.T, np.eye(6), rtol=0, atol=1e-14)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lsuv_gives_every_output_unit_variance(activation, dtype):
    model, x = conv_net(activation, dtype), batch((16, 3, 8, 8), dtype)
    assert init.lsuv_(model, x, tol=1e-3) is model
    found = outputs(model, x)
    assert len(found) == 4
    for name, y in found.items():
        assert abs(y.var(dtype=np.float64) - 1) < 1e-3, name
    other = init.lsuv_(conv_net(activation, dtype), x, seed=1)
    assert not np.array_equal(other[0].weight.data, model[0].weight.data)


def test_lsuv_of_a_residual_network_leaves_its_state_alone():
    model = models.resnet(8, dtype=np.float64)
    model.append(nn.Dropout(0.5))
    x = batch((4, 3, 16, 16))
    model(x)
    waiting = [m._saved for m in model.modules()]
    before = state_of(model)
    init.lsuv_(model, x)
    after = state_of(model)
    for key, value in before.items():
        if "running" in key or "num_batches" in key:
            np.testing.assert_array_equal(after[key], value)
    assert after["rng"] == before["rng"] and after["mode"] is True
    assert all(a is b for a, b in zip(waiting, (m._saved for m in model.modules()), strict=True))
    for name, y in outputs(model, x).items():
        assert abs(y.var() - 1) < 0.01, name


def test_lsuv_says_where_nothing_varies():
    model = conv_net()
    with pytest.raises(ValueError, match=r"^lsuv_: the output of layer 0 must vary over x, got"):
        init.lsuv_(model, np.zeros((2, 3, 8, 8)))
    with pytest.raises(ValueError, match="layer 0 must vary over x, got variance nan"):
        init.lsuv_(model, np.full((2, 3, 8, 8), np.nan))


@pytest.mark.parametrize("function", [init.lsuv_, init.data_dependent_])
def test_nothing_is_written_if_the_data_does_not_fit(function):
    model = conv_net()
    before = model.state_dict()
    for x, error in ((np.zeros((2, 3, 8, 8)), ValueError), (np.ones((2, 4, 8, 8)), ValueError)):
        with pytest.raises(error):
            function(model, x)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_data_dependent_standardises_every_channel(beta):
    model, x = conv_net(nn.Tanh), 3 + 2 * batch((16, 3, 8, 8))
    init.data_dependent_(model, x, beta=beta, equalize=False)
    for name, y in outputs(model, x).items():
        axes = (0, 2, 3)[: y.ndim - 1]
        np.testing.assert_allclose(y.mean(axes), beta, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(y.var(axes), 1, atol=1e-12, err_msg=name)


def rates(model, x, trials):
    """sqrt(E ||dW||^2) / ||W|| over many gradients of the output: not the one that was used."""
    squares = {name: 0.0 for name, p in model.named_parameters() if name.endswith("weight")}
    for seed in range(trials):
        y = model(x)
        model.zero_grad()
        model.backward(batch(y.shape, seed=seed + 10))
        for name, p in model.named_parameters():
            if name in squares:
                squares[name] += float((p.grad**2).sum() / (p.data**2).sum() / trials)
    return np.sqrt(list(squares.values()))


def test_data_dependent_equalises_the_rates():
    x = batch((32, 3, 8, 8))
    plain, equal = (init.data_dependent_(conv_net(), x, equalize=e) for e in (False, True))
    before, after = rates(plain, x, 60), rates(equal, x, 60)
    # 16 random gradients of 32 samples tell a rate to within some ten percent.
    assert after.max() / after.min() < 1.2 < 2 < before.max() / before.min()
    # The function is what it was: 4 layers, sums of at most 72 terms.
    expected = plain(x)
    atol = 4 * 72 * np.finfo(np.float64).eps * np.abs(expected).max()
    np.testing.assert_allclose(equal(x), expected, rtol=0, atol=atol)


def test_data_dependent_keeps_gradients_and_frozen_layers():
    model, x = conv_net(), batch((8, 3, 8, 8))
    model.backward(np.ones_like(model(x)))
    model[0].freeze()
    grads = [p.grad.copy() for p in model.parameters()]
    init.data_dependent_(model, x)
    for parameter, grad in zip(model.parameters(), grads, strict=True):
        np.testing.assert_array_equal(parameter.grad, grad)
    frozen = [not p.requires_grad for p in model.parameters()]
    assert frozen == [True, True, *[False] * (len(frozen) - 2)]


def test_data_dependent_says_what_no_scale_passes_through():
    x = batch((4, 3, 8, 8))
    model = conv_net(nn.Tanh)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"got Tanh at 1; give equalize=False"):
        init.data_dependent_(model, x)
    with pytest.raises(ValueError, match=r"got BatchNorm2d at bn1"):
        init.data_dependent_(models.resnet(8, dtype=np.float64), x)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def plain_resnet(blocks, dtype=np.float64):
    def block():
        convs = (nn.Conv2d(8, 8, 3, padding=1, dtype=dtype) for _ in range(3))
        first, second, third = convs
        return nn.Residual(nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third))

    stem = nn.Conv2d(3, 8, 3, padding=1, dtype=dtype)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4, dtype=dtype))
    return nn.Sequential(stem, *(block() for _ in range(blocks)), *head)


def test_fixup_scales_by_the_depth():
    model = init.fixup_(plain_resnet(16), seed=2)
    kaiming = math.sqrt(2 / 72)
    for index in range(1, 17):
        body = model[index].body
        for layer in (body[0], body[2]):
            # m = 3: L^(-1/4). 576 values: five standard errors of their std.
            expected = 16 ** (-1 / 4) * kaiming
            assert abs(layer.weight.data.std() - expected) < 5 * expected / math.sqrt(2 * 576)
        assert not body[4].weight.data.any()
    assert not model[-1].weight.data.any() and model[0].weight.data.std() > 0.2
    x = batch((2, 3, 8, 8))
    stem = np.maximum(model[0](x), 0)
    np.testing.assert_array_equal(outputs(model, x)["19"], np.zeros((2, 4)))
    np.testing.assert_array_equal(model[3](stem), stem)  # every block starts as its shortcut


def test_fixup_and_zero_init_say_what_they_need():
    with pytest.raises(ValueError, match=r"^fixup_: model must have no normalisation, got Batch"):
        init.fixup_(models.resnet(8))
    with pytest.raises(ValueError, match=r"^fixup_: model must have Residual blocks, got none"):
        init.fixup_(conv_net())
    with pytest.raises(ValueError, match=r"^fixup_: the body of 0 has no Linear or convolution"):
        init.fixup_(nn.Sequential(nn.Residual(nn.ReLU()), nn.Linear(3, 3)))
    with pytest.raises(ValueError, match=r"^zero_init_residual_: the body of model has no weight"):
        init.zero_init_residual_(nn.Residual(nn.ReLU()))


def test_fixup_leaves_a_shortcut_that_comes_last():
    shortcut = nn.Linear(3, 3)
    init.fixup_(nn.Sequential(nn.Residual(nn.Linear(3, 3), shortcut)))
    assert shortcut.weight.data.all()


@pytest.mark.parametrize("norm", [True, False])
def test_zero_init_residual_makes_blocks_their_shortcuts(norm):
    x = np.abs(batch((2, 8, 6, 6)))
    if norm:
        block = models.basic_block(8, 8, dtype=np.float64)
    else:
        block = nn.Residual(nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 1, dtype=np.float64)))
        block.body[1].bias.data.fill(3)
    assert init.zero_init_residual_(block) is block
    np.testing.assert_array_equal(block(x), x)
