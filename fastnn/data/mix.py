"""Mixing the images of a batch, and their targets: mixup and CutMix."""

import numpy as np


class Mixup:
    """x <- l x + (1 - l) x', y <- l y + (1 - l) y', l ~ Beta(``alpha``, ``alpha``), one a batch.

    x' and y' are the batch in another order, y its classes as rows of probabilities.

    Parameters
    ----------
    classes : int
        Width of the soft targets.
    alpha : float
        Positive; 0.2 for ImageNet, 1 for CIFAR in the paper.

    Raises
    ------
    ValueError
        ``classes`` or ``alpha`` is not positive.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond empirical risk minimization", ICLR 2018,
    equation 1 and figure 1.
    """

    def __init__(self, classes: int, alpha: float = 1.0) -> None:
        self.classes, self.alpha = classes, alpha
        if classes < 1 or not alpha > 0:
            raise ValueError(
                f"{type(self).__name__}: classes and alpha must be positive, "
                f"got {classes} and {alpha}"
            )

    def __call__(
        self, x: np.ndarray, y: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix ``x`` (N, ...) in place; returns it with targets (N, classes) of its dtype.

        ``y`` holds classes (N,) or probabilities (N, classes).
        """
        share = float(generator.beta(self.alpha, self.alpha))
        partner = generator.permutation(len(x))
        share = self._mix(np.moveaxis(x, 1, -1) if x.ndim > 2 else x, partner, share, generator)
        soft = self._soft(y, x.dtype)
        return x, (share * soft + (1 - share) * soft[partner]).astype(x.dtype)

    def _mix(
        self, x: np.ndarray, partner: np.ndarray, share: float, generator: np.random.Generator
    ) -> float:
        """Mix (N, ..., C) and return the share of itself that an image keeps."""
        other = x[partner]
        x *= x.dtype.type(share)
        other *= x.dtype.type(1 - share)
        x += other
        return share

    def _soft(self, y: np.ndarray, dtype: np.dtype) -> np.ndarray:
        name = type(self).__name__
        if y.ndim == 2 and y.shape[1] == self.classes and y.dtype.kind == "f":
            return np.asarray(y)
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise TypeError(
                f"{name}: y must be classes (N,) or probabilities (N, {self.classes}), "
                f"got {y.dtype} {y.shape}"
            )
        if y.min() < 0 or y.max() >= self.classes:
            raise ValueError(
                f"{name}: y must be in [0, {self.classes}), got {y.min()} to {y.max()}"
            )
        soft: np.ndarray = np.eye(self.classes, dtype=dtype)[y]
        return soft


class CutMix(Mixup):
    """A rectangle of each image comes from another one; targets mix by area.

    The rectangle has the share 1 - l of the area, l ~ Beta(``alpha``, ``alpha``), the image's
    aspect, a uniformly random centre, and is clipped to the image; l becomes what is left. One
    rectangle a batch.

    References
    ----------
    Yun et al., "CutMix: Regularization strategy to train strong classifiers with localizable
    features", ICCV 2019, equations 1 and 2, algorithm 1.
    """

    def _mix(
        self, x: np.ndarray, partner: np.ndarray, share: float, generator: np.random.Generator
    ) -> float:
        if x.ndim != 4:
            raise ValueError(f"CutMix: x must be images (N, C, H, W), got rank {x.ndim}")
        part = []
        for size in x.shape[1:3]:
            center, side = int(generator.integers(size)), round(size * (1 - share) ** 0.5)
            low = max(0, center - side // 2)
            part.append(slice(low, max(low, min(size, center - side // 2 + side))))
        inside = (slice(None), *part)
        x[inside] = x[inside][partner]
        rows, columns = (s.stop - s.start for s in part)
        return float(1 - rows * columns / (x.shape[1] * x.shape[2]))
