"""The zoo: published sizes, torchvision's keys and outputs, gradients and fusion."""

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import io, models, nn, optim

EPS = {dtype: float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64)}


def images(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def nothing_to_draw(shape, **_):
    return np.broadcast_to(np.float32(0), shape)


def count(model):
    return sum(parameter.data.size for parameter in model.parameters())


# Parameters that torchvision publishes for its weights; that of ResNet-20 by the same recipe with
# option B shortcuts: the 269,722 of option A and two 1 x 1 convolutions with BatchNorm.
@pytest.mark.parametrize(
    "make, size",
    [
        (models.lenet5, 61_706),
        (models.resnet20, 269_722 + 16 * 32 + 64 + 32 * 64 + 128),
        (models.resnet18, 11_689_512),
        (models.resnet34, 21_797_672),
        (models.resnet50, 25_557_032),
        (models.mobilenet_v2, 3_504_872),
    ],
)
def test_published_numbers_of_parameters(make, size, monkeypatch):
    monkeypatch.setattr("fastnn.init.kaiming_normal", nothing_to_draw)
    assert count(make()) == size


@pytest.mark.parametrize(
    "make, size",
    [
        (models.vgg11, 132_863_336),
        (models.vgg13, 133_047_848),
        (models.vgg16, 138_357_544),
        (models.vgg19, 143_667_240),
        (models.vgg11_bn, 132_868_840),
        (models.vgg13_bn, 133_053_736),
        (models.vgg16_bn, 138_365_992),
        (models.vgg19_bn, 143_678_248),
    ],
)
def test_published_numbers_of_parameters_of_vgg(make, size, monkeypatch):
    monkeypatch.setattr("fastnn.init.kaiming_normal", nothing_to_draw)

    def classifier(features, hidden):
        return (features + 1) * hidden + (hidden + 1) * hidden + (hidden + 1) * 1000

    small = count(make(hidden_features=8, pool_size=1))
    assert small - classifier(512, 8) + classifier(512 * 49, 4096) == size


def test_unknown_depths_are_refused():
    with pytest.raises(ValueError, match=r"vgg: depth must be one of \[11, 13, 16, 19\], got 12"):
        models.vgg(12)
    with pytest.raises(ValueError, match="resnet: depth must be 6n"):
        models.resnet(18)


def twins():
    """Name -> (PyTorch's model, ours, side of the image, layers in a chain)."""
    import torch_zoo as t

    basic, wide = t.BasicBlock, t.Bottleneck
    vgg = {"hidden_features": 64, "pool_size": 2}
    return {
        "resnet18": (lambda: t.ResNet(basic, (2, 2, 2, 2), 11), models.resnet18, 48, 18),
        "resnet34": (lambda: t.ResNet(basic, (3, 4, 6, 3), 11), models.resnet34, 32, 34),
        "resnet50": (lambda: t.ResNet(wide, (3, 4, 6, 3), 11), models.resnet50, 32, 50),
        "resnet20": (
            lambda: t.ResNet(basic, (3, 3, 3), 11, (16, 32, 64), small=True),
            models.resnet20,
            32,
            20,
        ),
        "vgg16_bn": (
            lambda: t.VGG((2, 2, 3, 3, 3), 11, True, 64, 2),
            lambda n, **k: models.vgg16_bn(n, **vgg, **k),
            32,
            16,
        ),
        "vgg11": (
            lambda: t.VGG((1, 1, 2, 2, 2), 11, False, 64, 2),
            lambda n, **k: models.vgg11(n, **vgg, **k),
            32,
            11,
        ),
        "mobilenet_v2": (lambda: t.MobileNetV2(11), models.mobilenet_v2, 64, 53),
    }


NAMES = ("resnet18", "resnet34", "resnet50", "resnet20", "vgg16_bn", "vgg11", "mobilenet_v2")


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_of_torchvisions_layout_load_key_for_key(name, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    import torch_zoo

    monkeypatch.setattr("fastnn.init.kaiming_normal", nothing_to_draw)
    monkeypatch.setattr("os.fsync", lambda file: None)  # 100 MB
    make, ours, side, depth = twins()[name]
    theirs = torch_zoo.randomised(make())
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    io.save_safetensors(state, tmp_path / "weights.safetensors")
    for dtype in (np.float32, np.float64):
        model = ours(11, dtype=dtype)
        assert list(model.state_dict()) == list(state)
        models.load_pretrained(model, tmp_path / "weights.safetensors")
        x = images((2, 3, side, side), dtype)
        with torch.inference_mode():
            expected = theirs.to(torch.from_numpy(x).dtype)(torch.from_numpy(x)).numpy()
        # Two roundings a layer, of the sum and of what normalises it. Measured: half of that for
        # VGG-11, whose layers nothing normalises, a tenth for ResNet-50.
        bound = 2 * depth * EPS[dtype] * np.abs(expected).max()
        assert np.abs(expected).max() > 0.1
        for run in (model.eval(), model.fuse()):
            np.testing.assert_allclose(run(x), expected, rtol=0, atol=bound)


def test_named_blocks_fuse_as_unnamed_ones_do(monkeypatch):
    """One pass a BatchNorm: sum and ReLU are in it, and no op runs on its own."""
    calls = []
    for name in ("add", "batch_norm", "relu"):
        op = getattr(F, name)
        monkeypatch.setattr(
            F, name, lambda *a, op=op, name=name, **k: (calls.append((name, k)), op(*a, **k))[1]
        )
    models.resnet20()(images((2, 3, 8, 8)))
    assert [name for name, _ in calls] == ["batch_norm"] * 21
    assert sum(k["residual"] is not None for _, k in calls) == 9
    assert sum(k["activation"] == "relu" for _, k in calls) == 19  # all but the two shortcuts


@pytest.fixture
def unfused():
    yield lambda: nn.set_fusion(False)
    nn.set_fusion(True)


SMALL = {
    "resnet": lambda: models.resnet(8, 3, dtype=np.float64),
    "bottleneck": lambda: nn.Sequential(
        models.bottleneck(3, 8, dtype=np.float64),
        models.bottleneck(8, 8, 2, dtype=np.float64),
        nn.Flatten(),
        nn.Linear(8 * 16, 3, dtype=np.float64),
    ).reset_parameters(0),
    "mobilenet": lambda: nn.Sequential(
        models.inverted_residual(3, 8, dtype=np.float64),
        models.inverted_residual(8, 8, dtype=np.float64),
        models.inverted_residual(8, 8, 2, 1, dtype=np.float64),
        nn.Flatten(),
        nn.Linear(8 * 16, 3, dtype=np.float64),
    ).reset_parameters(0),
}


@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_fused_and_unfused_blocks_have_the_numerical_gradient(make, unfused):
    x, weights = images((4, 3, 8, 8), np.float64), images((4, 3), np.float64, seed=1)
    grads = []
    for switch in (lambda: None, unfused):
        switch()
        model = make()
        for module in model.modules():
            if isinstance(module, models.mobilenet.Cap):
                module.limit = 1.0  # so that it matters: BatchNorm's outputs seldom reach 6
        model(x)
        grads.append([model.backward(weights), *(p.grad for p in model.parameters())])
    largest = max(np.abs(g).max() for g in grads[0])
    for a, b in zip(*grads, strict=True):
        # 10 layers, sums of up to 8 * 9 terms or 4 * 64 positions.
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * 256 * EPS[np.float64] * largest)
    h = 1e-7  # so small that a kink is crossed by few of the 2,000 activations
    rng = np.random.default_rng(2)
    arrays = [x, *(p.data for p in model.parameters())]
    direction = [rng.standard_normal(a.shape) for a in arrays]
    ends = []
    for sign in (1, -1):
        for array, d in zip(arrays, direction, strict=True):
            array += sign * h * d
        ends.append((model(x) * weights).sum())
        for array, d in zip(arrays, direction, strict=True):
            array -= sign * h * d
    numeric = (ends[0] - ends[1]) / (2 * h)
    exact = sum((g * d).sum() for g, d in zip(grads[1], direction, strict=True))
    # Cancellation eps / h = 2e-9 on sums of 1000 terms; a crossed kink h times its slope.
    assert abs(numeric - exact) <= 1e-5 * max(1, abs(numeric))


def test_every_network_of_the_zoo_trains_and_reloads(tmp_path):
    for make, side, channels in (
        (models.lenet5, 28, 1),
        (models.resnet32, 8, 3),
        (models.mobilenet_small, 16, 3),
        (lambda n, **k: models.mobilenet_v2(n, width_mult=0.25, **k), 32, 3),
    ):
        model, x, y = make(4), images((8, channels, side, side)), np.arange(8) % 4
        optimizer = optim.SGD(model.parameters(), lr=1e-3)
        _, gradient = F.softmax_cross_entropy(model(x), y)
        model.backward(gradient, input_grad=False)
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        io.save_safetensors(model.state_dict(), tmp_path / "weights")
        other = make(4, seed=1)
        models.load_pretrained(other, tmp_path / "weights")
        for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
            np.testing.assert_array_equal(a, b)
