"""``Loader``: seeded batches, channels-last, made ahead if that pays."""

import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from typing import Any

import numpy as np

from .fused import Fused
from .prefetch import Prefetcher
from .standardize import Standardize
from .transforms import Compose, ImageTransform, Map

Batch = tuple[np.ndarray, np.ndarray]
Normalize = Callable[[np.ndarray, np.ndarray], np.ndarray]
Mix = Callable[[np.ndarray, np.ndarray, np.random.Generator], Batch]

MAX_BUFFERS = 12
"""Raw, normalised and target buffers of two batches in flight, for two batch sizes."""

CHUNK = 8
"""Images that a worker takes at a time: submitting one alone costs some 20 us."""


def _idle_references() -> int:
    """Reference count of an array held by a list and a loop alone; it differs between Pythons."""
    for probe in [np.empty(0)]:
        return sys.getrefcount(probe)
    raise AssertionError


_IDLE_REFERENCES = _idle_references()


class Loader:
    """Iterate over ``x`` and ``y`` in batches, one epoch at a time.

    The order is a pure function of (seed, epoch), an image's augmentation one of (seed, epoch,
    index in ``x``), so that two runs see the same batches whatever the threads, and a run that is
    resumed goes on where it stopped. Images come out as (N, C, H, W) in channels-last memory. A
    batch's memory is used again once nobody refers to it. Memory-mapped arrays are not copied.

    Parameters
    ----------
    x : ndarray (N, ...)
        Samples. Integers need ``normalize``, or as uint8 images (N, C, H, W) ``augment``.
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
        Such as a fitted :class:`Standardize`; gives the float32 batch. That of uint8 images becomes
        part of the fused pass.
    augment : Compose or a sequence of transforms, optional
        For uint8 images; see :class:`Compose`. Without ``normalize`` or :class:`Normalize` the
        batch has values from 0 to 1.
    mix : callable (x, y, generator) -> (x, y), optional
        Such as :class:`Mixup`; the generator is a pure function of (seed, epoch, batch).
    prefetch : int
        Batches that a background thread keeps ready; 0 makes each when it is asked for. The fused
        pass takes a thousandth of a training step, and on two cores AutoAugment in Python, a tenth,
        was no faster from a thread that competes with the kernels: it pays where cores are idle or
        callables wait for a disk.
    workers : int
        Threads for Python callables, beside the one that assembles batches.

    Raises
    ------
    ValueError
        The lengths differ, there are no samples, or an option does not fit.
    TypeError
        ``x`` holds integers and ``normalize`` is missing, or ``augment`` is given and ``x`` is not
        uint8 images.
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
        augment: Compose | Sequence[Fused | ImageTransform] | None = None,
        mix: Mix | None = None,
        prefetch: int = 0,
        workers: int = 0,
    ) -> None:
        if len(x) != len(y) or len(x) == 0:
            raise ValueError(
                f"Loader: x and y must be of one length > 0, got {len(x)} and {len(y)}"
            )
        if batch_size < 1:
            raise ValueError(f"Loader: batch_size must be positive, got {batch_size}")
        for name, value in (("prefetch", prefetch), ("workers", workers)):
            if value < 0:
                raise ValueError(f"Loader: {name} must be at least 0, got {value}")
        images = x.ndim == 4 and x.dtype == np.uint8
        if augment is not None and not images:
            raise TypeError(
                f"Loader: x must be uint8 images (N, C, H, W) for augment, got {x.dtype} {x.shape}"
            )
        if normalize is None and augment is None and x.dtype.kind != "f":
            raise TypeError(
                "Loader: x must be float32 or float64, or normalize or augment be given, "
                f"got {x.dtype}"
            )
        standard = isinstance(normalize, Standardize) and normalize.dtype == np.float32
        self._compose: Compose | None = None
        if augment is not None or (images and standard):
            self._compose = _compose(augment or [], normalize, x.shape[1])
        # What the fused pass does not do.
        self._normalize = None if self._compose is not None and standard else normalize
        self._x = np.moveaxis(x, 1, -1) if x.ndim > 2 else x
        if not _is_mapped(x):
            self._x = np.ascontiguousarray(self._x)
        self._y = np.ascontiguousarray(y)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.normalize, self.augment, self.mix = normalize, augment, mix
        self.prefetch, self.workers = prefetch, workers
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
        """The rest of the current epoch, or the next one if nothing of it is left.

        The position counts the batches handed out, not those made ahead.
        """
        if self.position == len(self):
            self.epoch, self.position = self.epoch + 1, 0
        batches = self._batches(self.epoch, self.position, None if self.prefetch == 0 else 1)
        source = Prefetcher(batches, self.prefetch) if self.prefetch else batches
        try:
            for batch in source:
                self.position += 1
                yield batch
        finally:
            source.close()

    def in_order(self) -> Iterator[Batch]:
        """All samples once, in the order of ``x``, without augmentation: what evaluation reads.

        Of ``augment`` stay normalisation and sizes. The position in the epoch does not change.
        """
        compose = None if self._compose is None else self._compose.evaluation()
        for start in range(0, len(self._x), self.batch_size):
            chosen = np.arange(start, min(start + self.batch_size, len(self._x)))
            yield self._batch(chosen, compose), self._gather(self._y, chosen)

    def _batches(self, epoch: int, first: int, threads: int | None) -> Generator[Batch, None, None]:
        """The batches of an epoch from this one on.

        A background thread uses no other of fastnn's threads: a training step would have to wait
        for them, or run without.
        """
        order, compose = self._order(epoch), self._compose
        with ExitStack() as stack:
            each: Map = map
            if self.workers and compose is not None and compose.callables:
                each = _map_of(stack.enter_context(ThreadPoolExecutor(self.workers)))
            for position in range(first, len(self)):
                start = position * self.batch_size
                chosen = order[start : min(start + self.batch_size, self.samples)]
                x = self._batch(chosen, compose, epoch=epoch, threads=threads, map=each)
                y = self._gather(self._y, chosen)
                if self.mix is not None:
                    x, y = self.mix(x, y, self._generator(epoch, position + 1))
                yield x, y

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self._x))
        return self._generator(epoch, 0).permutation(len(self._x))

    def _generator(self, epoch: int, batch: int) -> np.random.Generator:
        """Stream of a batch, counted from 1; stream 0 is the epoch's order."""
        return np.random.default_rng([self.seed, epoch, batch])

    def _batch(self, chosen: np.ndarray, compose: Compose | None, **how: Any) -> np.ndarray:
        if compose is not None:
            batch = compose(np.moveaxis(self._x, -1, 1), chosen, seed=self.seed, **how)
        else:
            raw = self._gather(self._x, chosen)
            batch = np.moveaxis(raw, -1, 1) if raw.ndim > 2 else raw
        if self._normalize is None:
            return batch
        stored = (len(batch), *batch.shape[2:], batch.shape[1]) if batch.ndim > 2 else batch.shape
        out = self._buffer(stored, np.dtype(np.float32))
        return self._normalize(batch, np.moveaxis(out, -1, 1) if out.ndim > 2 else out)

    def _gather(self, source: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        out = self._buffer((len(chosen), *source.shape[1:]), source.dtype)
        if source.flags.c_contiguous:
            # mode="clip": with the default, take goes through a temporary array. No index is out.
            return np.take(source, chosen, axis=0, out=out, mode="clip")
        out[...] = source[chosen]  # take would copy all of the source
        return out

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


def _compose(
    augment: Compose | Sequence[Fused | ImageTransform], normalize: Normalize | None, channels: int
) -> Compose:
    """The fused pass with the normalisation in it, or with values from 0 to 255 for it."""
    compose = augment if isinstance(augment, Compose) else Compose(augment)
    if normalize is None:
        return compose
    if isinstance(normalize, Standardize):
        if not hasattr(normalize, "mean_"):
            raise RuntimeError("Loader: normalize must be fitted: call its fit(x_train) first")
        mean, std = normalize.mean_, np.where(normalize.std_ > 0, normalize.std_, 1)
        return compose.normalized((mean / 255).tolist(), (std / 255).tolist())
    return compose.normalized([0.0] * channels, [1 / 255] * channels)


def _is_mapped(x: Any) -> bool:
    while isinstance(x, np.ndarray):
        if isinstance(x, np.memmap):
            return True
        x = x.base
    return False


def _map_of(pool: ThreadPoolExecutor) -> Map:
    """``map`` by the threads of a pool, some images at a time."""

    def each(f: Callable[[int], np.ndarray], items: Iterable[int]) -> Iterable[np.ndarray]:
        listed = list(items)
        parts = [listed[i : i + CHUNK] for i in range(0, len(listed), CHUNK)]
        return chain.from_iterable(pool.map(lambda part: [f(i) for i in part], parts))

    return each
