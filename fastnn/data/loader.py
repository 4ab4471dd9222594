"""``Loader``: seeded batches, gathered into reused channels-last buffers."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]
Normalize = Callable[[np.ndarray, np.ndarray], np.ndarray]
Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]

MAX_BUFFERS = 12
"""Raw, normalised and target buffers of two batches in flight, for two batch sizes."""


def _idle_references() -> int:
    """Reference count of an array held by a list and a loop alone; it differs between Pythons."""
    for probe in [np.empty(0)]:
        return sys.getrefcount(probe)
    raise AssertionError


_IDLE_REFERENCES = _idle_references()


class Loader:
    """Iterate over ``x`` and ``y`` in batches, one epoch at a time.

    The order is a pure function of (seed, epoch), so that two runs see the same batches, and a run
    that is resumed goes on where it stopped. Images come out as (N, C, H, W) in channels-last
    memory. A batch's memory is used again once nobody refers to it.

    Parameters
    ----------
    x : ndarray (N, ...)
        Samples. Integers need ``normalize``.
    y : ndarray (N, ...)
        Targets: integer classes, or one row a sample.
    batch_size : int
    shuffle : bool
        A new order every epoch; False keeps that of ``x``.
    drop_last : bool, optional
        Leave out a last batch that is not full. None drops it only when shuffling and if it has a
        single sample, on which BatchNorm cannot train.
    seed : int
    normalize : callable (batch, out) -> out, optional
        Such as a fitted :class:`Standardize`; gives the float32 batch.
    augment : callable (batch, generator) -> batch, optional
        Applied to the raw batch (N, C, ...) before ``normalize``; the generator is a pure function
        of (seed, epoch, batch).

    Raises
    ------
    ValueError
        The lengths differ, there are no samples, or ``batch_size`` is not positive.
    TypeError
        ``x`` holds integers and ``normalize`` is missing.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int = 32,
        *,
        shuffle: bool = True,
        drop_last: bool | None = None,
        seed: int = 0,
        normalize: Normalize | None = None,
        augment: Augment | None = None,
    ) -> None:
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(
                f"Loader: x and y must be of one length > 0, got {len(x)} and {len(y)}"
            )
        if batch_size < 1:
            raise ValueError(f"Loader: batch_size must be positive, got {batch_size}")
        if normalize is None and x.dtype.kind != "f":
            raise TypeError(
                f"Loader: x must be float32 or float64, or normalize be given, got {x.dtype}"
            )
        self._x = np.ascontiguousarray(np.moveaxis(x, 1, -1) if x.ndim > 2 else x)
        self._y = np.ascontiguousarray(y)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.normalize, self.augment = normalize, augment
        rest = len(x) % batch_size
        drop = (shuffle and rest == 1) if drop_last is None else drop_last
        self.epoch = 0
        self.position = 0
        self.samples = len(x) - rest if drop else len(x)
        if self.samples == 0:
            raise ValueError(
                f"Loader: {len(x)} samples give no batch of {batch_size} with drop_last={drop_last}"
            )
        self._buffers: list[np.ndarray] = []

    def __len__(self) -> int:
        """Batches an epoch."""
        return math.ceil(self.samples / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The rest of the current epoch, or the next one if nothing of it is left."""
        if self.position == len(self):
            self.epoch, self.position = self.epoch + 1, 0
        order = self._order()
        while self.position < len(self):
            start = self.position * self.batch_size
            chosen = order[start : min(start + self.batch_size, self.samples)]
            self.position += 1
            yield self._batch(chosen, self.augment), self._gather(self._y, chosen)

    def in_order(self) -> Iterator[Batch]:
        """All samples once, in the order of ``x``, without augmentation: what evaluation reads.

        The position in the epoch does not change.
        """
        for start in range(0, len(self._x), self.batch_size):
            chosen = np.arange(start, min(start + self.batch_size, len(self._x)))
            yield self._batch(chosen, None), self._gather(self._y, chosen)

    def _order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self._x))
        return self._generator(0).permutation(len(self._x))

    def _generator(self, batch: int) -> np.random.Generator:
        """Stream of a batch, counted from 1; stream 0 is the epoch's order."""
        return np.random.default_rng([self.seed, self.epoch, batch])

    def _batch(self, chosen: np.ndarray, augment: Augment | None) -> np.ndarray:
        raw = self._gather(self._x, chosen)
        batch = np.moveaxis(raw, -1, 1) if raw.ndim > 2 else raw
        if augment is not None:
            batch = augment(batch, self._generator(self.position))
        if self.normalize is None:
            return batch
        stored = (len(batch), *batch.shape[2:], batch.shape[1]) if raw.ndim > 2 else batch.shape
        out = self._buffer(stored, np.dtype(np.float32))
        return self.normalize(batch, np.moveaxis(out, -1, 1) if out.ndim > 2 else out)

    def _gather(self, source: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        out = self._buffer((len(chosen), *source.shape[1:]), source.dtype)
        # mode="clip": with the default, take goes through a temporary array. No index is outside.
        return np.take(source, chosen, axis=0, out=out, mode="clip")

    def _buffer(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Memory of this shape that only this loader still refers to, or new memory."""
        for buffer in self._buffers:
            fits = buffer.shape == shape and buffer.dtype == dtype
            if fits and sys.getrefcount(buffer) <= _IDLE_REFERENCES:
                return buffer
        fresh = np.empty(shape, dtype)
        self._buffers = [fresh, *self._buffers[: MAX_BUFFERS - 1]]
        return fresh

    def state_dict(self) -> dict[str, int]:
        """Seed, epoch and position: the number of batches of this epoch given out."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on at ``state``.

        Raises
        ------
        ValueError
            The position is outside the epoch.
        """
        if not 0 <= state["position"] <= len(self):
            raise ValueError(
                f"Loader: position must be in [0, {len(self)}], got {state['position']}; "
                "were the data or the batch size others?"
            )
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
