"""Augmentation: any callables on images, then kernel-backed transforms in one fused pass.

The seam between the two is an image: a uint8 array (H, W, C). A callable of one's own, of this
package, of torchvision or of albumentations comes first in a :class:`Compose` and is called as
``f(image, rng)`` if it takes two positional arguments, else as ``f(image)``; albumentations' as
``f(image=image)["image"]``. It returns an image of uint8, (H, W, C) or (H, W), as an array or as
anything that NumPy makes one of, such as a PIL image; all images of a batch must come out in one
size. Callables without ``rng`` have a randomness of their own. ``rng`` is a
``numpy.random.Generator`` that is a pure function of (seed, epoch, sample index), shared by the
callables of one image, so that an image's augmentation depends neither on threads nor on the batch
it is in.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import functional
from .fused import Cutout, Fused, Normalize, RandomErasing

ImageTransform = Callable[..., Any]
"""``f(image)`` or ``f(image, rng)``: uint8 (H, W, C) in, an image out."""

Map = Callable[[Callable[[int], np.ndarray], Iterable[int]], Iterable[np.ndarray]]
"""``map``, or that of a pool of threads."""


def image_generator(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """The random stream of one image in one epoch: Philox4x64, counter (0, 0, sample, epoch)."""
    counter = np.array([0, 0, sample, epoch], np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


class Compose:
    """Transforms one after the other.

    Kernel-backed transforms (:class:`RandomCrop`, :class:`Normalize`, ...) become one call of
    :func:`fastnn.functional.augment`, which always works in this order: geometry, colour, noise,
    normalisation, erasing. They must be listed so, each kind once, behind all other callables;
    flips may stand anywhere among them.

    Parameters
    ----------
    transforms : sequence of :class:`Fused` and callables

    Raises
    ------
    TypeError
        A transform is not callable.
    ValueError
        The order is not the above, or a kind comes twice.
    """

    def __init__(self, transforms: Sequence[Fused | ImageTransform]) -> None:
        self.transforms = list(transforms)
        self.fused = [t for t in self.transforms if isinstance(t, Fused)]
        self.callables: list[Any] = self.transforms[: -len(self.fused) or None]
        for t in self.transforms:
            if not isinstance(t, Fused) and not callable(t):
                raise TypeError(f"Compose: a transform must be callable, got {t!r:.60}")
        for t in self.callables:
            if isinstance(t, Fused):
                raise ValueError(
                    f"Compose: callables must come before {type(t).__name__} and all other "
                    f"kernel-backed transforms, got {self!r}"
                )
        ranks = [t.rank for t in self.fused if t.rank is not None]
        if ranks != sorted(ranks):
            raise ValueError(
                "Compose: transforms must be listed in the order geometry, colour, noise, "
                f"normalisation, erasing, got {self!r}"
            )
        self.options: dict[str, Any] = {}
        for t in self.fused:
            options = t.options()
            if twice := sorted(self.options.keys() & options.keys()):
                raise ValueError(f"Compose: {', '.join(twice)} must be given once, got {self!r}")
            self.options |= options
        self._callers = [_caller(f) for f in self.callables]

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"

    def __call__(
        self,
        x: np.ndarray,
        index: np.ndarray | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        threads: int | None = None,
        map: Map = map,
    ) -> np.ndarray:
        """The batch of the images ``index`` of a data set.

        Parameters
        ----------
        x : uint8 ndarray (N, C, H, W)
            The data set, with any strides; only the images asked for are read.
        index : int64 ndarray (n,), optional
            None: all images in order.
        seed, epoch : int
            With an image's index in ``x`` they decide all that is random about it.
        threads : int, optional
            Of the fused pass; None: :func:`fastnn.get_num_threads`.
        map : callable
            How the callables are mapped over images, such as that of a ThreadPoolExecutor.

        Returns
        -------
        batch : float32 ndarray (n, C, H', W'), channels-last in memory
            Values from 0 to 1 without :class:`Normalize`.

        Raises
        ------
        TypeError
            ``x`` is not uint8, or a callable returned no uint8 image.
        ValueError
            The callables returned images of several shapes, or an option does not fit ``x``.
        """
        sample = index
        if self._callers:
            chosen = np.arange(len(x)) if index is None else np.asarray(index)

            def one(i: int) -> np.ndarray:
                return self._image(x[i].transpose(1, 2, 0), seed, epoch, i)

            x, sample, index = _stack(map(one, chosen.tolist())), chosen, None
        return functional.augment(
            x, index, sample=sample, seed=seed, epoch=epoch, threads=threads, **self.options
        )

    def _image(self, image: np.ndarray, seed: int, epoch: int, sample: int) -> np.ndarray:
        rng = image_generator(seed, epoch, sample)
        result: Any = np.array(image, order="C")  # which a callable may write to
        for call, transform in zip(self._callers, self.callables, strict=True):
            try:
                result = np.asarray(call(result, rng))
            except Exception as error:
                error.add_note(f"in {transform!r} of image {sample}, epoch {epoch}")
                raise
        result = np.atleast_3d(result)
        if result.dtype != np.uint8 or result.ndim != 3:
            raise TypeError(
                "Compose: a callable must return a uint8 image (H, W, C), "
                f"got {result.dtype} {result.shape}"
            )
        return np.asarray(result)

    def evaluation(self) -> "Compose":
        """What is left for evaluation: normalisation and sizes, crops from the centre."""
        kept = [t.evaluation() for t in self.fused]
        return Compose([t for t in kept if t is not None])

    def normalized(self, mean: Sequence[float], std: Sequence[float]) -> "Compose":
        """The same with :class:`Normalize` in its place."""
        late = [t for t in self.fused if isinstance(t, (Cutout, RandomErasing))]
        early = [t for t in self.fused if t not in late]
        return Compose([*self.callables, *early, Normalize(mean, std), *late])


def _caller(f: Any) -> Callable[[Any, np.random.Generator], Any]:
    """``f`` as a function of two arguments."""
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):  # builtins without a signature
        return lambda image, rng: f(image)
    if "force_apply" in parameters:  # albumentations
        return lambda image, rng: f(image=image)["image"]
    needed = [
        p
        for p in parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    return (lambda image, rng: f(image, rng)) if len(needed) >= 2 else (lambda image, rng: f(image))


def _stack(images: Iterable[np.ndarray]) -> np.ndarray:
    """(n, C, H, W) over channels-last memory."""
    found = list(images)
    shapes = sorted({image.shape for image in found})
    if len(shapes) != 1:
        raise ValueError(
            f"Compose: the callables must return images of one shape, got {shapes or 'no image'}"
        )
    return np.stack(found).transpose(0, 3, 1, 2)
