"""Averaged weights: SWA, EMA, their buffers and BatchNorm statistics."""

import copy

import numpy as np
import pytest

from fastnn import data, nn, optim
from fastnn.models.small import conv_bn_relu


def small_model(seed=0, dtype=np.float64):
    return nn.Sequential(
        *conv_bn_relu(1, 4, dtype=dtype),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(36, 3, dtype=dtype),
    ).reset_parameters(seed)


def images(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 1, 3, 3))


def walk(model, steps):
    """Move the weights and statistics at random; yields the state after each move."""
    rng = np.random.default_rng(3)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.data += rng.standard_normal(parameter.shape)
        model(images(5, int(rng.integers(99))))
        model.release()
        yield model.state_dict()


def close(got, expected, steps):
    # A few roundings an update.
    bound = 5 * steps * np.finfo(np.float64).eps * max(1, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


def ema_by_hand(states, name, decays):
    average = states[0][name]
    for state, decay in zip(states[1:], decays, strict=True):
        average = decay * average + (1 - decay) * state[name]
    return average


@pytest.mark.parametrize("use_buffers", [False, True])
def test_swa_is_the_mean(use_buffers):
    model = small_model()
    average = optim.AveragedModel(model, use_buffers=use_buffers)
    states = []
    for state in walk(model, 6):
        average.update_parameters(model)
        states.append(state)
    assert int(average.n_averaged) == 6
    for name, value in average.module.state_dict().items():
        blended = use_buffers or "running" not in name
        if value.dtype.kind == "f" and blended:
            close(value, np.mean([s[name] for s in states], axis=0), 6)
        else:
            np.testing.assert_array_equal(value, states[-1][name])


@pytest.mark.parametrize("warmup", [False, True])
def test_ema_is_its_recurrence(warmup):
    model = small_model()
    ema = optim.EMA(model, 0.6, warmup=warmup)
    states = []
    for state in walk(model, 12):
        ema.update_parameters(model)
        states.append(state)
    decays = [min(0.6, (1 + n) / (10 + n)) if warmup else 0.6 for n in range(1, 12)]
    assert not warmup or (decays[0] == 2 / 11 and decays[-1] == 12 / 21)
    for name in ("0.weight", "1.running_var", "5.bias"):
        close(ema.module.state_dict()[name], ema_by_hand(states, name, decays), 12)


@pytest.mark.parametrize("use_buffers", [False, True])
def test_averages_are_those_of_pytorch(use_buffers):
    torch = pytest.importorskip("torch")
    from torch.optim import swa_utils

    def peer_model():
        layers = torch.nn.Conv2d(1, 4, 3, padding=1, bias=False), torch.nn.BatchNorm2d(4)
        return torch.nn.Sequential(
            *layers, torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Flatten(), torch.nn.Linear(36, 3)
        ).double()

    def copied(module, state):
        module.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        return module

    model, peer = small_model(), peer_model()
    pairs = [
        (optim.AveragedModel(model, use_buffers=use_buffers), {}),
        (
            optim.EMA(model, 0.9, warmup=False, use_buffers=use_buffers),
            {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)},
        ),
    ]
    peers = [swa_utils.AveragedModel(peer, use_buffers=use_buffers, **a) for _, a in pairs]
    for state in walk(model, 5):
        for (average, _), other in zip(pairs, peers, strict=True):
            average.update_parameters(model)
            other.update_parameters(copied(peer, state))
    for (average, _), other in zip(pairs, peers, strict=True):
        theirs = other.state_dict()
        ours = average.state_dict()
        assert list(ours) == list(theirs)
        for name, value in ours.items():
            # PyTorch averages the count of batches as well, in integers, which counts nothing.
            if not (use_buffers and name.endswith("num_batches_tracked")):
                close(value, theirs[name].numpy(), 5)


def test_mixed_dtypes_are_averaged_each_in_its_own():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype=np.float64))
    average = optim.AveragedModel(model)
    start = model.state_dict()
    average.update_parameters(model)
    for parameter in model.parameters():
        parameter.data += 1
    average.update_parameters(model)
    for name, value in average.module.state_dict().items():
        assert value.dtype == start[name].dtype
        np.testing.assert_allclose(value, start[name] + 0.5, rtol=1e-6)


