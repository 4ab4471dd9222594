"""Initial weights, optimizers, flat buffers, parameter groups, schedules."""

import math

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import nn, optim, regularizers
from fastnn.optim import schedules

RULES = {
    "sgd": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "nesterov": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.AdaGrad, "Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.1}),
    "rmsprop": (optim.RMSprop, "RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True}),
    "adam": (optim.Adam, "Adam", {"lr": 0.01, "weight_decay": 0.1}),
    "amsgrad": (optim.Adam, "Adam", {"lr": 0.01, "amsgrad": True}),
    "adamw": (optim.AdamW, "AdamW", {"lr": 0.01}),
}
SHAPES = [(4, 3, 2, 2), (5,), (2, 3)]


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.standard_normal(shape).astype(dtype)) for shape in SHAPES]


def gradients(step):
    rng = np.random.default_rng([1, step])
    return [rng.standard_normal(shape) for shape in SHAPES]


def run(optimizer, params, steps):
    for step in steps:
        optimizer.zero_grad()
        for parameter, grad in zip(params, gradients(step), strict=True):
            parameter.add_grad(grad)
        optimizer.step()


def test_default_start_is_kaiming_and_differs_between_layers():
    a, b = nn.Conv2d(64, 128, 3), nn.Conv2d(64, 128, 3)
    assert not np.array_equal(a.weight.data, b.weight.data)
    std, n = np.sqrt(2 / (64 * 9)), a.weight.data.size
    # The relative standard error of a standard deviation is 1 / sqrt(2n); 5 of them.
    assert abs(a.weight.data.std() / std - 1) < 5 / np.sqrt(2 * n)
    assert not a.bias.data.any()
    np.testing.assert_array_equal(
        nn.Conv2d(3, 4, 3, seed=7).weight.data, nn.Conv2d(3, 4, 3, seed=7).weight.data
    )


@pytest.mark.parametrize("name", RULES)
def test_rules_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    ours, theirs, arguments = RULES[name]
    params = parameters()
    tensors = [torch.tensor(p.data, requires_grad=True) for p in params]
    run(ours(params, **arguments), params, range(10))
    peer = getattr(torch.optim, theirs)(tensors, **arguments)
    for step in range(10):
        for tensor, grad in zip(tensors, gradients(step), strict=True):
            tensor.grad = torch.tensor(grad)
        peer.step()
    for parameter, tensor in zip(params, tensors, strict=True):
        # 10 steps of about 10 roundings each, on values of size 1.
        bound = 100 * np.finfo(np.float64).eps * max(1, np.abs(parameter.data).max())
        assert np.abs(parameter.data - tensor.detach().numpy()).max() <= bound


@pytest.mark.parametrize("name", RULES)
def test_state_resumes_bit_for_bit(name):
    rule, _, arguments = RULES[name]
    whole, first, second = parameters(), parameters(), parameters()
    run(rule(whole, **arguments), whole, range(6))
    before = rule(first, **arguments)
    run(before, first, range(3))
    for parameter, other in zip(second, first, strict=True):
        parameter.data[...] = other.data
    after = rule(second, **{**arguments, "lr": 7.0})
    after.load_state_dict(before.state_dict())
    run(after, second, range(3, 6))
    for parameter, expected in zip(second, whole, strict=True):
        np.testing.assert_array_equal(parameter.data, expected.data)


def test_parameters_become_aligned_views_that_keep_their_memory_order():
    layer = nn.Conv2d(3, 4, 3)
    strides, values = layer.weight.data.strides, layer.weight.data.copy()
    optimizer = optim.SGD(layer.parameters(), 0.1)
    for parameter in layer.parameters():
        assert parameter.data.ctypes.data % 64 == 0 and not parameter.data.flags.owndata
    assert layer.weight.data.strides == strides
    np.testing.assert_array_equal(layer.weight.data, values)
    layer.weight.add_grad(np.ones_like(values))
    grad = layer.weight.grad
    optimizer.zero_grad()
    layer.weight.add_grad(np.full_like(values, 2))
    assert layer.weight.grad is grad and (grad == 2).all()


def test_a_step_is_one_call_a_group(monkeypatch):
    calls = []
    monkeypatch.setattr(F, "sgd_step_", lambda *a, **k: calls.append((a[0], k["lr"])))
    params = parameters()
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": lambda t: 0.5 / (t + 1)}]
    optimizer = optim.SGD(groups, lr=0.1)
    run(optimizer, params, range(2))
    assert [lr for _, lr in calls] == [0.1, 0.5, 0.1, 0.25]
    assert all(isinstance(array, np.ndarray) and array.ndim == 1 for array, _ in calls)
    assert optimizer.learning_rate(1) == pytest.approx(0.5 / 3) and optimizer.steps == 2


def test_parameters_without_gradient_are_left_alone():
    params = parameters()
    before = [p.data.copy() for p in params]
    optimizer = optim.Adam(params, lr=0.1, weight_decay=0.1)
    optimizer.step()
    params[1].add_grad(np.ones(5))
    optimizer.step()
    changed = [not np.array_equal(p.data, b) for p, b in zip(params, before, strict=True)]
    assert changed == [False, True, False]


