"""``ImageFolder``: one folder a class. Needs Pillow."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}
Transform = Callable[[np.ndarray], np.ndarray]


class ImageFolder:
    """Images below ``root/CLASS/``, classes and files in the order of their names.

    A sequence of (image, label) that decodes an image when it is asked for: ``folder[7]`` is one,
    ``folder.read(indices)`` a batch, ``folder.read()`` everything. What is too large for memory is
    decoded once, ``write_npy(path, folder.batches())``, and mapped, ``open_npy(path)``; a file for
    each part of :func:`kfold` or the like is ``folder.batches(indices=train)``.

    Parameters
    ----------
    root : path
        Its subfolders are the classes; images may lie at any depth in them. Names that start
        with a dot are skipped, and so are files of other kinds than ``EXTENSIONS``.
    size : int or (int, int), optional
        Height and width: an image is scaled to cover them and cropped to its centre. None keeps
        the sizes of the files.
    transform : callable, optional
        Applied to each image, uint8 (H, W, C), after ``size``; gives an array (H', W', C').
    mode : "RGB", "L" or "RGBA"
        Pillow mode that images are converted to.

    Attributes
    ----------
    classes : list of str
    class_to_idx : dict of str to int
    paths : list of Path
    targets : int64 (N,)

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no image in one of its classes.
    ValueError
        ``size`` or ``mode`` is not one of those above.
    ImportError
        Pillow is not installed.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        size: int | tuple[int, int] | None = None,
        transform: Transform | None = None,
        *,
        mode: str = "RGB",
    ) -> None:
        _pillow()
        if mode not in CHANNELS:
            raise ValueError(
                f"ImageFolder: mode must be one of {', '.join(CHANNELS)}, got {mode!r}"
            )
        pair = (size, size) if isinstance(size, int) else size
        if pair is not None and (len(pair) != 2 or min(pair) < 1):
            raise ValueError(f"ImageFolder: size must be positive (height, width), got {size}")
        self.root, self.size, self.transform, self.mode = Path(root), pair, transform, mode
        if not self.root.is_dir():
            raise FileNotFoundError(f"ImageFolder: root must be a folder, {self.root} is none")
        folders = [p for p in sorted(self.root.iterdir()) if p.is_dir() and p.name[0] != "."]
        if not folders:
            raise FileNotFoundError(
                f"ImageFolder: {self.root} has no subfolder, one for each class"
            )
        self.classes = [folder.name for folder in folders]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.paths: list[Path] = []
        labels: list[int] = []
        for label, folder in enumerate(folders):
            found = _images(folder)
            if not found:
                raise FileNotFoundError(f"ImageFolder: {folder} has no image")
            self.paths += found
            labels += [label] * len(found)
        self.targets = np.array(labels, np.int64)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        """Image (C, H, W), channels-last in memory, and label of one file.

        Raises
        ------
        ValueError
            The file cannot be decoded; the message names it.
        OSError
            The file cannot be opened.
        """
        path = self.paths[index]
        image = self._decode(path)
        if self.transform is not None:
            image = np.asarray(self.transform(image))
        if image.ndim != 3 or image.dtype.kind not in "uif":
            raise ValueError(
                f"ImageFolder: transform must give numbers (H, W, C), got {image.dtype} "
                f"{image.shape} for {path}"
            )
        return image.transpose(2, 0, 1), int(self.targets[index])

    def __iter__(self) -> Iterator[tuple[np.ndarray, int]]:
        return (self[i] for i in range(len(self)))

    def read(
        self, indices: Sequence[int] | np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels as two arrays.

        Parameters
        ----------
        indices : sequence of int, optional
            Default: all.

        Returns
        -------
        x : (n, C, H, W), channels-last in memory; uint8 without ``transform``
        y : int64 (n,)

        Raises
        ------
        ValueError
            A file cannot be decoded, there are no indices, or the images differ in size.
        OSError
            A file cannot be opened.
        """
        chosen = np.arange(len(self)) if indices is None else np.asarray(indices)
        if chosen.ndim != 1 or chosen.size == 0:
            raise ValueError(f"ImageFolder.read: indices must be (n,), n > 0, got {chosen.shape}")
        x: np.ndarray | None = None
        for place, index in enumerate(chosen):
            image = self[index][0].transpose(1, 2, 0)
            if x is None:
                x = np.empty((len(chosen), *image.shape), image.dtype)
            if image.shape != x.shape[1:] or image.dtype != x.dtype:
                raise ValueError(
                    f"ImageFolder.read: images must agree in size (pass size=) and dtype, got "
                    f"{x.dtype} {x.shape[1:]} and {image.dtype} {image.shape}, {self.paths[index]}"
                )
            x[place] = image
        assert x is not None  # there was an index
        return x.transpose(0, 3, 1, 2), self.targets[chosen]

    def batches(
        self, batch_size: int = 256, indices: Sequence[int] | np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Images of ``indices``, or all, some at a time, as :func:`write_npy` takes them."""
        chosen = np.arange(len(self)) if indices is None else np.asarray(indices)
        for start in range(0, len(chosen), batch_size):
            yield self.read(chosen[start : start + batch_size])[0]

    def _decode(self, path: Path) -> np.ndarray:
        """Image (H, W, C) of a file, of the size and mode asked for."""
        pillow = _pillow()
        with open(path, "rb") as file:
            try:
                image = pillow.Image.open(file).convert(self.mode)
            except Exception as error:  # a damaged file raises whatever its decoder met
                raise ValueError(f"ImageFolder: {path} cannot be decoded: {error}") from error
        if self.size is not None:
            bilinear = pillow.Image.Resampling.BILINEAR
            image = pillow.ImageOps.fit(image, self.size[::-1], bilinear)
        return np.array(image).reshape(image.height, image.width, CHANNELS[self.mode])


def _images(folder: Path) -> list[Path]:
    """Image files below ``folder``, sorted."""
    found = []
    for path in folder.rglob("*"):
        visible = not any(part.startswith(".") for part in path.relative_to(folder).parts)
        if visible and path.suffix.lower() in EXTENSIONS and path.is_file():
            found.append(path)
    return sorted(found)


def _pillow() -> ModuleType:
    try:
        import PIL
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError(
            "ImageFolder needs Pillow, which is not installed: pip install 'fastnn[image]'"
        ) from error
    return PIL
