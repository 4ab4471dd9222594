"""Frozen parameters, added groups, exempt parameters, clipping by value, copies, schedules."""

import copy
import pickle

import numpy as np
import pytest

from fastnn import models, nn, optim
from fastnn.regularizers import L1
from fastnn.train import Trainer

RULES = {
    "sgd": (optim.SGD, "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "adagrad": (optim.AdaGrad, "Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.1}),
    "rmsprop": (optim.RMSprop, "RMSprop", {"lr": 0.01, "momentum": 0.9}),
    "adam": (optim.Adam, "Adam", {"lr": 0.01, "weight_decay": 0.1}),
    "amsgrad": (optim.Adam, "Adam", {"lr": 0.01, "amsgrad": True}),
    "adamw": (optim.AdamW, "AdamW", {"lr": 0.01}),
}
SHAPES = [(4, 3), (5,), (2, 3, 2)]


def parameters():
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.standard_normal(shape)) for shape in SHAPES]


def give_gradients(params, step, scale=1.0):
    rng = np.random.default_rng([1, step])
    for parameter in params:
        grad = scale * rng.standard_normal(parameter.shape)
        parameter.zero_grad()
        if parameter.requires_grad:
            parameter.add_grad(grad)


def values(params):
    return [p.data.copy() for p in params]


def assert_same(params, others):
    for a, b in zip(params, others, strict=True):
        np.testing.assert_array_equal(a.data, getattr(b, "data", b))


@pytest.mark.parametrize("name", RULES)
def test_freezing_thawing_and_added_groups_are_pytorch_s(name):
    torch = pytest.importorskip("torch")
    ours, theirs, arguments = RULES[name]
    params = parameters()
    tensors = [torch.tensor(p.data, requires_grad=True) for p in params]
    optimizer = ours(params[:2], **arguments)
    peer = getattr(torch.optim, theirs)(tensors[:2], **arguments)
    for step in range(12):
        if step == 4:
            optimizer.add_param_group({"params": params[2], "lr": 0.05})
            peer.add_param_group({"params": tensors[2], "lr": 0.05})
        params[0].requires_grad = not 3 <= step < 8
        trained = params if step >= 4 else params[:2]
        give_gradients(trained, step)
        for p, t in zip(params, tensors, strict=True):
            t.grad = None if p.grad is None else torch.tensor(p.grad)
        optimizer.step()
        peer.step()
    for p, t in zip(params, tensors, strict=True):
        # 12 steps of about 10 roundings each, on values of size 1.
        bound = 120 * np.finfo(np.float64).eps * max(1, np.abs(p.data).max())
        assert np.abs(p.data - t.detach().numpy()).max() <= bound


def test_a_frozen_parameter_stays_even_with_a_gradient():
    params = parameters()
    optimizer = optim.Adam(params, lr=0.1, weight_decay=0.1)
    give_gradients(params, 0)
    params[1].requires_grad = False
    before = values(params)
    optimizer.step()
    moved = [not np.array_equal(p.data, b) for p, b in zip(params, before, strict=True)]
    assert moved == [True, False, True]


@pytest.mark.parametrize("name", RULES)
def test_the_first_step_after_thawing_is_a_first_step(name):
    """The bias correction of a parameter that sat out counts its own updates."""
    rule, _, arguments = RULES[name]
    early, late = parameters(), parameters()
    first, second = rule(early, **arguments), rule(late, **arguments)
    give_gradients(early, 7)
    first.step()
    late[0].requires_grad = False
    for step in range(3):
        give_gradients(late, step)
        second.step()
    late[0].requires_grad = True
    give_gradients(late, 7)
    second.step()
    np.testing.assert_array_equal(late[0].data, early[0].data)
    steps = [int(role["step"]) for role in second.state_dict()["state"].values()]
    assert steps == [1, 4, 4] and second.steps == 4


def test_state_with_unequal_counts_resumes_bit_for_bit():
    whole, again = parameters(), parameters()
    one, two = optim.Adam(whole, lr=0.1), optim.Adam(again, lr=0.1)
    for step in range(4):
        whole[2].requires_grad = step > 1
        give_gradients(whole, step)
        one.step()
        if step == 2:
            for p, q in zip(again, whole, strict=True):
                p.data[...] = q.data
            two.load_state_dict(one.state_dict())
    give_gradients(again, 3)
    two.step()
    assert_same(again, whole)


def test_max_value_clips_the_scaled_gradients():
    params, other = parameters(), parameters()
    optimizer, plain = optim.SGD(params, lr=1.0), optim.SGD(other, lr=1.0)
    give_gradients(params, 0, scale=8)
    give_gradients(other, 0)
    for p in other:
        np.clip(p.grad, -0.5, 0.5, out=p.grad)
    wanted = np.sqrt(sum(np.sum(p.grad**2) for p in other))
    assert np.abs(params[0].grad).max() > 4  # something is clipped
    norm = optimizer.step(grad_scale=1 / 8, max_value=0.5, max_norm=100.0)
    plain.step()
    assert norm == pytest.approx(wanted, rel=1e-14)
    assert_same(params, other)
    assert optimizer.step(max_value=np.inf) is None
    with pytest.raises(ValueError, match="max_value must be above 0, got -1"):
        optimizer.step(max_value=-1)
    before = [p.grad.copy() for p in params]
    params[0].requires_grad = False
    optimizer.step(max_value=1e-3)
    np.testing.assert_array_equal(params[0].grad, before[0])
    assert np.abs(params[1].grad).max() == 1e-3