def test_applied_puts_the_weights_back_even_after_an_error():
    model = small_model()
    ema = optim.EMA(model)
    for _ in walk(model, 3):
        ema.update_parameters(model)
    before, x = model.state_dict(), images(4)
    with ema.applied(model) as inside:
        assert inside is model
        np.testing.assert_array_equal(model.eval()(x), ema.eval()(x))
    with pytest.raises(KeyError), ema.applied(model):
        raise KeyError
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert not np.array_equal(before["0.weight"], ema.module.state_dict()["0.weight"])


def test_an_average_is_no_part_of_training_and_resumes():
    model = small_model()
    optimizer = optim.SGD(model.parameters(), 0.1)
    model[1].frozen_statistics = True
    ema, again = optim.EMA(model), optim.EMA(model)
    assert ema.module[1].frozen_statistics
    assert not any(p.requires_grad for p in ema.parameters())
    assert all(p.requires_grad for p in model.parameters())
    for i, _ in enumerate(walk(model, 4)):
        ema.update_parameters(model)
        if i == 2:
            again.load_state_dict(ema.state_dict())
    again.update_parameters(model)
    for name, value in ema.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], value)
    optimizer.step()  # the model is still the optimizer's


def test_update_bn_is_the_mean_over_the_batches():
    model = small_model()
    batches = [images(7, seed) + seed for seed in range(3)]
    model(images(4) * 9)
    model.eval()
    model[4].train()
    streams, momentum = model.rng_state(), model[1].momentum
    optim.update_bn(batches, model)
    z = [model[0](batch) for batch in batches]
    means = np.mean([a.mean((0, 2, 3)) for a in z], axis=0)
    variances = np.mean([a.var((0, 2, 3), ddof=1) for a in z], axis=0)
    close(model[1].running_mean, means, 20)
    close(model[1].running_var, variances, 20)
    assert int(model[1].num_batches_tracked) == 3 and model[1].momentum == momentum
    assert model.rng_state() == streams
    assert [m.training for m in model] == [False] * 4 + [True, False]
    with pytest.raises(RuntimeError, match="needs a forward"):
        model.backward(np.ones((7, 3)))


def test_update_bn_reads_loaders_and_keeps_frozen_statistics():
    x = images(20)
    loader = data.Loader(x, np.zeros(20, int), 5)
    one, two = small_model(), small_model()
    optim.update_bn(loader, one)
    optim.update_bn(data.Loader(x, np.zeros(20, int), 5), two)
    np.testing.assert_array_equal(one[1].running_var, two[1].running_var)
    one.freeze(statistics=True)
    optim.update_bn([x + 1], one)
    np.testing.assert_array_equal(one[1].running_var, two[1].running_var)
    before = two.state_dict()
    with pytest.raises(ValueError, match="loader must give at least one batch"):
        optim.update_bn([], two)
    np.testing.assert_array_equal(two.state_dict()["1.running_var"], before["1.running_var"])
    optim.update_bn([], nn.Sequential(nn.Linear(2, 2)))


def test_misuse_is_refused():
    model = small_model()
    for decay in (-0.1, 1.0, np.nan):
        with pytest.raises(ValueError, match=r"decay must be in \[0, 1\)"):
            optim.EMA(model, decay)
    with pytest.raises(ValueError, match="model must have the parameters"):
        optim.AveragedModel(model).update_parameters(nn.Sequential(nn.Linear(2, 3)))


def test_replaced_layers_are_followed_and_copies_go_on():
    model = small_model()
    average = optim.AveragedModel(model)
    average.update_parameters(model)
    model[5] = nn.Linear(36, 3, dtype=np.float64, seed=9)
    twin = copy.deepcopy(average)
    for one in (average, twin):
        one.update_parameters(model)
        mean = (small_model().state_dict()["5.weight"] + model[5].weight.data) / 2
        close(one.module[5].weight.data, mean, 2)
    assert not np.shares_memory(twin.module[5].weight.data, average.module[5].weight.data)
