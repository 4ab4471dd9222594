"""Splitting a data set."""

from typing import NamedTuple

import numpy as np


class TrainTest(NamedTuple):
    """What :func:`train_test_split` returns, in scikit-learn's order."""

    x_train: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


def train_test_split(
    x: np.ndarray, y: np.ndarray, *, test_size: float = 0.25, seed: int = 0, stratify: bool = True
) -> TrainTest:
    """Split at random, the same way for the same seed.

    Parameters
    ----------
    x : ndarray (N, ...)
    y : ndarray (N,)
    test_size : float in (0, 1) or int
        Share or number of test samples.
    seed : int
    stratify : bool
        Give every class of ``y`` the same share of the test part, up to one sample.

    Raises
    ------
    ValueError
        The lengths differ, or one part would be empty.
    """
    n = len(x)
    if len(y) != n:
        raise ValueError(f"train_test_split: x and y must be of one length, got {n} and {len(y)}")
    count = test_size if isinstance(test_size, int) else round(test_size * n)
    if not 0 < count < n:
        raise ValueError(
            f"train_test_split: test_size must leave two parts, got {test_size} of {n}"
        )
    order = np.random.default_rng(seed).permutation(n)
    if stratify:
        order = order[np.argsort(_place_in_class(y[order]), kind="stable")]
    test, train = np.sort(order[:count]), np.sort(order[count:])
    return TrainTest(x[train], x[test], y[train], y[test])


def _place_in_class(y: np.ndarray) -> np.ndarray:
    """Where each sample stands in its class, from 0 to 1: a prefix of this order is stratified."""
    place = np.empty(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return place
