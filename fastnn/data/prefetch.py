"""``Prefetcher``: items made ahead by a background thread."""

import atexit
import queue
import threading
import weakref
from collections.abc import Generator, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_ACTIVE: weakref.WeakSet["Prefetcher[Any]"] = weakref.WeakSet()
WATCH = 1.0
"""Seconds of waiting after which a consumer asks whether the thread still lives."""


class Prefetcher(Generic[T]):
    """Iterate over ``source`` while a thread keeps up to ``depth`` items ready.

    The thread ends with the source, with :meth:`close`, and before the interpreter does. What the
    source raises is raised here, with the traceback from the thread.

    Parameters
    ----------
    source : generator
        Runs in the thread, which closes it.
    depth : int
        At least 1.
    """

    def __init__(self, source: Generator[T, None, None], depth: int) -> None:
        self._ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=_fill, args=(source, self._ready, self._stop), name="fastnn-loader", daemon=True
        )
        _ACTIVE.add(self)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """The items, once."""
        while True:
            item, error = self._next()
            if error is not None:
                raise error
            if item is None:
                return
            yield item

    def _next(self) -> tuple[T | None, BaseException | None]:
        while True:
            try:
                return self._ready.get(timeout=WATCH)
            except queue.Empty:
                if not self._thread.is_alive() and self._ready.empty():
                    raise RuntimeError(
                        "Loader: the background thread is gone; after os.fork start a new iteration"
                    ) from None

    def close(self) -> None:
        """End the thread, after the item that it is at."""
        self._stop.set()
        while self._thread.is_alive():
            while not self._ready.empty():  # a thread that waits for room goes on
                self._ready.get_nowait()
            self._thread.join(0.01)


def _fill(
    source: Generator[T, None, None],
    ready: "queue.Queue[tuple[T | None, BaseException | None]]",
    stop: threading.Event,
) -> None:
    try:
        for item in source:
            ready.put((item, None))
            if stop.is_set():
                return
        ready.put((None, None))
    except BaseException as error:
        ready.put((None, error))
    finally:
        source.close()


@atexit.register
def _close_all() -> None:
    """A thread inside a kernel must not outlive the interpreter."""
    for active in list(_ACTIVE):
        active.close()
