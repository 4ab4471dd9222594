"""Steps captured in a graph are the steps that they replace, bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import arrays
from cuda_on_cpu.network import images, network

from fastnn import functional as F
from fastnn import nn, optim
from fastnn.optim import schedules
from fastnn.train import Trainer

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


def on_device(*middle: nn.Module, seed: int = 2) -> nn.Sequential:
    return network(*middle, seed=seed).to("cuda", library=arrays.NAME)


def trainer(capture: bool, model: nn.Module | None = None, **options: Any) -> Trainer:
    model = on_device() if model is None else model
    groups = optim.param_groups(model, 0.05, lr_mult={"": 1.0, "6": 0.5})
    rate = schedules.cosine(0.01, 60)
    return Trainer(model, optim.AdamW(groups, rate), capture=capture, **options)


def same(one: Trainer, two: Trainer) -> None:
    arrays.check_guards()
    a, b = one.model.state_dict(), two.model.state_dict()
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    assert one.model.rng_state() == two.model.rng_state()
    assert one.optimizer.steps == two.optimizer.steps
    assert [float(x) for x in one.history.steps] == [float(x) for x in two.history.steps]
    assert one.history.learning_rates == two.history.learning_rates
    for x, y in zip(one.history.epochs, two.history.epochs, strict=True):
        assert all(x[name] == y[name] for name in ("loss", "accuracy"))


def both(**options: Any) -> tuple[Trainer, Trainer]:
    return trainer(False, **options), trainer(True, **options)


def launches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs that are launched from now on."""
    kind = type(arrays.LIBRARY.graph(0))
    found, launch = [], kind.launch

    def counted(self: Any) -> None:
        found.append(self)
        launch(self)

    monkeypatch.setattr(kind, "launch", counted)
    return found


def test_forty_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout, BatchNorm, Adam's bias corrections, a schedule, two rates and two decays."""
    launched = launches(monkeypatch)
    pair = both()
    for t in pair:
        t.fit(images(40), 5, batch_size=5)
    same(*pair)
    assert len(launched) == 40 - 2 and len(set(map(id, launched))) == 1


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Dropout2d(0.3, seed=7),
        lambda: nn.AlphaDropout(0.3, seed=7),
        lambda: nn.StochasticDepth(0.3, seed=7),
        lambda: nn.VanillaDropout(0.3, seed=7),
        lambda: nn.Sequential(
            nn.FractionalMaxPool2d(1, (3, 3), seed=7), nn.Flatten(), nn.Linear(36, 64, seed=8)
        ),
        lambda: nn.Sequential(nn.Flatten(), nn.DropConnect(64, 64, p=0.3, seed=7)),
    ],
)
def test_layers_that_draw(layer: Any) -> None:
    """With 3 images the offsets are no multiples of 4."""
    pair = [trainer(capture, on_device(layer())) for capture in (False, True)]
    for t in pair:
        t.fit(images(9), 3, batch_size=3)
    same(pair[0], pair[1])


@pytest.mark.parametrize(
    "rule",
    [
        lambda p, r: optim.SGD(p, r),
        lambda p, r: optim.SGD(p, r, momentum=0.9, nesterov=True),
        lambda p, r: optim.AdaGrad(p, r),
        lambda p, r: optim.RMSprop(p, r, centered=True, momentum=0.5),
        lambda p, r: optim.Adam(p, r, amsgrad=True, weight_decay=0.1),
    ],
)
def test_rules(rule: Any) -> None:
    pair = []
    for capture in (False, True):
        model = on_device()
        rate = schedules.exponential(0.01, 0.8)
        t = Trainer(model, rule(model.parameters(), rate), capture=capture)
        t.fit(images(6), 4, batch_size=3)
        pair.append(t)
    same(*pair)


def test_other_shapes_and_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last batch of an epoch is smaller and runs without the graph, which then goes on."""
    launched = launches(monkeypatch)
    pair = both()
    for t in pair:
        t.fit(images(23), 3, batch_size=5, validation=images(7))
    same(*pair)
    assert len(launched) == (4 - 2) + 4 + 4


def test_changes_between_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates, frozen layers, probabilities: a number of the optimizer needs no new capture."""
    launched = launches(monkeypatch)
    pair = both()
    x, y = images(6)
    for t in pair:
        for step in range(16):
            if step == 4:
                t.optimizer.param_groups[0]["lr"] = 0.02
                t.optimizer.param_groups[0]["weight_decay"] = 0.2
            if step == 8:
                next(m for m in t.model.modules() if isinstance(m, nn.Dropout)).p = 0.5
            if step == 12:
                next(iter(t.model.parameters())).requires_grad = False
            t.step(x, y)
    same(*pair)
    assert len(set(map(id, launched))) == 3 and len(launched) == 6 + 2 + 2


