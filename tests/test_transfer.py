"""Transfer learning: heads, features, freezing, learning rates, checkpoints of other tasks."""

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import io, models, nn, optim
from fastnn.optim import schedules


def images(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


ZOO = {
    "lenet5": (lambda n: models.lenet5(n), (1, 28, 28)),
    "mlp": (lambda n: models.mlp([12, 8, n], dropout=0.5), (12,)),
    "digits_cnn": (lambda n: models.digits_cnn(n), (1, 8, 8)),
    "mnist_cnn": (lambda n: models.mnist_cnn(n), (1, 28, 28)),
    "vgg_small": (lambda n: models.vgg_small(n), (3, 32, 32)),
    "vgg11": (lambda n: models.vgg11(n, hidden_features=8, pool_size=1), (3, 32, 32)),
    "resnet": (lambda n: models.resnet(8, n), (3, 16, 16)),
    "mobilenet_small": (lambda n: models.mobilenet_small(n), (3, 16, 16)),
    "mobilenet_v2": (lambda n: models.mobilenet_v2(n, width_mult=0.25), (3, 32, 32)),
}


@pytest.mark.parametrize("make, shape", ZOO.values(), ids=ZOO)
def test_features_and_head_are_the_model(make, shape):
    model = make(7).eval()
    features, (name, head) = models.feature_extractor(model), models.transfer.find_head(model)
    x = images((2, *shape))
    np.testing.assert_array_equal(head(features(x)), model(x))
    kept = [key for key in model.state_dict() if key.rsplit(".", 1)[0] != name]
    assert list(features.state_dict()) == kept and not features.training
    models.reset_head(model, 3, seed=5)
    np.testing.assert_array_equal(head(features(x)), model(x))
    assert model(x).shape == (2, 3) and head.weight.data.dtype == np.float32
    same = make(3)
    assert {k: v.shape for k, v in model.state_dict().items()} == {
        k: v.shape for k, v in same.state_dict().items()
    }


def test_a_new_head_is_drawn_as_the_layer_draws_and_trains():
    model = models.mlp([400, 300, 10]).freeze()
    old = model[2].weight
    assert models.reset_head(model, 5, seed=1) is model
    assert model[2].weight is not old and model[2].weight.requires_grad
    assert not model[0].weight.requires_grad and not model[2].bias.data.any()
    # Gain 1, fan_in 300; the standard deviation of n = 1500 draws varies by 1 / sqrt(2 n).
    assert abs(model[2].weight.data.std() * np.sqrt(300) - 1) < 4 / np.sqrt(3000)
    again = models.reset_head(models.mlp([400, 300, 10]), 5, seed=1)
    np.testing.assert_array_equal(model[2].weight.data, again[2].weight.data)
    without = nn.Sequential(nn.Linear(4, 3, bias=False))
    assert models.reset_head(without, 2)[0].bias is None


def test_a_model_without_a_head_is_refused():
    conv = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    message = "must end in a Linear layer, the last layer of this Sequential with parameters is 1, "
    for function, rest in ((models.reset_head, [2]), (models.discriminative_groups, [])):
        with pytest.raises(ValueError, match=f"{function.__name__}: model {message}a BatchNorm1d"):
            function(conv, *rest)
    with pytest.raises(ValueError, match=r"with parameters is itself, a ReLU"):
        models.feature_extractor(nn.ReLU())
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        models.reset_head(models.mlp([2, 2]), 0)
    hidden = nn.Sequential(nn.Linear(2, 2), nn.Residual(nn.Linear(2, 2)))
    with pytest.raises(TypeError, match=r"must stand in a Sequential .* got a Residual around it"):
        models.feature_extractor(hidden)


def test_freeze_until_freezes_what_is_before_and_nothing_else():
    model = models.resnet(14, 3)
    for name in ("layer2", "layer2.1.conv2", "fc"):
        assert models.freeze_until(model, name, statistics=True) is model
        keys = [key for key, _ in model.named_parameters()]
        first = next(i for i, key in enumerate(keys) if key.startswith(f"{name}."))
        trains = [parameter.requires_grad for parameter in model.parameters()]
        assert trains == [i >= first for i in range(len(keys))]
        for key, module in model.named_modules():
            if isinstance(module, nn.BatchNorm):
                assert module.frozen_statistics == (not module.weight.requires_grad), key
    for wrong in ("layer", "nonsense", ""):
        with pytest.raises(KeyError, match=rf"no layer is called '{wrong}'.*conv1, bn1, relu, lay"):
            models.freeze_until(model, wrong)
    assert [p.requires_grad for p in model.parameters()] == trains


@pytest.mark.parametrize("statistics", [True, False])
def test_batch_norm_before_the_cut_adapts_or_not(statistics):
    model = models.freeze_until(models.resnet(8, 3), "layer3", statistics=statistics)
    before = {key: array.copy() for key, array in model.state_dict().items()}
    optimizer = optim.SGD(model.parameters(), 0.1)
    _, gradient = F.softmax_cross_entropy(model(images((4, 3, 8, 8))), np.arange(4) % 3)
    model.backward(gradient, input_grad=False)
    optimizer.step()
    for key, array in model.state_dict().items():
        frozen = not key.startswith(("layer3", "fc"))
        adapts = "running" in key or "tracked" in key
        same = frozen and (statistics or not adapts)
        assert np.array_equal(array, before[key]) == same, key


def test_the_backbone_learns_at_a_fraction():
    model = models.lenet5(4)
    x, y = images((8, 1, 28, 28)), np.arange(8) % 4
    groups = models.discriminative_groups(model, backbone=0.25)
    optimizer = optim.SGD(groups, schedules.cosine(1.0, 10))
    optimizer.steps = 5  # where the cosine is 1 / 2
    before = {key: p.data.copy() for key, p in model.named_parameters()}
    _, gradient = F.softmax_cross_entropy(model(x), y)
    model.backward(gradient, input_grad=False)
    optimizer.step()
    for key, parameter in model.named_parameters():
        rate = 0.5 if key.startswith("fc3") else 0.125
        expected = before[key] - rate * parameter.grad
        # Two roundings of numbers not above the largest.
        bound = 2 * np.finfo(np.float32).eps * np.abs(before[key]).max() + 1e-9
        np.testing.assert_allclose(parameter.data, expected, rtol=0, atol=bound)
        assert np.abs(parameter.grad).max() * rate > 100 * bound


def test_groups_of_a_model_that_is_its_head():
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(models.discriminative_groups(layer), 0.5)
    assert all(group["lr_mult"] == 1 for group in optimizer.param_groups)


def test_checkpoints_of_another_task(tmp_path):
    path = tmp_path / "weights.safetensors"
    trained = models.resnet(8, 10, seed=1)
    io.save_safetensors(trained.state_dict(), path)
    model = models.resnet(8, 3, seed=2)
    before = model.state_dict()
    message = (
        r"load_pretrained: fc.weight must be of shape \(3, 64\), got \(10, 64\): the model has "
        r"3 classes, the checkpoint 10. Build the model with num_classes=10, or pass "
        r"reinit_head=True"
    )
    with pytest.raises(ValueError, match=message):
        models.load_pretrained(model, path)
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    result = models.load_pretrained(model, path, reinit_head=True)
    assert result == ([], [])
    for key, array in model.state_dict().items():
        source = before if key.startswith("fc.") else trained.state_dict()
        np.testing.assert_array_equal(array, source[key])


def test_old_counts_half_precision_and_wrong_files(tmp_path):
    path = tmp_path / "weights.safetensors"
    trained = models.resnet(8, 3, seed=1)
    state = {
        key: array.astype(np.float16)
        for key, array in trained.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    io.save_safetensors(state, path)
    model = models.resnet(8, 3, seed=2)
    models.load_pretrained(model, path)
    np.testing.assert_array_equal(model[0].weight.data, state["conv1.weight"].astype(np.float32))
    with pytest.raises(KeyError, match=r"missing keys \['fc.bias'\]"):
        models.load_pretrained(model, {k: v for k, v in state.items() if k != "fc.bias"})
    with pytest.raises(ValueError, match=r"conv1.weight must be of shape \(16, 3, 3, 3\), got"):
        models.load_pretrained(
            models.resnet(8, 3), {**state, "conv1.weight": np.zeros((16, 1, 3, 3))}
        )
    result = models.load_pretrained(model, {"extra": np.zeros(1), **state}, strict=False)
    assert result == ([], ["extra"])
