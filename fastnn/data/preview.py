"""``python -m fastnn.data.preview``: a PNG of augmented images, so that you see what you train on.

Such as ``python -m fastnn.data.preview --data cifar10 --root DIR --policy cifar10 --out seen.png``.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._images import Backend
from .autoaugment import AutoAugment, RandAugment, TrivialAugmentWide
from .cifar import CIFAR10_CLASSES, load_cifar10
from .distort import lens_distortion
from .folder import ImageFolder
from .fused import (
    ColorJitter,
    Cutout,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomResizedCrop,
)
from .grid import plot_augmented
from .random_ops import ElasticTransform, RandomAffine, RandomOp
from .sets import Split, load_digits, load_mnist
from .transforms import Compose

LOADERS: dict[str, tuple[Callable[[Path], Split], Sequence[object]]] = {
    "mnist": (load_mnist, range(10)),
    "cifar10": (load_cifar10, CIFAR10_CLASSES),
}


def policies(shape: tuple[int, int, int], backend: Backend = "pillow") -> dict[str, list[Any]]:
    """Transforms of every ``--policy`` for images of ``shape`` (C, H, W)."""
    channels, h, w = shape
    # He et al. pad CIFAR's 32 pixels by 4; Simard et al. distort digits of 29.
    flip_crop = [RandomHorizontalFlip(), RandomCrop((h, w), padding=(h // 8, w // 8))]
    scale = min(h, w) / 29
    return {
        "flip-crop": flip_crop,
        "resized-crop": [RandomHorizontalFlip(), RandomResizedCrop((h, w))],
        "cutout": [*flip_crop, Cutout(max(1, min(h, w) // 2))],
        "erasing": [*flip_crop, RandomErasing(p=1.0)],
        "jitter": [ColorJitter(0.4, 0.4, 0.4 if channels == 3 else 0)],
        "affine": [RandomAffine(15, (0.1, 0.1), (0.9, 1.1), 10, backend=backend)],
        "elastic": [ElasticTransform(34 * scale**2, 4 * scale, backend=backend)],
        "lens": [RandomOp(lens_distortion, (-0.3, 0.5), backend=backend)],
        "cifar10": [AutoAugment("cifar10", backend=backend)],
        "svhn": [AutoAugment("svhn", backend=backend)],
        "imagenet": [AutoAugment("imagenet", backend=backend)],
        "randaugment": [RandAugment(backend=backend)],
        "trivialaugment": [TrivialAugmentWide(backend=backend)],
    }


POLICIES = tuple(policies((3, 32, 32)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        x, index, labels = _images(args)
        augment = Compose(policies(x.shape[1:], args.backend)[args.policy])
        title = f"{args.data} under {args.policy}, seed {args.seed}"
        options = {"epochs": args.epochs, "seed": args.seed, "title": title}
        plot_augmented(x, augment, args.out, index=index, labels=labels, **options)
    except (OSError, ValueError, ImportError) as error:
        print(f"preview: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {len(index)} images of {args.data} under {args.policy}")
    return 0


def _images(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images (N, C, H, W) of uint8 from 0 to 255, which of them to show, and their classes."""
    if args.data == "digits":
        x, y = load_digits()
        index = _draw(len(x), args)
        return np.rint(x * (255 / 16)).astype(np.uint8), index, [str(i) for i in y[index]]
    if args.root is None:
        raise ValueError(f"--data {args.data} needs --root, the folder of its files")
    if args.data == "folder":  # only the images to show are decoded
        folder = ImageFolder(args.root, args.size)
        x, y = folder.read(_draw(len(folder), args))
        return x, np.arange(len(x)), [folder.classes[i] for i in y]
    load, classes = LOADERS[args.data]
    x, y, _, _ = load(args.root)
    index = _draw(len(x), args)
    return x, index, [str(classes[i]) for i in y[index]]


def _draw(n: int, args: argparse.Namespace) -> np.ndarray:
    rng = np.random.default_rng(args.seed)
    return np.sort(rng.choice(n, min(args.images, n), replace=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fastnn.data.preview",
        description="A PNG of augmented images: the original, then what each epoch makes of it.",
    )
    parser.add_argument("--data", choices=["digits", *LOADERS, "folder"], default="digits")
    parser.add_argument("--root", type=Path, help="folder of the data; --data folder: of classes")
    parser.add_argument("--policy", choices=POLICIES, default="flip-crop")
    parser.add_argument("--out", type=Path, default=Path("preview.png"), help="default %(default)s")
    parser.add_argument("--images", type=int, default=8, help="rows, default %(default)s")
    parser.add_argument("--epochs", type=int, default=9, help="columns, default %(default)s")
    parser.add_argument("--size", type=int, default=224, help="of images from a folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", choices=["pillow", "opencv"], default="pillow")
    return parser


if __name__ == "__main__":
    sys.exit(main())