def test_a_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def run(epochs: int, resume: bool) -> Trainer:
        t = trainer(True)
        t.fit(images(20), epochs, batch_size=5, out=tmp_path / "run", resume=resume)
        return t

    whole = run(4, False)
    run(2, False)
    same(run(4, True), whole)


def test_two_trainers_take_turns() -> None:
    x, y = images(5)
    pairs = both(), both()
    for _ in range(6):
        for pair in pairs:
            for t in pair:
                t.step(x, y)
    same(*pairs[0])
    same(*pairs[1])


@pytest.mark.skipif(arrays.REAL, reason="counts the stand-in's waits")
def test_no_step_waits() -> None:
    t = trainer(True)
    x, y = images(5)
    for _ in range(4):
        t.step(x, y)
    arrays.waits.clear()
    for _ in range(4):
        t.step(x, y)
    assert arrays.waits == []


class Broken(nn.Module):
    """Reads a value on the CPU while ``reads``."""

    reads = False

    def forward(self, x: Any) -> Any:
        if Broken.reads:
            float(np.asarray(x.get()).sum())
        return x

    def backward(self, dy: Any, *, input_grad: bool = True) -> Any:
        return dy


def test_a_capture_that_fails_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [trainer(capture, on_device(Broken())) for capture in (False, True)]
    x, y = images(5)
    for t in pair:
        t.step(x, y), t.step(x, y)
    with monkeypatch.context() as patch:
        patch.setattr(Broken, "reads", True)
        before = pair[1].model.rng_state()
        with pytest.raises(Exception) as caught:
            pair[1].step(x, y)
        assert "captured a step; nothing was done" in caught.value.__notes__[0]
        assert pair[1].model.rng_state() == before and pair[1].optimizer.steps == 2
    for t in pair:
        for _ in range(5):
            t.step(x, y)
    same(*pair)


class Counting(nn.Module):
    """A number of its own that a replay would not see."""

    def __init__(self) -> None:
        self.count = 0

    def forward(self, x: Any) -> Any:
        self.count += 1
        return x

    def backward(self, dy: Any, *, input_grad: bool = True) -> Any:
        return dy


class Secret(Broken):
    """Draws from a stream that nobody knows."""

    def forward(self, x: Any) -> Any:
        return F.dropout(x, 0.5, True, seed=99, offset=5)


def refusal(t: Trainer) -> str:
    x, y = images(5)
    t.step(x, y), t.step(x, y)
    with pytest.raises(ValueError) as caught:
        t.step(x, y)
    assert t.optimizer.steps == 2
    return str(caught.value)


def test_refused_steps() -> None:
    assert "a stream of its own" in refusal(trainer(True, on_device(Secret())))
    assert "no layer's" in refusal(trainer(True, on_device(Secret())))
    twice = on_device(nn.Dropout(0.1, seed=2))
    assert "2 layers share it" in refusal(trainer(True, twice))
    weighted = trainer(True, loss=nn.CrossEntropyLoss(weight=[1.0] * 10))
    assert "must stay on the device" in refusal(weighted)
    averaging = on_device()
    next(m for m in averaging.modules() if isinstance(m, nn.BatchNorm)).momentum = None
    assert "momentum=None" in refusal(trainer(True, averaging))


def test_a_layer_that_counts_runs_without_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    launched = launches(monkeypatch)
    pair = [trainer(capture, on_device(Counting())) for capture in (False, True)]
    for t in pair:
        t.fit(images(10), 2, batch_size=5)
    same(pair[0], pair[1])
    assert launched == []


def test_hooks_see_every_step() -> None:
    t, seen = trainer(True), []
    x, y = images(5)
    for _ in range(4):
        t.step(x, y)
    with nn.forward_hooks(t.model, lambda name, layer, x, y: seen.append(name)):
        t.step(x, y), t.step(x, y), t.step(x, y), t.step(x, y)
    assert seen.count("") == 4


@pytest.mark.parametrize("options", [{"max_norm": 1.0}, {"accumulate": 2}])
def test_options_that_need_the_cpu(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="capture takes steps of one batch without max_norm"):
        trainer(True, **options)


def test_the_cpu_is_refused() -> None:
    model = nn.Linear(2, 3)
    with pytest.raises(ValueError, match=r"capture needs a model on a CUDA device .*got one on"):
        Trainer(model, optim.SGD(model.parameters(), 0.1), capture=True)
