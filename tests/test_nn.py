"""Layers: gradients, fusion, modes, state."""

import numpy as np
import pytest

import fastnn
from fastnn import functional as F
from fastnn import models, nn, optim, reference

EPS = {np.float32: np.finfo(np.float32).eps, np.float64: np.finfo(np.float64).eps}


@pytest.fixture
def unfused():
    yield lambda: nn.set_fusion(False)
    nn.set_fusion(True)


def images(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def smooth_net(dtype=np.float64):
    """Every kind of layer and of fusion, without kinks."""
    conv, bn = nn.Conv2d, nn.BatchNorm2d
    body = nn.Sequential(
        conv(4, 6, 3, padding=1, dtype=dtype),
        nn.Tanh(),
        conv(6, 4, 3, padding=1, groups=2, bias=False, dtype=dtype),
        bn(4, dtype=dtype),
    )
    plain = nn.Sequential(conv(4, 6, 1, dtype=dtype), nn.ELU())
    down = nn.Sequential(conv(4, 6, 1, bias=False, dtype=dtype), bn(6, dtype=dtype))
    return nn.Sequential(
        conv(2, 4, 3, stride=2, padding=((0, 1), (1, 0)), dtype=dtype),
        bn(4, dtype=dtype),
        nn.Sigmoid(),
        nn.Dropout(0.25),
        nn.Residual(body, activation="elu"),
        nn.Residual(plain, down, activation=None),
        nn.Tanh(),
        nn.Concat(conv(6, 3, 1, dtype=dtype), nn.Sequential(nn.Identity(), nn.ELU(0.5))),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 8, dtype=dtype),
        nn.BatchNorm1d(8, dtype=dtype),
        nn.Tanh(),
        nn.Linear(8, 3, dtype=dtype),
    ).reset_parameters(1)


def kinked_net(dtype=np.float64):
    return nn.Sequential(
        *models.small.conv_bn_relu(2, 4, dtype=dtype),
        nn.MaxPool2d(2),
        models.basic_block(4, 6, 2, dtype=dtype),
        nn.Flatten(),
        nn.Linear(24, 5, dtype=dtype),
        nn.LeakyReLU(),
        nn.Linear(5, 3, dtype=dtype),
        nn.LeakyReLU(0.2),
    ).reset_parameters(1)


def loss_of(model, x, weights, rng):
    model.load_rng_state(rng)
    return float((model(x) * weights).sum())


@pytest.mark.parametrize("make", [smooth_net, kinked_net])
@pytest.mark.parametrize("fused", [True, False])
def test_gradients_of_whole_nets(make, fused, unfused):
    if not fused:
        unfused()
    model, x, rng = make(), images((3, 2, 8, 8)), np.random.default_rng(2)
    weights, state = rng.standard_normal((3, 3)), model.rng_state()
    loss_of(model, x, weights, state)
    dx = model.backward(weights)
    arrays = {name: (p.data, p.grad.copy()) for name, p in model.named_parameters()}
    h = 1e-6
    for name, (array, grad) in {**arrays, "x": (x, dx)}.items():
        direction = rng.standard_normal(array.shape)
        before = array.copy()
        array[...] = before + h * direction
        above = loss_of(model, x, weights, state)
        array[...] = before - h * direction
        numeric = (above - loss_of(model, x, weights, state)) / (2 * h)
        array[...] = before
        # Central differences: truncation h^2 = 1e-12 and cancellation |loss| * eps / h = 1e-9,
        # on sums of up to 200 terms of size 1.
        assert abs(numeric - (grad * direction).sum()) <= 1e-7 * max(1, abs(numeric)), name


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", [smooth_net, kinked_net])
def test_fused_equals_unfused(make, training, unfused):
    x, dy = images((3, 2, 8, 8)), images((3, 3), seed=1)
    results = []
    for switch in (lambda: None, unfused):
        switch()
        model = make()
        model(x)  # moves the running statistics away from 0 and 1
        model.train(training)
        results.append([model(x)])
        if training:
            results[-1] += [model.backward(dy), *(p.grad for p in model.parameters())]
    # 14 layers, each a few roundings of sums of up to 36 terms; the gradient of a bias before
    # BatchNorm is 0, so all are measured against the largest.
    atol = 14 * 36 * EPS[np.float64] * max(np.abs(b).max() for b in results[1])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def test_fusion_calls_one_op_for_each_group(monkeypatch):
    calls = []
    for name in ("conv2d", "batch_norm", "relu", "linear"):
        op = getattr(F, name)
        monkeypatch.setattr(
            F, name, lambda *a, op=op, name=name, **k: (calls.append((name, k)), op(*a, **k))[1]
        )
    kinked_net()(images((2, 2, 8, 8)))
    names = [name for name, _ in calls]
    assert names == ["conv2d", "batch_norm", *["conv2d", "batch_norm"] * 3, "linear", "linear"]
    last = calls[-3][1]
    assert last["activation"] == "relu" and last["residual"] is not None
    assert calls[-2][1]["activation"] == "leaky_relu" and calls[-1][1]["activation"] is None


