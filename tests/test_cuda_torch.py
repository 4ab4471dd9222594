"""PyTorch's tensors as the arrays of the emulated device."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.arrays import REAL
from cuda_on_cpu.network import images, network

from fastnn import functional as F
from fastnn import optim
from fastnn.cuda import _arrays, _libraries
from fastnn.train import Trainer

torch = pytest.importorskip("torch")


NAME = "torch" if REAL else __name__


class Tensor(torch.Tensor):  # type: ignore[misc]
    """A tensor on the CPU that says it is on a CUDA device."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        host = self.as_subclass(torch.Tensor).numpy()
        return {**host.__array_interface__, "strides": host.strides, "version": 3}


class OnCpu(_libraries.Torch):
    """What fastnn does with PyTorch, on the CPU."""

    def name(self, device: int) -> str:
        return "cpu"

    def device(self, array: Any) -> int:
        return 0

    def stream(self, device: int) -> int:
        return 0

    def empty(self, *args: Any) -> Any:
        return super().empty(*args).as_subclass(Tensor)

    def zeros(self, *args: Any) -> Any:
        return super().zeros(*args).as_subclass(Tensor)

    def asarray(self, *args: Any) -> Any:
        return super().asarray(*args).as_subclass(Tensor)

    def to_host(self, array: Any) -> np.ndarray:
        return super().to_host(array.as_subclass(torch.Tensor))


@pytest.fixture(autouse=True)
def library(cuda_on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL:
        monkeypatch.setitem(_libraries.LIBRARIES, NAME, OnCpu())


def test_arrays_move_there_and_back() -> None:
    place = _arrays.place_named("cuda", NAME)
    x = images()[0]
    there = _arrays.moved(x, place)
    assert there.is_contiguous(memory_format=torch.channels_last)
    back = _arrays.to_host(there)
    assert back.strides == x.strides and (back == x).all()
    assert (_arrays.to_host(F.relu(there)) == F.relu(x)).all()
    assert (_arrays.to_host(_arrays.joined([there, there])) == _arrays.joined([x, x])).all()
    copy = _arrays.copied(there)
    _arrays.clip_(copy, 0.5)
    assert (_arrays.to_host(copy) == x.clip(-0.5, 0.5)).all()
    _arrays.assign(copy, x.astype(np.float64))
    assert (_arrays.to_host(copy) == x).all()


def test_training_agrees_with_the_cpu() -> None:
    losses = []
    for device in ("cpu", "cuda"):
        model = network().to(device, library=NAME)
        trainer = Trainer(model, optim.AdamW(model.parameters(), 1e-2), max_norm=1.0, accumulate=2)
        trainer.fit(images(), 2, batch_size=5, validation=images(10))
        losses.append(trainer.history.steps + trainer.history["val_loss"])
    np.testing.assert_allclose(losses[1], losses[0], 1e-5)
