"""Augmentation of raw batches."""

import numpy as np


class RandomShift:
    """Move every image by up to ``pixels`` in each direction, filling with ``fill``.

    Parameters
    ----------
    pixels : int
    fill : float
        Value of the background.
    """

    def __init__(self, pixels: int, fill: float = 0) -> None:
        self.pixels, self.fill = pixels, fill

    def __call__(self, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Shifted copy of ``x`` (N, C, H, W), channels-last in memory."""
        n, c, h, w = x.shape
        p = self.pixels
        padded = np.full((n, h + 2 * p, w + 2 * p, c), self.fill, x.dtype)
        padded[:, p : p + h, p : p + w] = x.transpose(0, 2, 3, 1)
        result = np.empty((n, h, w, c), x.dtype)
        for i, (top, left) in enumerate(generator.integers(0, 2 * p + 1, (n, 2)).tolist()):
            result[i] = padded[i, top : top + h, left : left + w]
        return result.transpose(0, 3, 1, 2)