def test_subclasses_with_their_own_forward_are_not_fused():
    class Loud(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 1

    model = nn.Sequential(Loud(2, 2), nn.ReLU())
    assert len(model.plan()) == 2


def test_containers_notice_changes():
    inner = nn.Sequential(nn.Linear(3, 3, seed=0))
    outer = nn.Sequential(inner, nn.ReLU())
    x = images((4, 3), np.float32)
    relu = outer(x)
    inner.append(nn.Dropout(0.0))
    assert len(outer.plan()) == 2
    np.testing.assert_array_equal(outer(x), relu)
    outer[1] = nn.Identity()
    assert outer(x).min() < 0


@pytest.mark.parametrize("fused", [True, False])
def test_first_layer_computes_no_input_gradient(fused, monkeypatch, unfused):
    if not fused:
        unfused()
    seen = []
    backward = F.conv2d_backward
    monkeypatch.setattr(
        F, "conv2d_backward", lambda *a, **k: (seen.append(k["needs"]), backward(*a, **k))[1]
    )
    model = kinked_net()
    assert model.backward(model(images((2, 2, 8, 8))), input_grad=False) is None
    assert seen[-1] == ("weight",) and all("x" in needs for needs in seen[:-1])


def test_frozen_layers_get_no_gradient():
    model = kinked_net()
    trained = model[6]
    model.freeze(statistics=True)
    trained.unfreeze()
    before = [b.copy() for b in model.buffers()]
    model.backward(model(images((2, 2, 8, 8))), input_grad=False)
    for parameter in model.parameters():
        assert (parameter.grad is not None) == (parameter in (trained.weight, trained.bias))
    for buffer, old in zip(model.buffers(), before, strict=True):
        np.testing.assert_array_equal(buffer, old)
    with pytest.raises(RuntimeError, match=r"Conv2d\.backward needs a forward"):
        model[0].backward(images((2, 4, 8, 8)))


def test_frozen_body_still_passes_the_gradient_to_its_shortcut():
    block = models.basic_block(2, 4, 2, dtype=np.float64)
    block.body.freeze()
    x, dy = images((2, 2, 4, 4)), images((2, 4, 2, 2), seed=1)
    block(x)
    block.backward(dy, input_grad=False)
    partial = block.shortcut[0].weight.grad.copy()
    block.zero_grad()
    block(x)
    block.backward(dy)
    np.testing.assert_array_equal(partial, block.shortcut[0].weight.grad)


def test_gradients_add_up_until_zero_grad():
    layer, x, dy = nn.Linear(3, 2), images((4, 3), np.float32), images((4, 2), np.float32)
    for _ in range(2):
        layer(x)
        layer.backward(dy)
    np.testing.assert_allclose(layer.weight.grad, 2 * dy.T @ x, rtol=4 * 4 * EPS[np.float32])
    layer.weight.grad *= 0.5
    np.testing.assert_allclose(layer.weight.grad, dy.T @ x, rtol=4 * 4 * EPS[np.float32])
    layer.zero_grad()
    assert layer.weight.grad is None


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 4),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.LeakyReLU(0.3),
        nn.ELU(2.0),
        nn.Sigmoid(),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Sequential(nn.Linear(4, 4), nn.ReLU()),
        nn.Residual(nn.Linear(4, 4)),
        nn.Concat(nn.ReLU()),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_backward_needs_a_training_forward(layer):
    x = images((3, 4), np.float32)
    with pytest.raises(RuntimeError, match="needs a forward in training mode"):
        layer.backward(x)
    layer(x)
    layer.backward(x)
    with pytest.raises(RuntimeError, match="needs a forward in training mode"):
        layer.backward(x)
    layer.eval()(x)
    assert all(module._saved is None for module in layer.modules())


