"""Shapes that no kernel was made for."""

from collections.abc import Iterator, Mapping

from fastnn.specs import Spec

from .layers import Item, conv, dense, max_pool, norm, pointwise


def odd(specs: Mapping[str, Spec]) -> Iterator[Item]:
    """Each spec's large cases, whose sizes are no multiple of anything, and further ones."""
    for spec in specs.values():
        yield from (Item(spec.name, case) for case in spec.large)
    yield conv(7, 13, 37, 29)
    yield conv(3, 3, 65, 5, kernel=5, stride=3)
    yield conv(5, 96, 17, 34, groups=2)
    yield conv(3, 48, 31, 51, dilation=2, padding=2)
    yield conv(1, 257, 9, 131, kernel=1)
    yield conv(2, 20, 43, 20, kernel=(1, 7), padding=(0, 3))
    yield norm(3, 37, 41)
    yield dense(1001, 333, 77)
    yield dense(31, 1009, 509, activation="relu")
    yield max_pool(3, 19, 53, 3, stride=2)
    yield pointwise("relu", 3_000_017)
