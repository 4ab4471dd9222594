"""Splitting a data set: two parts, three parts, k folds."""

from collections.abc import Iterator
from numbers import Integral
from operator import index
from typing import NamedTuple

import numpy as np


class TrainTest(NamedTuple):
    """What :func:`train_test_split` returns, in scikit-learn's order."""

    x_train: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


class TrainValTest(NamedTuple):
    """What :func:`train_val_test_split` returns."""

    x_train: np.ndarray
    x_val: np.ndarray
    x_test: np.ndarray
    y_train: np.ndarray
    y_val: np.ndarray
    y_test: np.ndarray


def train_test_split(
    x: np.ndarray,
    y: np.ndarray,
    *,
    test_size: float = 0.25,
    seed: int = 0,
    stratify: bool | None = None,
) -> TrainTest:
    """Split at random, the same way for the same seed.

    Parameters
    ----------
    x : ndarray (N, ...)
    y : ndarray (N, ...)
    test_size : float in (0, 1) or int
        Share or number of test samples.
    seed : int
    stratify : bool, optional
        Give every class of ``y`` the same share of the test part, up to one sample. None does so
        if ``y`` (N,) holds integers, booleans or strings.

    Raises
    ------
    ValueError
        The lengths differ, ``y`` has no classes to stratify by, or one part would be empty.
    """
    order = _order("train_test_split", x, y, seed, stratify)
    count = _count(test_size, len(x))
    if not 0 < count < len(x):
        raise ValueError(
            f"train_test_split: test_size must leave two parts, got {test_size} of {len(x)}"
        )
    test, train = np.sort(order[:count]), np.sort(order[count:])
    return TrainTest(x[train], x[test], y[train], y[test])


def train_val_test_split(
    x: np.ndarray,
    y: np.ndarray,
    *,
    val_size: float = 0.1,
    test_size: float = 0.1,
    seed: int = 0,
    stratify: bool | None = None,
) -> TrainValTest:
    """Split in three at random: one part to fit, one to choose by, one to report.

    Parameters
    ----------
    x : ndarray (N, ...)
    y : ndarray (N, ...)
    val_size, test_size : float in (0, 1) or int
        Shares of all samples, or numbers. The test part is the one that :func:`train_test_split`
        gives for the same seed.
    seed : int
    stratify : bool, optional
        Give every class of ``y`` the same share of each part, up to two samples; None as in
        :func:`train_test_split`.

    Raises
    ------
    ValueError
        The lengths differ, ``y`` has no classes to stratify by, or one part would be empty.
    """
    order = _order("train_val_test_split", x, y, seed, stratify)
    test, val = _count(test_size, len(x)), _count(val_size, len(x))
    if min(test, val) < 1 or test + val >= len(x):
        raise ValueError(
            "train_val_test_split: val_size and test_size must leave three parts, "
            f"got {val_size} and {test_size} of {len(x)}"
        )
    chosen = [np.sort(part) for part in (order[test + val :], order[test:][:val], order[:test])]
    return TrainValTest(*(x[part] for part in chosen), *(y[part] for part in chosen))


def kfold(
    y: np.ndarray | int,
    k: int = 5,
    *,
    seed: int = 0,
    shuffle: bool = True,
    stratify: bool | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of ``k`` divisions into training and validation; each sample validates once.

    Parameters
    ----------
    y : ndarray (N, ...), or int
        Targets, or only the number of samples N.
    k : int
        Folds, 2 to N. Their sizes differ by at most one.
    seed : int
    shuffle : bool
        Draw the folds at random; False takes blocks, of each class, as they come.
    stratify : bool, optional
        Give every fold the same share of each class, up to one sample; None as in
        :func:`train_test_split`.

    Yields
    ------
    train, validation : int64 arrays, ascending

    Raises
    ------
    ValueError
        ``k`` is outside its range or above the size of every class, or ``y`` has no classes to
        stratify by.

    References
    ----------
    M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974;
    R. Kohavi, "A study of cross-validation and bootstrap", IJCAI 1995 (stratified). Without
    ``shuffle`` the folds are those of ``KFold`` and ``StratifiedKFold`` of scikit-learn.
    """
    targets = np.asarray(y)
    n = len(targets) if targets.ndim else index(targets)
    if not 2 <= k <= n:
        raise ValueError(f"kfold: k must be in [2, N], got k={k} with N={n}")
    order = np.random.default_rng(seed).permutation(n) if shuffle else np.arange(n)
    if not _wants_classes("kfold", targets, stratify):
        return _divisions(np.array_split(order, k), n)
    _, first, codes, counts = np.unique(
        targets, return_index=True, return_inverse=True, return_counts=True
    )
    if counts.max() < k:
        raise ValueError(
            f"kfold: k={k} folds cannot share classes of at most {counts.max()} samples; "
            "pass stratify=False"
        )
    codes = np.argsort(np.argsort(first))[codes]  # classes in the order of their appearance
    order = order[np.argsort(codes[order], kind="stable")]
    # deal the folds' numbers to the samples by class, and hand them out in blocks within each
    fold = np.arange(n) % k
    fold = fold[np.lexsort((fold, codes[order]))]
    return _divisions([order[fold == i] for i in range(k)], n)


def _divisions(folds: list[np.ndarray], n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for fold in folds:
        held_out = np.zeros(n, bool)
        held_out[fold] = True
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _count(size: float, n: int) -> int:
    """Samples of a part; -1 for what is no share."""
    if isinstance(size, Integral):
        return int(size)
    return round(size * n) if 0 < size < 1 else -1


def _wants_classes(name: str, y: np.ndarray, stratify: bool | None) -> bool:
    has = y.ndim == 1 and y.dtype.kind in "biuUS"
    if stratify and not has:
        raise ValueError(
            f"{name}: y must be classes of shape (N,) to stratify by, got {y.dtype} {y.shape}"
        )
    return has and stratify is not False


def _order(name: str, x: np.ndarray, y: np.ndarray, seed: int, stratify: bool | None) -> np.ndarray:
    """Random order of which any prefix is stratified."""
    n, targets = len(x), np.asarray(y)
    if len(targets) != n:
        raise ValueError(f"{name}: x and y must be of one length, got {n} and {len(targets)}")
    order = np.random.default_rng(seed).permutation(n)
    if not _wants_classes(name, targets, stratify):
        return order
    return order[np.argsort(_place_in_class(targets[order]), kind="stable")]


def _place_in_class(y: np.ndarray) -> np.ndarray:
    """Where each sample stands in its class, from 0 to 1: a prefix of this order is stratified."""
    place = np.empty(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return place
