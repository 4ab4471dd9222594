"""Kernel-backed transforms: each is some options of ``fastnn.functional.augment``.

Names and defaults are torchvision's. Values of images are counted from 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

Pair = tuple[float, float]


@dataclass(frozen=True)
class Fused:
    """Base of the transforms that :class:`Compose` makes one call of."""

    rank: ClassVar[int | None] = None
    """Place in the fused pass; None: anywhere."""

    def options(self) -> dict[str, Any]:
        """Arguments of :func:`fastnn.functional.augment`."""
        raise NotImplementedError

    def evaluation(self) -> "Fused | None":
        """What stands in its place when nothing is random."""
        return None


@dataclass(frozen=True)
class RandomHorizontalFlip(Fused):
    """Swap left and right with probability ``p``."""

    p: float = 0.5

    def options(self) -> dict[str, Any]:
        return {"horizontal_flip": self.p}


@dataclass(frozen=True)
class RandomVerticalFlip(Fused):
    """Swap top and bottom with probability ``p``."""

    p: float = 0.5

    def options(self) -> dict[str, Any]:
        return {"vertical_flip": self.p}


@dataclass(frozen=True)
class CenterCrop(Fused):
    """Cut ``size``, an int or (H, W), out of the centre."""

    size: int | tuple[int, int]
    rank: ClassVar[int | None] = 0

    def options(self) -> dict[str, Any]:
        return {"size": self.size, "crop": "center"}

    def evaluation(self) -> Fused:
        return self


@dataclass(frozen=True)
class Resize(Fused):
    """Resize the whole image to ``size``, an int (a square) or (H, W), bilinear and antialiased."""

    size: int | tuple[int, int]
    rank: ClassVar[int | None] = 0

    def options(self) -> dict[str, Any]:
        return {"size": self.size, "crop": "whole"}

    def evaluation(self) -> Fused:
        return self


@dataclass(frozen=True)
class RandomCrop(Fused):
    """Pad by ``padding``, an int or (rows, columns), and cut ``size`` out at random.

    ``padding_mode`` is "constant" (``fill``, 0 to 255), "edge", "reflect" or "symmetric", as in
    ``numpy.pad``. ``size`` None keeps that of the image.
    """

    size: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] = 0
    fill: int = 0
    padding_mode: str = "constant"
    rank: ClassVar[int | None] = 0

    def options(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "padding": self.padding,
            "fill": self.fill,
            "padding_mode": self.padding_mode,
        }

    def evaluation(self) -> Fused | None:
        return None if self.size is None else CenterCrop(self.size)


@dataclass(frozen=True)
class RandomResizedCrop(Fused):
    """Resize a random part to ``size``: ``scale`` of the area, at an aspect of ``ratio``.

    Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6.
    """

    size: int | tuple[int, int]
    scale: Pair = (0.08, 1.0)
    ratio: Pair = (3 / 4, 4 / 3)
    rank: ClassVar[int | None] = 0

    def options(self) -> dict[str, Any]:
        return {"size": self.size, "crop": "resized", "scale": self.scale, "ratio": self.ratio}

    def evaluation(self) -> Fused:
        return Resize(self.size)


@dataclass(frozen=True)
class ColorJitter(Fused):
    """Random brightness, contrast and saturation, in this order.

    Each is a number b, for a factor from [max(0, 1 - b), 1 + b], or a pair (least, most).
    """

    brightness: float | Pair = 0
    contrast: float | Pair = 0
    saturation: float | Pair = 0
    rank: ClassVar[int | None] = 1

    def options(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in ("brightness", "contrast", "saturation")}
        return {
            name: v if isinstance(v, Sequence) else (max(0.0, 1 - v), 1 + v)
            for name, v in given.items()
        }


IMAGENET_PCA = (
    (
        (-0.5675, 0.7192, 0.4009),
        (-0.5808, -0.0045, -0.8140),
        (-0.5836, -0.6948, 0.4203),
    ),
    (0.2175, 0.0188, 0.0045),
)
"""Eigenvectors (columns) and eigenvalues of ImageNet's RGB values in [0, 1], as in common use."""


@dataclass(frozen=True)
class PCAColor(Fused):
    """AlexNet's colour offset: sum over k of a_k l_k v_k, a_k normal with deviation ``alpha``.

    ``vectors`` has the eigenvectors v_k of the covariance of RGB values in its columns, ``values``
    the eigenvalues l_k; the default is ImageNet's. Krizhevsky, Sutskever and
    Hinton, "ImageNet classification with deep convolutional neural networks", NeurIPS 2012,
    section 4.1.
    """

    alpha: float = 0.1
    vectors: Sequence[Sequence[float]] = IMAGENET_PCA[0]
    values: Sequence[float] = IMAGENET_PCA[1]
    rank: ClassVar[int | None] = 2

    def options(self) -> dict[str, Any]:
        scaled = [
            [self.alpha * v * e for v, e in zip(row, self.values, strict=True)]
            for row in self.vectors
        ]
        return {"pca": scaled}


@dataclass(frozen=True)
class GaussianNoise(Fused):
    """Add normal noise of deviation ``sigma`` to every value and clip to [0, 1]."""

    sigma: float = 0.1
    rank: ClassVar[int | None] = 3

    def options(self) -> dict[str, Any]:
        return {"noise": self.sigma}


@dataclass(frozen=True)
class Normalize(Fused):
    """(value - mean) / std per channel, values counted from 0 to 1."""

    mean: Sequence[float]
    std: Sequence[float]
    rank: ClassVar[int | None] = 4

    def options(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std}

    def evaluation(self) -> Fused:
        return self


@dataclass(frozen=True)
class Cutout(Fused):
    """Put ``value`` into a square of side ``size`` around a random pixel; it may reach outside.

    Acts after :class:`Normalize`: 0 is the mean. DeVries and Taylor, "Improved regularization of
    convolutional neural networks with Cutout", arXiv:1708.04552, 2017.
    """

    size: int
    value: float = 0.0
    rank: ClassVar[int | None] = 5

    def options(self) -> dict[str, Any]:
        return {"cutout": self.size, "erase_value": self.value}


@dataclass(frozen=True)
class RandomErasing(Fused):
    """With probability ``p`` put ``value`` into a random rectangle within the image.

    It has ``scale`` of the area and an aspect of ``ratio``. Acts after :class:`Normalize`: 0 is the
    mean. Zhong et al., "Random erasing data augmentation", AAAI 2020, algorithm 1.
    """

    p: float = 0.5
    scale: Pair = (0.02, 0.33)
    ratio: Pair = (0.3, 3.3)
    value: float = 0.0
    rank: ClassVar[int | None] = 5

    def options(self) -> dict[str, Any]:
        return {
            "erase": self.p,
            "erase_scale": self.scale,
            "erase_ratio": self.ratio,
            "erase_value": self.value,
        }
