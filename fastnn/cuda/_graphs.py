"""CUDA graphs by the array libraries: work that is captured once and launched again and again.

What captured work allocates comes from memory of the graph's own, which nobody else gets while the
graph lives: its launches write to the same addresses.
"""

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from .._core import StepInputs

__all__ = ["CuPyGraph", "Graph", "StepInputs", "TorchGraph", "refuse_in_capture"]

_thread = threading.local()


class Graph(Protocol):
    """Work of one device."""

    def warm_up(self, work: Callable[[], Any]) -> Any:
        """Run the work as it will be captured: what is made at first use is there afterwards."""

    def capture(self, work: Callable[[], Any]) -> Any:
        """Note the work in place of running it; what it returns is filled by every launch."""

    def launch(self) -> None:
        """Run the work once, in the order of the current stream."""


@contextmanager
def capturing() -> Iterator[None]:
    """This thread's work is captured inside the block."""
    gc.collect()  # memory that a cycle holds would be freed while the stream captures
    _thread.capturing = True
    try:
        yield
    finally:
        _thread.capturing = False


def refuse_in_capture(what: str) -> None:
    """Raise if this thread's work is captured: ``what`` would wait or be repeated as it is.

    Raises
    ------
    ValueError
        A capture is in progress.
    """
    if getattr(_thread, "capturing", False):
        raise ValueError(f"a captured step must stay on the device, got {what}")


class CuPyGraph:
    """On a stream and with a memory pool of its own: the default stream cannot be captured."""

    def __init__(self, device: int) -> None:
        self.cuda: Any = sys.modules["cupy"].cuda
        self.device, self.graph = device, None
        with self.cuda.Device(device):
            self.pool = self.cuda.MemoryPool()
            self.stream = self.cuda.Stream(non_blocking=True)

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """The graph's stream and memory, in the order of the current stream."""
        with self.cuda.Device(self.device):
            outer = self.cuda.get_current_stream()
            self.stream.wait_event(outer.record())
            try:
                with self.stream, self.cuda.using_allocator(self.pool.malloc):
                    yield
            finally:
                outer.wait_event(self.stream.record())

    def warm_up(self, work: Callable[[], Any]) -> Any:
        with self._beside():
            return work()

    def capture(self, work: Callable[[], Any]) -> Any:
        with self._beside(), capturing():
            self.stream.begin_capture()
            try:
                made = work()
            except BaseException:
                with suppress(Exception):  # what went wrong first is what matters
                    self.stream.end_capture()
                raise
            self.graph = self.stream.end_capture()
        return made

    def launch(self) -> None:
        assert self.graph is not None
        with self.cuda.Device(self.device):
            self.graph.launch(self.cuda.get_current_stream())


class TorchGraph:
    """``torch.cuda.CUDAGraph``, which has memory of its own in PyTorch's caching allocator."""

    def __init__(self, device: int) -> None:
        self.torch: Any = sys.modules["torch"]
        self.device = device
        self.graph = self.torch.cuda.CUDAGraph()

    def warm_up(self, work: Callable[[], Any]) -> Any:
        return work()

    def capture(self, work: Callable[[], Any]) -> Any:
        cuda = self.torch.cuda
        # Other threads, a loader's say, may go on allocating.
        graph = cuda.graph(self.graph, capture_error_mode="thread_local")
        with cuda.device(self.device), capturing(), graph:
            return work()

    def launch(self) -> None:
        with self.torch.cuda.device(self.device):
            self.graph.replay()