def test_dropout_streams_are_separate_and_resumable():
    x = np.ones((4, 50), np.float32)
    layers = nn.Dropout(0.5), nn.Dropout(0.5)
    assert not np.array_equal(layers[0](x), layers[1](x))
    model = models.mlp([50, 60, 60, 10], dropout=0.5, seed=3)
    streams = {seed for seed, _ in model.rng_state().values()}
    assert len(streams) == 2
    state = model.rng_state()
    first, second = model(x), model(x)
    assert not np.array_equal(first, second)
    model.load_rng_state(state)
    np.testing.assert_array_equal(model(x), first)
    with pytest.raises(KeyError):
        nn.Sequential(nn.Dropout()).load_rng_state(state)


def test_fuse_folds_every_batch_norm():
    double = np.float64
    model = nn.Sequential(
        kinked_net(), nn.Linear(3, 3, dtype=double), nn.BatchNorm1d(3, dtype=double)
    )
    x = images((4, 2, 8, 8))
    for seed in range(3):
        model(images((4, 2, 8, 8), seed=seed))
    folded = model.fuse()
    assert not any(isinstance(m, nn.BatchNorm) for m in folded.modules())
    expected = model.eval()(x)
    # 6 layers, sums of up to 36 terms.
    atol = 6 * 36 * EPS[np.float64] * np.abs(expected).max()
    np.testing.assert_allclose(folded(x), expected, rtol=0, atol=atol)
    assert folded[0][0].weight.data.flags.writeable and folded.training is False


def test_a_layer_cannot_stand_in_two_places():
    relu = nn.ReLU()
    for build in (
        lambda: nn.Sequential(relu, nn.Sequential(relu)),
        lambda: nn.Residual(relu, relu),
        lambda: nn.Concat(relu, relu),
    ):
        with pytest.raises(ValueError, match="the same ReLU appears twice"):
            build()


# Adam divides a gradient by its size: where the exact one is near zero, float32's rounding is a
# whole step. In float64 nothing of these 20 steps is that near.
@pytest.mark.parametrize(
    ("optimizer", "dtype"),
    [
        (lambda params: optim.SGD(params, 1e-2, momentum=0.9), np.float32),
        (lambda params: optim.Adam(params, 1e-3), np.float64),
    ],
    ids=["SGD float32", "Adam float64"],
)
def test_a_training_curve_equals_that_of_the_references(monkeypatch, optimizer, dtype):
    def curve():
        model = models.digits_cnn(seed=0, dtype=dtype)
        updates = optimizer(model.parameters())
        losses = []
        for step in range(20):
            loss, dlogits = F.softmax_cross_entropy(
                model(images((16, 1, 8, 8), dtype, step)), np.arange(16) % 10
            )
            updates.zero_grad()
            model.backward(dlogits, input_grad=False)
            updates.step()
            losses.append(float(loss))
        return np.array(losses)

    before = fastnn.get_conv_algorithm()
    fastnn.set_conv_algorithm("direct")  # test_winograd bounds what the other one adds
    try:
        fast = curve()
    finally:
        fastnn.set_conv_algorithm(before)
    for name in dir(reference):
        if hasattr(F, name) and callable(getattr(F, name)):
            monkeypatch.setattr(F, name, getattr(reference, name))
    slow = curve()
    # A loss carries the rounding of its longest sum, 9 * 32 terms, once for every step so far.
    bound = np.sqrt(288) * EPS[dtype] * np.arange(1, 21) * slow.max()
    assert np.all(np.abs(fast - slow) <= bound)


def test_conv_transpose2d_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    ours = nn.ConvTranspose2d(
        6, 4, 3, stride=2, padding=1, output_padding=1, groups=2, dtype=np.float64, seed=0
    )
    theirs = torch.nn.ConvTranspose2d(6, 4, 3, 2, 1, 1, groups=2, dtype=torch.float64)
    state = {name: torch.tensor(v) for name, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 5, 4))
    y = ours(x)
    dy = rng.standard_normal(y.shape)
    dx = ours.backward(dy)
    given = torch.tensor(x, requires_grad=True)
    out = theirs(given)
    out.backward(torch.tensor(dy))
    assert ours.bias is not None
    pairs = (
        (y, out.detach()),
        (dx, given.grad),
        (ours.weight.grad, theirs.weight.grad),
        (ours.bias.grad, theirs.bias.grad),
    )
    for mine, other in pairs:
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-12, atol=1e-12)
    spread = float(ours.weight.data.std()) * np.sqrt(3 * 9 / 2)  # 1 if fan_in = 6 / 2 * 9
    assert 0.7 < spread < 1.3
    fused = nn.Sequential(ours, nn.ReLU()).eval()
    assert float(fused(x).min()) == 0.0
