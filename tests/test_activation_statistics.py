"""Statistics of activations against the values themselves, and their picture."""

import math

import numpy as np
import pytest

from fastnn import init, models, nn, train


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def one(layer, x):
    return train.activation_statistics(nn.Sequential(layer), x).layers[0]


SATURATED = {  # by hand, from the output or the input
    nn.ReLU: lambda x: x <= 0,
    nn.LeakyReLU: lambda x: x <= 0,  # a slope of 0.01
    nn.PReLU: lambda x: np.zeros_like(x, bool),  # 0.25
    nn.Tanh: lambda x: np.abs(np.tanh(x)) > math.sqrt(0.95),
    nn.Sigmoid: lambda x: 4 / (2 + 2 * np.cosh(x)) < 0.05,
    nn.ELU: lambda x: np.exp(x) < 0.05,
    nn.Softplus: lambda x: 1 / (1 + np.exp(-x)) < 0.05,
    nn.Hardswish: lambda x: (x < -3) | (np.abs((2 * x + 3) / 6) < 0.05),
}


@pytest.mark.parametrize("kind", SATURATED, ids=lambda kind: kind.__name__)
def test_saturated_is_where_the_slope_is_small(kind):
    x = 3 * normal((50, 40))
    layer = nn.PReLU(dtype=np.float64) if kind is nn.PReLU else kind()
    found, y = one(layer, x), layer(x)
    assert (found.name, found.kind, found.shape) == ("0", kind.__name__, x.shape)
    assert found.mean == y.mean() and found.std == y.std()
    assert found.saturated == SATURATED[kind](x).mean()
    assert found.counts.sum() == x.size


@pytest.mark.parametrize("shape", [(20, 6), (5, 6, 4, 4)])
def test_dead_units_never_leave_the_flat_part(shape):
    x = np.abs(normal(shape))
    x[:, 2] *= -1
    x[:, 5] *= -1
    assert one(nn.ReLU(), x).dead == 2 / 6
    x.reshape(len(x), 6, -1)[3, 5, 0] = 0.1
    assert one(nn.ReLU(), x).dead == 1 / 6
    assert one(nn.Tanh(), 10 * np.sign(x)).dead == 1.0


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "sigmoid", "tanh"])
def test_the_activation_of_a_residual_block_counts(name):
    x = 2 * normal((50, 40))
    block = nn.Residual(nn.Identity(), activation=name)
    (found,) = train.activation_statistics(block, x).layers
    kinds = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU}
    kind = kinds.get(name) or {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh}[name]
    assert found.saturated == SATURATED[kind](2 * x).mean() and found.name == "model"


def test_every_layer_of_a_network_in_the_order_of_running():
    model = models.resnet(8, dtype=np.float64)
    model.backward(model(normal((4, 3, 8, 8))))
    y = model(normal((4, 3, 8, 8)))
    before = {**model.state_dict(), **{f"{n}.grad": p.grad for n, p in model.named_parameters()}}
    before = {name: value.copy() for name, value in before.items()}
    statistics = train.activation_statistics(model, normal((4, 3, 8, 8), 1))
    after = {**model.state_dict(), **{f"{n}.grad": p.grad for n, p in model.named_parameters()}}
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert model.backward(np.ones_like(y)) is not None  # still awaits its backward
    kinds = [layer.kind for layer in statistics.layers]
    assert kinds[:3] == ["Conv2d", "BatchNorm2d", "ReLU"] and kinds[-1] == "Linear"
    assert len(statistics.activations) == 1 + 3 + 3  # stem, inside the blocks, behind them
    lines = str(statistics).splitlines()
    assert len(lines) == 1 + len(kinds) and "saturated" in lines[0]
    assert max(map(len, lines)) < 90


def test_the_lectures_experiment_comes_out():
    x = normal((64, 256)).astype(np.float32)
    layers = [layer for _ in range(6) for layer in (nn.Linear(256, 256), nn.Tanh())]
    model, found = nn.Sequential(*layers), {}
    for name, rule, arguments in (
        ("small", init.normal, {"std": 0.01}),
        ("large", init.normal, {"std": 0.5}),
        ("xavier", init.xavier_normal, {}),
    ):
        init.initialize_(model, rule, **arguments)
        found[name] = train.activation_statistics(model, x).activations
    assert found["small"][-1].std < 1e-4 < 0.1 < found["small"][0].std
    assert all(layer.saturated > 0.5 for layer in found["large"])
    assert all(0.2 < layer.std < 0.7 and layer.saturated < 0.05 for layer in found["xavier"])


def test_values_that_are_not_finite_are_seen_and_plotted(tmp_path):
    x = normal((4, 5))
    x[0, 0], x[1, 1] = np.nan, np.inf
    statistics = train.activation_statistics(nn.Sequential(nn.ReLU(), nn.ReLU()), x)
    assert math.isnan(statistics.layers[0].mean) and statistics.layers[0].counts.sum() == 18
    pytest.importorskip("matplotlib")
    statistics.plot(tmp_path / "a.png")


def test_plots_of_any_number_of_layers_and_runs(tmp_path):
    pytest.importorskip("matplotlib")
    x = normal((8, 4))
    deep = train.activation_statistics(nn.Sequential(*(nn.ReLU() for _ in range(11))), x)
    linear = train.activation_statistics(nn.Linear(4, 3, dtype=np.float64), x)
    constant = train.activation_statistics(nn.Sequential(nn.ReLU()), -np.abs(x))
    assert linear.activations == linear.layers and linear.layers[0].saturated is None
    path = tmp_path / "all.png"
    train.plot_activations({"deep": deep, "linear": linear, "constant": constant}, path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match=r"^plot_activations: runs must have layers, got none"):
        train.plot_activations({}, path)
    with pytest.raises(ValueError, match=r"^plot_activations: runs must have layers, got \['a'\]"):
        train.plot_activations({"a": train.ActivationStatistics([])}, path)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match=r"^activation_statistics: x must not be empty, got shape"):
        train.activation_statistics(nn.Sequential(nn.ReLU()), np.empty((0, 3)))
    with pytest.raises(TypeError, match=r"^activation_statistics: x must be an ndarray, got list"):
        train.activation_statistics(nn.Sequential(nn.ReLU()), [[1.0]])
