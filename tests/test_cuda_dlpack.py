"""CUDA arrays that are described by DLPack alone."""

import sys
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import arrays
from cuda_on_cpu.half import FORMATS

from fastnn import functional as F
from fastnn.cuda import _libraries

pytestmark = [
    pytest.mark.usefixtures("cuda_on_cpu"),
    pytest.mark.skipif(arrays.REAL, reason="memory of the CPU that says it is a device's"),
]


class Lent:
    """An array that lends the memory of a NumPy array and says that it is a device's."""

    def __init__(self, host: Any, versioned: bool = True) -> None:
        self.host, self.versioned = host, versioned
        self.streams: list[int] = []

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, *, stream: int, max_version: Any) -> Any:
        self.streams.append(stream)
        return self.host.__dlpack__(**({"max_version": max_version} if self.versioned else {}))


class Old(Lent):
    """Of the time before versions."""

    def __dlpack__(self, *, stream: int) -> Any:  # type: ignore[override]
        return self.host.__dlpack__()


class OnStream7(arrays.Library):
    def stream(self, device: int) -> int:
        return 7


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_libraries.LIBRARIES, __name__, arrays.LIBRARY)


X = np.arange(-30, 30, dtype=np.float32).reshape(3, 4, 5)
VIEWS = {
    "C order": X,
    "transposed": X.transpose(2, 0, 1),
    "every second from the third": X[:, 2:, ::2],
    "reversed": X[::-1, :, ::-1],
    "float64": X.astype(np.float64),
    "float16": X.astype(np.float16),
    "no axis": X[0, 0, 0:1].reshape(()),
    "empty": X[:, :0],
}


@pytest.mark.parametrize("kind", [Lent, Old])
@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("x", VIEWS.values(), ids=VIEWS)
def test_elements(known: None, x: np.ndarray, versioned: bool, kind: type[Lent]) -> None:
    y = F.relu(kind(x, versioned))
    assert type(y) is arrays.KIND and y.dtype == x.dtype
    assert (y.get() == np.maximum(x, 0)).all()


def test_bfloat16_of_torch(known: None) -> None:
    torch = pytest.importorskip("torch")
    y = F.relu(Lent(torch.tensor(X).bfloat16(), versioned=False)).get()
    assert (FORMATS[1].widened(y) == np.maximum(X, 0)).all()


def test_the_memory_is_given_back(known: None) -> None:
    x = X.copy()
    before = sys.getrefcount(x)
    y, saved = F.layer_norm(Lent(x), 5)
    assert sys.getrefcount(x) > before
    assert F.layer_norm_backward(y, saved)[0].shape == x.shape
    del saved
    assert sys.getrefcount(x) == before


def test_the_producer_hears_of_the_stream(known: None, monkeypatch: pytest.MonkeyPatch) -> None:
    x = Lent(X)
    F.add(x, x)
    assert x.streams == [1, 1]  # the default stream's number in DLPack
    monkeypatch.setitem(_libraries.LIBRARIES, __name__, OnStream7())
    x.streams.clear()
    F.add(x, x)
    assert x.streams == [7, 7]


def test_a_library_that_is_not_known() -> None:
    here, there = arrays.to_device(X), Lent(X)
    assert (F.add(here, there).get() == 2 * X).all()
    with pytest.raises(TypeError, match=r"the first CUDA array must come from .*, got test_cuda"):
        F.add(there, here)
    mean = arrays.to_device(np.ones(4, np.float32))
    with pytest.raises(ValueError, match="running_var must be writable, got a read-only array"):
        F.batch_norm(here, mean, Lent(np.ones(4, np.float32)), training=True)


def test_mixed_devices() -> None:
    with pytest.raises(ValueError, match="add: other must be on the CPU like x, got an array on"):
        F.add(X, Lent(X))


def test_read_only(known: None) -> None:
    mean = np.ones(4, np.float32)
    mean.flags.writeable = False
    with pytest.raises(ValueError, match="running_mean must be writable, got a read-only array"):
        F.batch_norm(Lent(X), Lent(mean), None, training=True)


def test_what_is_no_capsule(known: None) -> None:
    class Wrong(Lent):
        def __dlpack__(self, **_: Any) -> Any:
            capsule = self.host.__dlpack__()
            np.from_dlpack(Again(capsule))  # which uses it up
            return capsule

    class Again:
        def __init__(self, capsule: Any) -> None:
            self.capsule = capsule

        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

        def __dlpack__(self, **_: Any) -> Any:
            return self.capsule

    Wrong.__module__ = __name__
    with pytest.raises(TypeError, match="must return a new capsule"):
        F.relu(Wrong(X))
