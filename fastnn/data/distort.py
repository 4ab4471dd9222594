"""Distortions of single images that are no affine maps: a lens, and elastic skin.

Images, ``fill``, ``backend`` and errors are those of ``geometry``; sampling is bilinear. Pillow has
no map of single pixels, so that its place is taken by NumPy, with Pillow's rule for the rim.
"""

import math
from functools import lru_cache

import numpy as np

from ._images import Backend, Fill, fill_values, need_finite, need_image, opencv, use_opencv


def lens_distortion(
    image: np.ndarray, strength: float, *, fill: Fill = 0, backend: Backend = "pillow"
) -> np.ndarray:
    """What a lens does to straight lines: sampled at r (1 + strength r²), r = 1 in the corners.

    Parameters
    ----------
    image : uint8 (H, W, C)
    strength : float, at least -1/3
        Positive gives a barrel (the middle bulges), negative a pincushion; 0.2 is strong. Below
        -1/3 the image would fold over.
    fill : int or tuple of int
    backend : "pillow" or "opencv"

    Raises
    ------
    TypeError, ValueError, ImportError
        As in ``geometry``; ``strength`` below -1/3.

    References
    ----------
    Brown, "Decentering distortion of lenses", 1966, first radial term; as augmentation: Wu et al.,
    "Deep Image: Scaling up Image Recognition", arXiv:1501.02876, section 3.2.
    """
    image = need_image("lens_distortion", image)
    need_finite("lens_distortion", strength=strength)
    if strength < -1 / 3:
        raise ValueError(f"lens_distortion: strength must be at least -1/3, got {strength}")
    h, w = image.shape[:2]
    y, x = (np.arange(size) + 0.5 - size / 2 for size in (h, w))
    stretch = 1 + strength * (x**2 + y[:, None] ** 2) / ((h / 2) ** 2 + (w / 2) ** 2)
    return _sample(
        "lens_distortion", image, x * stretch + w / 2, y[:, None] * stretch + h / 2, fill, backend
    )


def elastic(
    image: np.ndarray,
    alpha: float,
    rng: np.random.Generator,
    *,
    sigma: float = 4.0,
    fill: Fill = 0,
    backend: Backend = "pillow",
) -> np.ndarray:
    """Every pixel moved by smooth noise: uniform in [-1, 1], blurred by a Gaussian, times alpha.

    Parameters
    ----------
    image : uint8 (H, W, C)
    alpha : float
        Pixels; 34 in the paper. The standard deviation of a displacement is about
        alpha / (sqrt(12 pi) sigma): 1.4 pixels with the paper's values.
    rng : numpy.random.Generator
        The only source of randomness.
    sigma : float
        Of the Gaussian, in pixels.
    fill : int or tuple of int
    backend : "pillow" or "opencv"

    Raises
    ------
    TypeError, ValueError, ImportError
        As in ``geometry``; ``sigma`` is not positive.

    References
    ----------
    Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
    visual document analysis", ICDAR 2003, section 2.
    """
    image = need_image("elastic", image)
    need_finite("elastic", alpha=alpha, sigma=sigma)
    if sigma <= 0:
        raise ValueError(f"elastic: sigma must be positive, got {sigma}")
    h, w = image.shape[:2]
    dx, dy = alpha * smooth_noise(h, w, sigma, rng)
    x, y = np.arange(w) + 0.5 + dx, np.arange(h)[:, None] + 0.5 + dy
    return _sample("elastic", image, x, y, fill, backend)


def smooth_noise(h: int, w: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Two fields (2, h, w) of uniform noise in [-1, 1], blurred by a Gaussian of weight 1.

    The noise reaches beyond the borders, so that the statistics are the same everywhere.
    """
    blur_y, blur_x = (_gaussian(size, sigma) for size in (h, w))
    noise = rng.uniform(-1, 1, (2, blur_y.shape[1], blur_x.shape[1]))
    smooth: np.ndarray = blur_y @ noise @ blur_x.T
    return smooth


@lru_cache(maxsize=32)  # building it takes a quarter of the time of a large image
def _gaussian(size: int, sigma: float) -> np.ndarray:
    """Matrix (size, size + 2 reach) that blurs along one axis; reach is 3 sigma."""
    reach = math.ceil(3 * sigma)
    offset = np.arange(size + 2 * reach) - np.arange(size)[:, None] - reach
    weight = np.where(abs(offset) <= reach, np.exp(-0.5 * (offset / sigma) ** 2), 0)
    weight /= weight.sum(1, keepdims=True)
    weight.flags.writeable = False
    return weight


def _sample(
    name: str, image: np.ndarray, x: np.ndarray, y: np.ndarray, fill: Fill, backend: Backend
) -> np.ndarray:
    """The image at ``x``, ``y``, counted from its corner: pixel centres are halves."""
    h, w, channels = image.shape
    values = fill_values(name, fill, channels)
    x, y = x - 0.5, y - 0.5
    if use_opencv(name, backend):
        cv2, maps = opencv(), (x.astype(np.float32), y.astype(np.float32))
        options = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": values}
        warped = cv2.remap(image, *maps, cv2.INTER_LINEAR, **options)
        return np.asarray(warped).reshape(image.shape)
    outside = (x < -0.5) | (y < -0.5) | (x >= w - 0.5) | (y >= h - 0.5)
    x, y = x.clip(0, w - 1), y.clip(0, h - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, below = np.minimum(left + 1, w - 1), np.minimum(top + 1, h - 1)
    u, v = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - u) + image[top, right] * u
    lower = image[below, left] * (1 - u) + image[below, right] * u
    result: np.ndarray = (upper * (1 - v) + lower * v + 0.5).astype(np.uint8)
    result[outside] = values
    return result
