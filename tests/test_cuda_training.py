"""Models, optimizers and the trainer on the emulated device, against the same on the CPU."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import arrays
from cuda_on_cpu.network import images, network

from fastnn import functional as F
from fastnn import nn, optim
from fastnn.cuda import _arrays
from fastnn.io import load_safetensors, save_safetensors
from fastnn.train import Callback, Trainer
from fastnn.train.metrics import READ_EVERY

pytestmark = pytest.mark.usefixtures("cuda_on_cpu")


def on_device(model: nn.Module) -> nn.Module:
    return model.to("cuda", library=arrays.NAME)


def trained(device: bool, epochs: int = 2, **options: Any) -> tuple[nn.Module, Trainer]:
    model = on_device(network()) if device else network()
    optimizer = optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)
    trainer = Trainer(model, optimizer, **options)
    trainer.fit(images(), epochs, batch_size=8, validation=images(10))
    return model, trainer


def test_a_model_moves_there_and_back() -> None:
    model = network()
    before, orders = model.state_dict(), [p.data.strides for p in model.parameters()]
    on_device(model)
    assert all(type(p.data) is arrays.KIND for p in model.parameters())
    counted = [type(b) for _, b in model.named_buffers()]
    assert counted == [arrays.KIND, arrays.KIND, np.ndarray]  # the counter stays
    assert all((model.state_dict()[name] == a).all() for name, a in before.items())
    model.to("cpu")
    assert [p.data.strides for p in model.parameters()] == orders
    assert all((model.state_dict()[name] == a).all() for name, a in before.items())


def test_moving_to_where_it_is_changes_nothing() -> None:
    model = on_device(network())
    optimizer = optim.SGD(model.parameters(), 0.1)
    data = [p.data for p in model.parameters()]
    on_device(model)
    assert all(p.data is d for p, d in zip(model.parameters(), data, strict=True))
    model.to("cpu")
    with pytest.raises(RuntimeError, match="make a new optimizer"):
        optimizer.step()


@pytest.mark.parametrize(
    "device, library, error, match",
    [
        (np.float64, "cupy", TypeError, "to: device must be a string, got type"),
        ("gpu", "cupy", ValueError, r'device must be "cpu", "cuda" or "cuda:N", got \'gpu\''),
        ("cuda", "numpy", ValueError, "library must be .*'cupy' or 'torch'.*, got 'numpy'"),
        ("cuda:-1", "cupy", ValueError, "device must be"),
    ],
)
def test_refused_devices(device: str, library: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        network().to(device, library=library)


def test_state_is_loaded_into_a_model_on_the_device(tmp_path: Path) -> None:
    source, model = network().reset_parameters(9), on_device(network())
    save_safetensors(on_device(copy.deepcopy(source)).state_dict(), tmp_path / "a.safetensors")
    model.load_state_dict(load_safetensors(tmp_path / "a.safetensors"))
    for name, array in model.state_dict().items():
        assert (array == source.state_dict()[name]).all()
    assert all(type(p.data) is arrays.KIND for p in model.parameters())
    arrays.check_guards()


def test_an_array_of_the_device_is_saved(tmp_path: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_safetensors({"x": arrays.to_device(x)}, tmp_path / "x.safetensors")
    assert (load_safetensors(tmp_path / "x.safetensors")["x"] == x).all()


def test_flat_buffers_are_on_the_device() -> None:
    model = on_device(network())
    before, orders = model.state_dict(), [p.data.strides for p in model.parameters()]
    optimizer = optim.AdaGrad(model.parameters(), 0.1, initial_accumulator_value=0.5)
    assert all((model.state_dict()[name] == a).all() for name, a in before.items())
    assert [p.data.strides for p in model.parameters()] == orders
    flat = optimizer._flats[0]
    places = (flat.data, flat.grad, *flat.state.values())
    assert all(type(buffer) is arrays.KIND for buffer in places)
    assert (flat.state["state_sums"].get() == 0.5).all()
    state = optimizer.state_dict()
    state["state"][0]["state_sums"] += 1
    optimizer.load_state_dict(state)
    assert (flat.state_views["state_sums"][0].get() == 1.5).all()
    assert (copy.deepcopy(optimizer).state_dict()["state"][0]["state_sums"] == 1.5).all()
    arrays.check_guards()


def test_a_group_is_on_one_device() -> None:
    with pytest.raises(ValueError, match="on one device"):
        optim.SGD([*on_device(nn.Linear(2, 3)).parameters(), *nn.Linear(2, 3).parameters()], 0.1)


def test_joined_branches() -> None:
    parts = [np.full((2, c, 3, 3), c, np.float32) for c in (1, 2, 4)]
    y = _arrays.joined([arrays.to_device(part) for part in parts])
    assert (y.get() == _arrays.joined(parts)).all()
    assert F.is_channels_last(y.get())


@pytest.mark.parametrize("max_norm", [None, 0.5])
def test_training_agrees_with_the_cpu(max_norm: float | None) -> None:
    (here, cpu), (there, cuda) = (trained(d, max_norm=max_norm) for d in (False, True))
    arrays.check_guards()
    rounding = 1e3 * np.finfo(np.float32).eps  # 6 steps, in each a few hundred roundings
    for name, a in here.state_dict().items():
        np.testing.assert_allclose(there.state_dict()[name], a, rounding, rounding, err_msg=name)
    np.testing.assert_allclose(cuda.history.steps, cpu.history.steps, rounding)
    assert all(type(loss) is float for loss in cuda.history.steps)
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(cuda.history[column], cpu.history[column], rounding)
    np.testing.assert_allclose(cuda.predict(images()[0]), cpu.predict(images()[0]), 1e-3, 1e-4)


def test_training_is_the_same_run_after_run() -> None:
    (one, first), (two, second) = trained(True), trained(True)
    assert first.history.steps == second.history.steps
    assert all((two.state_dict()[name] == a).all() for name, a in one.state_dict().items())


@pytest.mark.skipif(arrays.REAL, reason="counts the stand-in's waits")
def test_no_step_waits_for_the_device() -> None:
    model = on_device(network())
    trainer = Trainer(model, optim.Adam(model.parameters(), 1e-3))
    waits: list[int] = []

    class Watch(Callback):
        def on_batch_end(self, trainer: Trainer, logs: Any) -> None:
            waits.append(len(arrays.waits))

    x, y = images(2 * READ_EVERY + 4)
    arrays.waits.clear()
    trainer.fit((x, y), 1, batch_size=2, callbacks=[Watch()])
    assert not any(waits[: READ_EVERY - 1]) and waits[READ_EVERY] == waits[READ_EVERY - 1] > 0
    assert len(arrays.waits) > waits[-1]
    arrays.waits.clear()
    trainer.step(x, y)
    assert arrays.waits == []


def test_a_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def run(epochs: int, resume: bool) -> tuple[nn.Module, Trainer]:
        model = on_device(network())
        trainer = Trainer(model, optim.Adam(model.parameters(), 1e-3))
        trainer.fit(images(), epochs, batch_size=8, out=tmp_path / "run", resume=resume)
        return model, trainer

    whole, _ = trained_twice = run(2, False)
    run(1, False)
    resumed, trainer = run(2, True)
    assert trainer.history.steps == trained_twice[1].history.steps
    state = whole.state_dict()
    assert all((resumed.state_dict()[name] == a).all() for name, a in state.items())


def test_a_loss_that_is_not_finite_is_found() -> None:
    model = on_device(network())
    trainer = Trainer(model, optim.SGD(model.parameters(), 1.0))
    x, y = images()
    x[-1] = np.nan
    with pytest.raises(FloatingPointError, match=r"the loss is .* at step \d+ .*read after step"):
        trainer.fit((x, y), 1, batch_size=8)


def test_accumulated_batches_agree_with_the_cpu() -> None:
    (_, cpu), (_, cuda) = (trained(d, 1, accumulate=2) for d in (False, True))
    np.testing.assert_allclose(cuda.history.steps, cpu.history.steps, 1e-5)


def test_the_fused_model_stays_on_the_device() -> None:
    model, _ = trained(True, 1)
    fused, x = model.fuse(), arrays.to_device(images()[0])
    assert all(type(p.data) is arrays.KIND for p in fused.parameters())
    np.testing.assert_allclose(fused(x).get(), model.eval()(x).get(), 1e-4, 1e-5)


def test_a_scalar_keeps_its_rank() -> None:
    place = _arrays.Place(arrays.LIBRARY, 0)
    assert _arrays.to_host(_arrays.moved(np.float32(3), place)).shape == ()