def test_step_without_any_gradient_does_nothing():
    params = parameters()
    before = values(params)
    assert optim.Adam(params).step(max_norm=1.0, max_value=1.0) == 0.0
    assert_same(params, before)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_model_and_optimizer_copied_together_train_alike(copier):
    x, y = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32), np.arange(8) % 3
    model = models.mlp([5, 7, 3])
    optimizer = optim.Adam(optim.param_groups(model, 0.1), lr=0.01, amsgrad=True)
    Trainer(model, optimizer).step(x, y)
    twin, follower = copier((model, optimizer))
    before = values(model.parameters())
    Trainer(twin, follower).step(x, y)
    assert_same(model.parameters(), before)
    Trainer(model, optimizer).step(x, y)
    assert_same(model.parameters(), twin.parameters())
    assert not np.array_equal(next(model.parameters()).data, before[0])
    assert follower.steps == optimizer.steps == 2


def test_any_hyper_parameter_may_be_a_schedule():
    params, other = parameters(), parameters()
    moving = optim.SGD(params, lr=0.1, momentum=lambda t: 0.5 + 0.1 * t, weight_decay=lambda t: t)
    by_hand = optim.SGD(other, lr=0.1, momentum=0.5)
    for step in range(3):
        by_hand.param_groups[0].update(momentum=0.5 + 0.1 * step, weight_decay=step)
        for p, optimizer in ((params, moving), (other, by_hand)):
            give_gradients(p, step)
            optimizer.step()
    assert_same(params, other)
    saved = moving.state_dict()["param_groups"][0]
    assert saved["momentum"] is None and saved["weight_decay"] is None
    moving.load_state_dict(moving.state_dict())
    assert callable(moving.param_groups[0]["momentum"])


def model_with_norms():
    return nn.Sequential(
        {
            "body": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.PReLU(2)),
            "flatten": nn.Flatten(),
            "norm": nn.LayerNorm((2,)),
            "head": nn.Linear(2, 3),
        }
    )


def names(model, groups):
    by_id = {id(p): name for name, p in model.named_parameters()}
    return [[by_id[id(p)] for p in group["params"]] for group in groups]


EXEMPT = ["body.0.bias", "body.1.weight", "body.1.bias", "body.2.weight"]
EXEMPT += ["norm.weight", "norm.bias", "head.bias"]


def test_param_groups_exempts_biases_and_norms():
    model = model_with_norms()
    groups = optim.param_groups(model, 0.05, regularizer=L1(0.1))
    decayed, exempt = groups
    assert names(model, groups) == [["body.0.weight", "head.weight"], EXEMPT]
    optimizer = optim.SGD(groups, lr=0.1, weight_decay=0.3, regularizer=L1(9.0))
    settings = [(g["weight_decay"], g["l1"]) for g in optimizer.param_groups]
    assert settings == [(0.05, 0.1), (0.0, 0.0)]
    assert "weight_decay" not in optim.param_groups(model)[0]
    [only] = optim.param_groups(model, no_decay_norm_and_bias=False)
    assert len(only["params"]) == len(decayed["params"]) + len(exempt["params"])
    groups = optim.param_groups(model, no_weight_decay=["head.weight"])
    assert names(model, groups)[0] == ["body.0.weight"]


def test_param_groups_multiply_the_learning_rate():
    model = model_with_norms()
    groups = optim.param_groups(model, lr_mult={"": 0.1, "head": 1.0, "body.0": 0.0})
    optimizer = optim.SGD(groups, lr=lambda t: 2.0 / (t + 1))
    rate = {}
    for i, members in enumerate(names(model, groups)):
        rate |= dict.fromkeys(members, optimizer.learning_rate(i))
    assert rate["body.0.weight"] == rate["body.0.bias"] == 0
    assert rate["norm.weight"] == rate["body.1.bias"] == pytest.approx(0.2)
    assert rate["head.weight"] == rate["head.bias"] == 2.0
    before = model.state_dict()
    for p in model.parameters():
        p.add_grad(np.ones(p.shape, np.float32))
    optimizer.step()
    after = model.state_dict()
    np.testing.assert_allclose(after["head.bias"], before["head.bias"] - 2.0, rtol=1e-6)
    np.testing.assert_allclose(after["norm.bias"], before["norm.bias"] - 0.2, rtol=1e-6)
    np.testing.assert_array_equal(after["body.0.bias"], before["body.0.bias"])


def test_bad_groups_are_refused():
    model, params = model_with_norms(), parameters()
    with pytest.raises(ValueError, match=r"lr_mult must hold names .* got 'heat'"):
        optim.param_groups(model, lr_mult={"heat": 0.1})
    with pytest.raises(ValueError, match=r"no_weight_decay must hold names .* got 'bias'"):
        optim.param_groups(model, no_weight_decay=["bias"])
    with pytest.raises(TypeError, match=r"params must be Parameters.* got Sequential"):
        optim.SGD(model)
    with pytest.raises(ValueError, match="Adam: lr must be at least 0 and finite, got -1"):
        optim.Adam(params, lr=-1)
    with pytest.raises(ValueError, match="momentum must be at least 0 and finite, got nan"):
        optim.SGD(params, momentum=np.nan)
    optimizer = optim.SGD(params[:2])
    with pytest.raises(ValueError, match="appears twice"):
        optimizer.add_param_group({"params": params[1]})
    with pytest.raises(TypeError, match=r"unknown \['nesterof'\]"):
        optimizer.add_param_group({"params": params[2], "nesterof": True})
    for group, got in ((model, "Sequential"), ({"lr": 1.0}, r"\['lr'\]")):
        with pytest.raises(TypeError, match=f"a group must be a dict with params, got {got}"):
            optimizer.add_param_group(group)
    with pytest.raises(TypeError, match=r"lr must be a number or a schedule, got '0\.1'"):
        optim.SGD(params[2:], lr="0.1")
    assert len(optimizer.param_groups) == 1