def test_misuse_is_refused():
    params = parameters()
    with pytest.raises(ValueError, match="no parameters"):
        optim.SGD([])
    with pytest.raises(ValueError, match="appears twice"):
        optim.SGD([params[0], params[0]])
    with pytest.raises(ValueError, match="share a dtype"):
        optim.SGD([params[0], nn.Parameter(np.zeros(3, np.float32))])
    with pytest.raises(TypeError, match=r"unknown \['momentun'\]"):
        optim.SGD([{"params": params, "momentun": 0.9}])
    first = optim.SGD(params, 0.1)
    optim.SGD(params, 0.1)
    with pytest.raises(RuntimeError, match="moved by a later optimizer"):
        first.step()
    with pytest.raises(ValueError, match="param_groups must hold"):
        first.load_state_dict(optim.SGD(parameters()[:1]).state_dict())
    with pytest.raises(ValueError, match="state of parameter 0"):
        first.load_state_dict(optim.SGD(parameters(), momentum=0.9).state_dict())


def test_loading_a_model_writes_into_the_flat_buffer():
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), 0.1)
    layer.load_state_dict(nn.Linear(3, 2).state_dict())
    layer.backward(np.ones_like(layer(np.ones((4, 3), np.float32))))
    before = layer.bias.data.copy()
    optimizer.step()
    np.testing.assert_allclose(layer.bias.data, before - np.float32(0.4), rtol=1e-6)


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (schedules.constant(2.0), [2, 2, 2, 2, 2]),
        (schedules.step(1.0, every=2), [1, 1, 0.1, 0.1, 0.01]),
        (schedules.multistep(1.0, [1, 4], 0.5), [1, 0.5, 0.5, 0.5, 0.25]),
        (schedules.exponential(1.0, 0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
        (schedules.inverse_time(1.0, 1.0), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (schedules.cosine(1.0, 3, 0.2), [1, 0.8, 0.4, 0.2, 0.2]),
        (schedules.linear(1.0, 2), [1, 0.5, 0, 0, 0]),
        (schedules.inverse_sqrt(1.0), [1 / math.sqrt(t) for t in (1, 2, 3, 4, 5)]),
        (schedules.warmup(1.0, 4), [0.25, 0.5, 0.75, 1, 1]),
        (schedules.warmup(schedules.linear(1.0, 4), 2), [0.5, 0.75, 0.5, 0.25, 0]),
        (schedules.scale_for_batch_size(schedules.constant(0.1), 512), [0.2] * 5),
    ],
)
def test_schedules(schedule, expected):
    assert [schedule(t) for t in range(5)] == pytest.approx(expected, rel=1e-15, abs=1e-15)


def test_schedules_refuse_lengths_that_are_not_positive():
    for build in (schedules.step, schedules.cosine, schedules.linear, schedules.warmup):
        with pytest.raises(ValueError, match="must be positive, got 0"):
            build(0.1, 0)


@pytest.mark.parametrize("name", RULES)
def test_scale_and_clipping_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    ours, theirs, arguments = RULES[name]
    params = parameters()
    tensors = [torch.tensor(p.data, requires_grad=True) for p in params]
    optimizer = ours(params, **arguments)
    peer = getattr(torch.optim, theirs)(tensors, **arguments)
    for step in range(5):
        optimizer.zero_grad()
        for p, t, grad in zip(params, tensors, gradients(step), strict=True):
            p.add_grad(8 * grad)
            t.grad = torch.tensor(grad)
        norm = optimizer.step(grad_scale=1 / 8, max_norm=2.0)
        expected = torch.nn.utils.clip_grad_norm_(tensors, 2.0)
        peer.step()
        assert norm == pytest.approx(float(expected), rel=1e-12)
        assert norm > 2  # the clipping took place
    for p, t in zip(params, tensors, strict=True):
        # PyTorch divides by norm + 1e-6: 5 steps of at most 1e-6 of a step's relative difference.
        np.testing.assert_allclose(p.data, t.detach().numpy(), rtol=0, atol=5e-6)


def test_a_gradient_that_is_not_finite_skips_the_step():
    params = parameters()
    optimizer = optim.Adam(params, lr=0.1)
    before = [p.data.copy() for p in params]
    for p, grad in zip(params, gradients(0), strict=True):
        p.add_grad(grad)
    params[1].grad[2] = np.inf
    assert optimizer.step(max_norm=1.0) == np.inf
    assert optimizer.steps == 0
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.data, old)


def test_regularizers_add_their_gradients():
    plain, penal = parameters(), parameters()
    one = optim.SGD(plain, lr=0.1)
    two = optim.SGD(penal, lr=0.1, regularizer=regularizers.ElasticNet(0.01, 0.2))
    old = [p.data.copy() for p in plain]
    run(one, plain, [0])
    run(two, penal, [0])
    for w, p, q in zip(old, plain, penal, strict=True):
        penalty = 0.01 * np.sign(w) + 0.2 * w
        np.testing.assert_allclose(q.data, p.data - 0.1 * penalty, rtol=0, atol=1e-14)


def test_regularizer_of_a_group_and_its_errors():
    a, b, _ = parameters()
    optimizer = optim.SGD([{"params": [a], "regularizer": regularizers.L1(0.5)}, {"params": [b]}])
    assert [g["l1"] for g in optimizer.param_groups] == [0.5, 0.0]
    assert optim.Adam([_], regularizer=regularizers.L2(0.5)).param_groups[0]["weight_decay"] == 0.5
    with pytest.raises(ValueError, match="no L2 term"):
        optim.AdamW(parameters(), regularizer=regularizers.L2(0.1))
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="l1 must be at least 0"):
            regularizers.L1(wrong)
    with pytest.raises(ValueError, match="max_norm must be above 0"):
        optimizer.step(max_norm=0.0)
