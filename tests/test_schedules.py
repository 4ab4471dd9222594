"""Schedules: formulas, PyTorch's schedulers, composition, errors, plots."""

import math
import sys

import numpy as np
import pytest

from fastnn.optim import schedules as s

TOTAL = 60
PEERS = {  # ours, PyTorch's class, its arguments, the base rate that it is given
    "step": (s.step(0.3, 7, 0.5), "StepLR", {"step_size": 7, "gamma": 0.5}),
    "multistep": (s.multistep(0.3, [5, 9, 31]), "MultiStepLR", {"milestones": [5, 9, 31]}),
    "exponential": (s.exponential(0.3, 0.93), "ExponentialLR", {"gamma": 0.93}),
    "cosine": (s.cosine(0.3, TOTAL, 0.01), "CosineAnnealingLR", {"T_max": TOTAL, "eta_min": 0.01}),
    "linear": (
        s.linear(0.1, 20, final=0.3),
        "LinearLR",
        {"start_factor": 1 / 3, "total_iters": 20},
    ),
    "polynomial": (s.polynomial(0.3, 40, 2.0), "PolynomialLR", {"total_iters": 40, "power": 2.0}),
    "restarts": (
        s.cosine_restarts(0.3, 7, final=0.02),
        "CosineAnnealingWarmRestarts",
        {"T_0": 7, "eta_min": 0.02},
    ),
    "longer restarts": (
        s.cosine_restarts(0.3, 5, 2),
        "CosineAnnealingWarmRestarts",
        {"T_0": 5, "T_mult": 2},
    ),
    "cyclic": (
        s.cyclic(0.1, 0.5, 4, 9),
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "step_size_down": 9},
    ),
    "triangular2": (
        s.cyclic(0.1, 0.5, 6, mode="triangular2"),
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 6, "mode": "triangular2"},
    ),
    "exp_range": (
        s.cyclic(0.1, 0.5, 6, mode="exp_range", gamma=0.97),
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 6, "mode": "exp_range", "gamma": 0.97},
    ),
    "inverse_time": (
        s.inverse_time(0.3, 0.2),
        "LambdaLR",
        {"lr_lambda": lambda t: 1 / (1 + 0.2 * t)},
    ),
    "one cycle": (s.one_cycle(0.5, TOTAL), "OneCycleLR", {"max_lr": 0.5, "total_steps": TOTAL}),
    "one cycle, linear": (
        s.one_cycle(0.5, TOTAL, 0.42, "linear", 10.0, 100.0),
        "OneCycleLR",
        {
            "max_lr": 0.5,
            "total_steps": TOTAL,
            "pct_start": 0.42,
            "anneal_strategy": "linear",
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    ),
    "one cycle, three phases": (
        s.one_cycle(0.5, TOTAL, 0.25, three_phase=True),
        "OneCycleLR",
        {"max_lr": 0.5, "total_steps": TOTAL, "pct_start": 0.25, "three_phase": True},
    ),
}


def torch_rates(name, arguments, steps, key="lr"):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3, momentum=0.9)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0][key])
        optimizer.step()
        if len(rates) < steps:
            scheduler.step()
    return rates


@pytest.mark.parametrize("name", PEERS)
def test_schedules_are_those_of_pytorch(name):
    ours, theirs, arguments = PEERS[name]
    expected = torch_rates(theirs, arguments, TOTAL)
    # PyTorch's recurrences round once a step; CyclicLR subtracts the number of the cycle.
    bound = 4 * TOTAL * np.finfo(np.float64).eps
    np.testing.assert_allclose([ours(t) for t in range(TOTAL)], expected, rtol=bound, atol=bound)


@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_momentum_is_that_of_pytorch(three_phase):
    arguments = {"max_lr": 1.0, "total_steps": TOTAL, "three_phase": three_phase}
    expected = torch_rates("OneCycleLR", arguments, TOTAL, "momentum")
    ours = s.one_cycle_momentum(TOTAL, three_phase=three_phase)
    np.testing.assert_allclose([ours(t) for t in range(TOTAL)], expected, rtol=1e-14)


