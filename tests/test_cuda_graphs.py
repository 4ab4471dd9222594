"""In which order CuPy and PyTorch are asked for a graph, by stand-ins for both."""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from fastnn.cuda import _graphs


class Recorder:
    """Modules whose calls and blocks are written down."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def call(self, name: str, result: Any = None) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            return result

        return called

    def block(self, name: str) -> Callable[..., Any]:
        @contextmanager
        def entered(*args: Any, **options: Any) -> Any:
            self.calls.append(f"{name} {options}" if options else name)
            try:
                yield
            finally:
                self.calls.append(f"end {name}")

        return entered

    def cupy(self) -> Any:
        graph = SimpleNamespace(launch=lambda stream: self.calls.append(f"launch on {stream.name}"))

        class Stream:
            name = "own"

            def __init__(_, non_blocking: bool) -> None:
                assert non_blocking

            def __enter__(_) -> None:
                self.calls.append("stream")

            def __exit__(_, *error: Any) -> None:
                self.calls.append("end stream")

            record = staticmethod(self.call("record"))
            wait_event = staticmethod(self.call("wait"))
            begin_capture = staticmethod(self.call("begin"))
            end_capture = staticmethod(self.call("end", graph))

        current = SimpleNamespace(
            name="current",
            record=self.call("record current"),
            wait_event=self.call("current waits"),
        )
        cuda = SimpleNamespace(
            Device=lambda device: contextmanager(lambda: (yield))(),
            MemoryPool=lambda: SimpleNamespace(malloc=None),
            Stream=Stream,
            get_current_stream=lambda: current,
            using_allocator=self.block("pool"),
        )
        return SimpleNamespace(cuda=cuda)

    def torch(self) -> Any:
        cuda = SimpleNamespace(
            device=lambda device: contextmanager(lambda: (yield))(),
            CUDAGraph=lambda: SimpleNamespace(replay=self.call("replay")),
            graph=self.block("graph"),
        )
        return SimpleNamespace(cuda=cuda)


def fails() -> None:
    raise KeyError("work")


AROUND = (
    ["record current", "wait", "stream", "pool"],
    [
        "end pool",
        "end stream",
        "record",
        "current waits",
    ],
)


def test_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Recorder()
    monkeypatch.setitem(sys.modules, "cupy", said.cupy())
    graph = _graphs.CuPyGraph(0)
    assert graph.warm_up(said.call("work", 3)) == 3
    assert said.calls == [*AROUND[0], "work", *AROUND[1]]
    said.calls.clear()
    assert graph.capture(said.call("work", 3)) == 3
    assert said.calls == [*AROUND[0], "begin", "work", "end", *AROUND[1]]
    said.calls.clear()
    graph.launch()
    assert said.calls == ["launch on current"]


def test_cupy_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Recorder()
    monkeypatch.setitem(sys.modules, "cupy", said.cupy())
    with pytest.raises(KeyError, match="work"):
        _graphs.CuPyGraph(0).capture(fails)
    assert said.calls == [*AROUND[0], "begin", "end", *AROUND[1]]
    _graphs.refuse_in_capture("nothing")  # no capture is left


def test_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Recorder()
    monkeypatch.setitem(sys.modules, "torch", said.torch())
    graph = _graphs.TorchGraph(0)
    assert graph.warm_up(said.call("warm", 3)) == 3
    assert graph.capture(said.call("work", 3)) == 3
    graph.launch()
    mode = {"capture_error_mode": "thread_local"}
    assert said.calls == ["warm", f"graph {mode}", "work", "end graph", "replay"]
    with pytest.raises(KeyError, match="work"):
        graph.capture(fails)


def test_what_a_capture_refuses() -> None:
    with _graphs.capturing(), pytest.raises(ValueError, match="stay on the device, got a read"):
        _graphs.refuse_in_capture("a read")
