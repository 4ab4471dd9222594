"""Random versions of the operations on single images, for ``Compose`` and ``Loader``.

Each is called as ``f(image, rng)`` with an image (H, W, C) of uint8 and a
``numpy.random.Generator``, from which alone it draws; the same state of ``rng`` gives the same
image. It may return the image that it was given, and never writes to it.
"""

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np

from ._images import need_finite
from .distort import elastic
from .geometry import Warp, affine, need_warp

ImageOp = Callable[..., np.ndarray]
Interval = tuple[float, float]


def _interval(name: str, argument: str, value: float | Interval) -> Interval:
    """A number is the interval from its negative to itself."""
    low, high = value if isinstance(value, tuple) else (-value, value)
    need_finite(name, **{argument: low + high})
    if low > high:
        raise ValueError(f"{name}: {argument} must be an interval (low, high), got {value}")
    return low, high


class RandomOp:
    """With probability ``p``, ``op(image, amount)`` with an amount drawn from an interval.

    Such as ``RandomOp(geometry.rotate, (-15, 15))``, ``RandomOp(color.posterize, (4, 8),
    integers=True)``, ``RandomOp(lens_distortion, (-0.2, 0.2), fill=128)`` or
    ``RandomOp(color.equalize, p=0.5)``.

    Parameters
    ----------
    op : callable (image, amount, **options) -> image
    amount : (float, float), optional
        Both ends included; None for an op without amount.
    p : float in [0, 1]
    integers : bool
        Draw whole numbers.
    **options
        Further keywords of ``op``.

    Raises
    ------
    TypeError
        ``op`` is not callable.
    ValueError
        ``p`` is no probability or ``amount`` no interval.
    """

    def __init__(
        self,
        op: ImageOp,
        amount: Interval | None = None,
        *,
        p: float = 1.0,
        integers: bool = False,
        **options: Any,
    ) -> None:
        if not callable(op):
            raise TypeError(f"RandomOp: op must be callable, got {type(op).__name__}")
        if not 0 <= p <= 1:
            raise ValueError(f"RandomOp: p must be in [0, 1], got {p}")
        self.op, self.p, self.integers, self.options = op, p, integers, options
        self.amount = None if amount is None else _interval("RandomOp", "amount", amount)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The image, or ``op`` of it."""
        if rng.random() >= self.p:
            return image
        if self.amount is None:
            return self.op(image, **self.options)
        low, high = self.amount
        if self.integers:
            return self.op(image, int(rng.integers(int(low), int(high) + 1)), **self.options)
        return self.op(image, rng.uniform(low, high), **self.options)

    def __repr__(self) -> str:
        return f"RandomOp({getattr(self.op, '__name__', self.op)}, {self.amount}, p={self.p})"


class RandomAffine:
    """Rotation, translation, scale and shear, drawn independently, in one warp.

    Parameters
    ----------
    degrees : float or (low, high)
        Angle; a number stands for (-degrees, degrees).
    translate : (float, float), optional
        Largest shift as a share of width and height.
    scale : (low, high), optional
        Of both axes together.
    shear : float or (low, high), optional
        Degrees by which vertical lines lean.
    **warp
        ``interpolation``, ``fill`` and ``backend`` of :func:`geometry.affine`.

    Raises
    ------
    ValueError
        An interval is none, or a share is negative.

    References
    ----------
    Arguments as in torchvision's ``RandomAffine``; angles are counter-clockwise here.
    """

    def __init__(
        self,
        degrees: float | Interval,
        translate: tuple[float, float] | None = None,
        scale: Interval | None = None,
        shear: float | Interval | None = None,
        **warp: Unpack[Warp],
    ) -> None:
        need_warp("RandomAffine", warp)
        self.degrees = _interval("RandomAffine", "degrees", degrees)
        self.translate = (0.0, 0.0) if translate is None else translate
        self.scale = (1.0, 1.0) if scale is None else _interval("RandomAffine", "scale", scale)
        self.shear = _interval("RandomAffine", "shear", 0.0 if shear is None else shear)
        self.warp = warp
        if min(self.translate) < 0:
            raise ValueError(f"RandomAffine: translate must not be negative, got {translate}")
        if self.scale[0] <= 0:
            raise ValueError(f"RandomAffine: scale must be positive, got {scale}")

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A warped copy."""
        angle, scale, shear = (rng.uniform(*r) for r in (self.degrees, self.scale, self.shear))
        x, y = (
            share * size * rng.uniform(-1, 1)
            for share, size in zip(self.translate, image.shape[1::-1], strict=True)
        )
        return affine(image, angle, (x, y), scale, (shear, 0.0), **self.warp)

    def __repr__(self) -> str:
        return (
            f"RandomAffine({self.degrees}, {self.translate}, scale={self.scale}, "
            f"shear={self.shear})"
        )


class ElasticTransform:
    """:func:`elastic` with the defaults of its paper.

    Parameters
    ----------
    alpha, sigma : float
    **options
        ``fill`` and ``backend``.
    """

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0, **options: Any) -> None:
        need_finite("ElasticTransform", alpha=alpha, sigma=sigma)
        self.alpha, self.sigma, self.options = alpha, sigma, options

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A distorted copy."""
        return elastic(image, self.alpha, rng, sigma=self.sigma, **self.options)

    def __repr__(self) -> str:
        return f"ElasticTransform(alpha={self.alpha}, sigma={self.sigma})"