def test_join_is_sequential_lr():
    torch = pytest.importorskip("torch")
    lr = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    parts = [
        lr.LinearLR(optimizer, 1 / 3, total_iters=10),
        lr.CosineAnnealingLR(optimizer, 30),
        lr.ConstantLR(optimizer, 0.5, total_iters=1000),
    ]
    scheduler = lr.SequentialLR(optimizer, parts, [10, 40])
    ours = s.join([s.linear(0.1, 10, final=0.3), s.cosine(0.3, 30), 0.15], [10, 40])
    for t in range(50):
        assert ours(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-13, abs=1e-15)
        optimizer.step()
        scheduler.step()


def test_noam_is_the_transformer_s():
    rate = s.noam(512, 4000, 2.0)
    for step in (1, 17, 3999, 4000, 4001, 100_000):
        expected = 2 * 512**-0.5 * min(step**-0.5, step * 4000**-1.5)
        assert rate(step - 1) == pytest.approx(expected, rel=1e-14)
    peak = max(range(9000), key=rate)
    assert peak == 3999


def test_one_cycle_has_its_ends_and_peak():
    rate = s.one_cycle(1.0, 101, 0.31)
    assert rate(0) == pytest.approx(1 / 25)
    assert rate(100) == rate(101) == rate(10_000) == pytest.approx(1 / 25 / 1e4)
    values = [rate(t) for t in range(101)]
    assert 0.999 < max(values) <= 1 and values.index(max(values)) in (30, 31)
    for total in (1, 2, 3):
        assert all(math.isfinite(s.one_cycle(1.0, total)(t)) for t in range(5))
        assert all(math.isfinite(s.one_cycle(1.0, total, 0.5, three_phase=True)(t)) for t in (0, 1))


def test_join_starts_each_schedule_anew_and_nests():
    parts = [s.linear(4.0, 4), s.join([1.0, s.exponential(8.0, 0.5)], [2])]
    rate = s.join(parts, [3])
    assert [rate(t) for t in range(8)] == [4, 3, 2, 1, 1, 8, 4, 2]
    assert s.join([0.5], [])(99) == 0.5


def test_restarts_grow():
    rate = s.cosine_restarts(1.0, 2, 3)
    starts = [t for t in range(80) if rate(t) == 1]
    assert starts == [0, 2, 8, 26]


def test_bad_arguments_are_refused():
    cases = [
        (lambda: s.cosine_restarts(1.0, 0), "period must be positive, got 0"),
        (lambda: s.cosine_restarts(1.0, 5, 0.5), "mult must be at least 1, got 0.5"),
        (lambda: s.cyclic(0.1, 1.0, 5, 0), "step_size_down must be positive, got 0"),
        (lambda: s.cyclic(0.1, 1.0, mode="square"), "mode must be one of triangular, .*'square'"),
        (lambda: s.one_cycle(1.0, 0), "one_cycle: total must be positive, got 0"),
        (lambda: s.one_cycle(1.0, 9, 1.2), r"pct_start must be in \[0, 1\], got 1.2"),
        (lambda: s.one_cycle(1.0, 9, 0.6, three_phase=True), r"in \[0, 0.5\], got 0.6"),
        (lambda: s.one_cycle(1.0, 9, anneal="sin"), "anneal must be .*'sin'"),
        (lambda: s.one_cycle_momentum(9, anneal="sin"), "one_cycle_momentum: anneal"),
        (lambda: s.polynomial(1.0, 9, 0.0), "power must be positive, got 0"),
        (lambda: s.noam(0), "d_model must be positive, got 0"),
        (lambda: s.join([1.0, 2.0], []), "one fewer than the 2 schedules"),
        (lambda: s.join([1.0, 2.0], [0]), r"increase from above 0, got \[0\]"),
        (lambda: s.join([1.0, 2.0, 3.0], [5, 5]), r"increase from above 0, got \[5, 5\]"),
        (lambda: s.plot(1.0, 0, "none.png"), "total must be positive, got 0"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_plot(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r"fastnn\[plot\]"):
            s.plot(0.1, 10, tmp_path / "none.png")
    pytest.importorskip("matplotlib")
    called = []
    s.plot(lambda t: called.append(t) or 0.1, 1_000_000, tmp_path / "one.png")
    assert len(called) <= 2000 and called[0] == 0 and called[-1] == 999_999
    s.plot({"a": 0.1, "b": s.cosine(0.1, 10)}, 10, tmp_path / "two.png", log=True)
    for name in ("one", "two"):
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
