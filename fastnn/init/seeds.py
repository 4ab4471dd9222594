"""Seeds: where the numbers of every layer come from."""

import itertools

import numpy as np

Rng = int | np.random.Generator
"""An integer seed or a generator."""

_defaults = itertools.count()


def next_default_seed() -> int:
    """Seed of a layer that was given none: 0, 1, 2, ... in order of construction."""
    return derive_seed(0, next(_defaults))


def derive_seed(seed: int, index: int) -> int:
    """Seed of child ``index``, a 64-bit number; children and levels never share a stream."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
