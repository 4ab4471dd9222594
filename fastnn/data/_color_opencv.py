"""The operations of ``color`` with OpenCV: mostly a table of 256 values for each channel."""

import numpy as np

from ._images import opencv

VALUES = np.arange(256)
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


def _look_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``table`` (256,), or (256, C) for a table of each channel's own."""
    result = opencv().LUT(image, table.astype(np.uint8).reshape(1, 256, -1))
    return np.asarray(result).reshape(image.shape)


def _blend(start: np.ndarray, image: np.ndarray, factor: float) -> np.ndarray:
    result = opencv().addWeighted(image, factor, start.reshape(image.shape), 1 - factor, 0)
    return np.asarray(result).reshape(image.shape)


def _blended_values(start: int, factor: float) -> np.ndarray:
    """In float32, as in Pillow."""
    steps = (VALUES - start).astype(np.float32)
    return (np.float32(start) + np.float32(factor) * steps).clip(0, 255)


def invert(image: np.ndarray) -> np.ndarray:
    return _look_up(image, 255 - VALUES)


def posterize(image: np.ndarray, bits: int) -> np.ndarray:
    return _look_up(image, VALUES >> (8 - bits) << (8 - bits))


def solarize(image: np.ndarray, threshold: float) -> np.ndarray:
    return _look_up(image, np.where(threshold <= VALUES, 255 - VALUES, VALUES))


def autocontrast(image: np.ndarray) -> np.ndarray:
    cv2 = opencv()
    low, high = (  # of each channel: down the columns by OpenCV, then along what is left
        cv2.reduce(image, 0, kind).reshape(-1, image.shape[2]).astype(float)
        for kind in (cv2.REDUCE_MIN, cv2.REDUCE_MAX)
    )
    low, high = low.min(0), high.max(0)
    scale = 255 / np.where(high > low, high - low, 255)
    shift = np.where(high > low, -low * scale, 0)
    return _look_up(image, (VALUES[:, None] * scale + shift).astype(int).clip(0, 255))


def equalize(image: np.ndarray) -> np.ndarray:
    tables = np.empty((256, image.shape[2]), int)
    for channel in range(image.shape[2]):
        counts = opencv().calcHist([image], [channel], None, [256], [0, 256]).ravel().astype(int)
        step = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
        below = counts.cumsum() - counts
        tables[:, channel] = (step // 2 + below) // step if step else VALUES
    return _look_up(image, tables.clip(0, 255))


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    return _look_up(image, _blended_values(0, factor))


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    mean = int(_grey(image).mean() + 0.5)
    return _look_up(image, _blended_values(mean, factor))


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    cv2, grey = opencv(), _grey(image)
    return _blend(grey if image.shape[2] == 1 else cv2.merge([grey] * 3), image, factor)


def sharpness(image: np.ndarray, factor: float) -> np.ndarray:
    smooth = image.copy()
    if min(image.shape[:2]) > 2:
        filtered = opencv().filter2D(image, -1, SMOOTH).reshape(image.shape)
        smooth[1:-1, 1:-1] = filtered[1:-1, 1:-1]
    return _blend(smooth, image, factor)


def _grey(image: np.ndarray) -> np.ndarray:
    cv2 = opencv()
    return np.asarray(image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
