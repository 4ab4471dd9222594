"""Augmentation of uint8 images, in one pass."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from .. import _core
from ._types import Pair

__all__ = ["augment"]

Range = tuple[float, float]


def augment(
    x: np.ndarray,
    index: np.ndarray | None = None,
    *,
    sample: np.ndarray | None = None,
    seed: int = 0,
    epoch: int = 0,
    size: Pair | None = None,
    crop: str = "random",
    padding: Pair = 0,
    padding_mode: str = "constant",
    fill: int = 0,
    scale: Range = (0.08, 1.0),
    ratio: Range = (3 / 4, 4 / 3),
    horizontal_flip: float = 0.0,
    vertical_flip: float = 0.0,
    brightness: Range = (1.0, 1.0),
    contrast: Range = (1.0, 1.0),
    saturation: Range = (1.0, 1.0),
    pca: Sequence[Sequence[float]] | None = None,
    noise: float = 0.0,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    max_value: float = 255.0,
    cutout: int = 0,
    erase: float = 0.0,
    erase_scale: Range = (0.02, 0.33),
    erase_ratio: Range = (0.3, 3.3),
    erase_value: float = 0.0,
    dtype: DTypeLike = "float32",
    threads: int | None = None,
) -> np.ndarray:
    """Images of a data set, gathered, augmented and normalised in one pass over the bytes.

    In this order, each step being left out by its default: crop (bytes are copied exactly) or
    resized part (bilinear, antialiased where it shrinks), flips, v = value / ``max_value``,
    brightness v <- clip(b v), contrast v <- clip(c v + (1 - c) m) with m the mean gray of the
    image, saturation v <- clip(s v + (1 - s) gray), PCA colour v <- v + P z, noise
    v <- clip(v + ``noise`` z), y = (v - mean) / std, erasing. clip is to [0, 1]; gray is
    0.2989 R + 0.587 G + 0.114 B, or the only channel; z are standard normals.

    All that is random about an image is a pure function of (seed, epoch, sample): words of
    Philox4x32-10 with key ``seed`` and counter (block, epoch, low word, high word of sample).
    Block 0: horizontal flip, vertical flip, top, left of the crop. Block 1: whether to erase,
    brightness, contrast, saturation. Block 2: normals of the colour offset. Block 3: row and column
    of the cutout. Blocks 16 to 25 and 32 to 41: up to ten attempts to place a part to resize, to
    erase: area, log aspect, top, left. Block 64 + i // 4: noise of elements i (H, W, C order).
    A word w is a number in [0, n) as w n >> 32, an event of probability p if w < floor(p 2^32);
    normals are Box and Muller's, from the upper 24 bits of two words each.

    Parameters
    ----------
    x : ndarray (N, C, H, W), uint8
        The data set, of any strides; memory of HWC images, ``transpose(0, 3, 1, 2)``, is fastest.
        Only the images asked for are read.
    index : ndarray (n,), int64, optional
        Images to take; None: all.
    sample : ndarray (n,), int64, optional
        Numbers under which they draw; None: ``index``.
    seed : int in [0, 2^64)
    epoch : int in [0, 2^32)
    size : int or (H', W'), optional
        Of the result; None: that of ``x``.
    crop : "random", "center", "resized" or "whole"
        "resized" scales a random part of area in ``scale`` and aspect in ``ratio`` to ``size``,
        "whole" the whole image; the others cut ``size`` out of the padded image.
    padding : int or (rows, columns)
    padding_mode : "constant" (``fill``), "edge", "reflect" or "symmetric"
    fill : int in [0, 255]
    scale, ratio : (least, most)
    horizontal_flip, vertical_flip : float in [0, 1]
        Probabilities.
    brightness, contrast, saturation : (least, most)
        Factors are uniform in between. Contrast needs 1 or 3 channels, saturation 3.
    pca : 3 x 3 numbers, optional
        P: eigenvectors in columns, each times its eigenvalue and the deviation of its factor.
    noise : float
        Deviation of normal noise.
    mean, std : C numbers, optional
        In units of v; None: 0 and 1.
    max_value : float
        The value that becomes 1.
    cutout : int
        Side of a square around a random pixel that becomes ``erase_value``, as far as it is inside.
    erase : float in [0, 1]
        Probability that a random rectangle inside the image becomes ``erase_value``.
    erase_scale, erase_ratio : (least, most)
        Its share of the area, and its height over its width.
    erase_value : float
        In units of y.
    dtype : float32 or float64
        Of the result.
    threads : int, optional
        To use at most; None: :func:`fastnn.get_num_threads`.

    Returns
    -------
    y : ndarray (n, C, H', W'), channels-last in memory
        On a CUDA device, where an index or a sample outside its range cannot raise, NaN for it.

    Raises
    ------
    TypeError
        ``x`` is not uint8, ``index`` or ``sample`` not int64, or an option of the wrong type.
    ValueError
        A shape or an option does not fit, or an index is outside ``x``.

    References
    ----------
    Crops and flips: Krizhevsky et al., NeurIPS 2012, section 4.1 (also the colour offset). Resized
    parts: Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6. Cutout: DeVries
    and Taylor, arXiv:1708.04552, 2017. Erasing: Zhong et al., AAAI 2020, algorithm 1.
    """
    return _core.augment(
        x,
        index,
        sample,
        seed,
        epoch,
        size,
        crop,
        padding,
        padding_mode,
        fill,
        scale,
        ratio,
        horizontal_flip,
        vertical_flip,
        brightness,
        contrast,
        saturation,
        pca,
        noise,
        mean,
        std,
        max_value,
        cutout,
        erase,
        erase_scale,
        erase_ratio,
        erase_value,
        dtype,
        threads,
    )
