"""Sets of arguments that take turns, so that data beyond the caches comes from memory."""

from collections.abc import Callable, Sequence
from functools import cache
from math import ceil

from .machine import ASSUMED, caches
from .timing import Call


class Ring:
    """Calls over sets of arguments in turn, each output kept until its set's next turn.

    Kept, as a network keeps what its backward needs: an output that is freed at once would be
    written into the same warm memory every time.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls, self.kept, self.next = calls, [None] * len(calls), 0

    def __call__(self) -> None:
        i = self.next
        self.kept[i] = self.calls[i]()
        self.next = i + 1 if i + 1 < len(self.calls) else 0


@cache
def cache_bytes() -> tuple[int, int]:
    """Size of a core's own cache, L2, and of the last level."""
    found = caches(1) or ASSUMED
    return found.get("L2", ASSUMED["L2"]), max(found.values())


def sets(nbytes: float, hot: bool = False) -> int:
    """How many sets of arguments a call that touches `nbytes` needs.

    What fits a core's own cache stays there from layer to layer of a network: one set. What is
    larger gets as many as fill the last-level cache twice.
    """
    own, last = cache_bytes()
    return 1 if hot or nbytes <= own else max(1, ceil(2 * last / nbytes))


def is_hot(nbytes: float, count: int) -> bool:
    """A call finds its arguments in a cache since the call before."""
    return count == 1 and nbytes < 2 * cache_bytes()[1]


def rotate(make: Callable[[], dict[str, Call]], count: int) -> dict[str, Call]:
    """Direction -> call, over `count` sets of arguments; what a first call sets up is done."""
    made = [make() for _ in range(count)]
    for call in made[0].values():
        call()
    if count == 1:
        return made[0]
    return {direction: Ring([calls[direction] for calls in made]) for direction in made[0]}
