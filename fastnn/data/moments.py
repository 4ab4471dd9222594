"""Mean and variance, or covariance, of a stream of samples."""

import numpy as np


class Moments:
    """Count, mean and sum of squared deviations of the rows given so far, in float64.

    Two sets A and B of rows merge as

        d = mean_B - mean_A,   n = n_A + n_B,
        mean = mean_A + d n_B / n,   S = S_A + S_B + d d^T n_A n_B / n,

    with S the sums of products, or their diagonal alone without ``covariance``. Those of a batch
    are taken around its own mean, so that no large numbers cancel.

    References
    ----------
    Chan, Golub and LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician 37, 1983, equations 2.1.
    """

    def __init__(self, features: int, covariance: bool = False) -> None:
        self.count = 0
        self.mean = np.zeros(features)
        self.squares = np.zeros((features, features) if covariance else features)

    def add(self, rows: np.ndarray) -> None:
        """Take in float64 ``rows`` (n, k features), which are overwritten.

        k > 1, such as the pixels of an image, counts as k rows. Sums then run along long rows,
        which is three times as fast as along three channels.
        """
        features = self.mean.size
        n = rows.size // features
        total = self.count + n
        mean = rows.mean(0).reshape(-1, features).mean(0)
        rows -= np.tile(mean, rows.shape[1] // features)
        delta = mean - self.mean
        pull = delta * (self.count * n / total)
        if self.squares.ndim == 2:
            self.squares += rows.T @ rows
            self.squares += np.multiply.outer(delta, pull)
        else:
            self.squares += np.einsum("ij,ij->j", rows, rows).reshape(-1, features).sum(0)
            self.squares += delta * pull
        self.mean += delta * (n / total)
        self.count = total
