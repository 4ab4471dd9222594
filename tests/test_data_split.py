"""Splits in three and in k folds."""

import numpy as np
import pytest

from fastnn import data

Y = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [57, 31, 7]))


@pytest.mark.parametrize("k", [2, 5, 7])
@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_sample_validates_once(k, stratify, shuffle):
    folds = list(data.kfold(Y, k, stratify=stratify, shuffle=shuffle, seed=3))
    assert len(folds) == k
    for train, validation in folds:
        assert np.array_equal(np.union1d(train, validation), np.arange(len(Y)))
        assert len(train) + len(validation) == len(Y)
    sizes = [len(validation) for _, validation in folds]
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate([v for _, v in folds]).tolist()) == list(range(len(Y)))


def test_folds_are_stratified():
    counts = np.array([np.bincount(Y[v], minlength=3) for _, v in data.kfold(Y, 5, seed=1)])
    assert (np.ptp(counts, axis=0) <= 1).all()
    plain = [np.bincount(Y[v], minlength=3) for _, v in data.kfold(Y, 5, seed=1, stratify=False)]
    assert (np.ptp(plain, axis=0) > 1).any()
    words = np.array(["cat", "dog", "eel"])[Y]
    for (_, a), (_, b) in zip(data.kfold(Y, 3), data.kfold(words, 3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_folds_follow_the_seed():
    def validation(**options):
        return [v.tolist() for _, v in data.kfold(10, 3, **options)]

    assert validation(seed=1) == validation(seed=1) != validation(seed=2)
    # As scikit-learn's KFold: blocks in order, the first N mod k of them one longer.
    assert validation(shuffle=False) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert [v.tolist() for _, v in data.kfold(y, 2, shuffle=False)] == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_folds_in_order_are_scikit_learns():
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(0)
    for k in (2, 3, 5, 8):  # it warns of folds without one of the classes
        y = rng.integers(0, 4, 53) * 7 % 5
        for peer, stratify in ((selection.KFold, False), (selection.StratifiedKFold, True)):
            ours = data.kfold(y, k, shuffle=False, stratify=stratify)
            for mine, theirs in zip(ours, peer(k).split(y, y), strict=True):
                np.testing.assert_array_equal(mine[0], theirs[0])
                np.testing.assert_array_equal(mine[1], theirs[1])


@pytest.mark.parametrize("k", [1, 0, -1, 11])
def test_kfold_refuses_k_at_the_call(k):
    with pytest.raises(ValueError, match=r"kfold: k must be in \[2, N\], got k=.* N=10"):
        data.kfold(10, k)


def test_stratifying_needs_classes():
    for y in (np.zeros((6, 2), int), np.linspace(0, 1, 6)):
        assert len(list(data.kfold(y, 2))) == 2
        with pytest.raises(ValueError, match="kfold: y must be classes of shape"):
            data.kfold(y, 2, stratify=True)
        assert len(data.train_test_split(np.arange(6), y, test_size=2).y_test) == 2
        with pytest.raises(ValueError, match="train_test_split: y must be classes"):
            data.train_test_split(np.arange(6), y, test_size=2, stratify=True)


def test_kfold_refuses_classes_that_no_fold_can_share():
    with pytest.raises(ValueError, match="k=3 folds cannot share classes of at most 2 samples"):
        data.kfold(np.arange(10) // 2, 3)
    assert len(list(data.kfold(np.arange(10) // 2, 3, stratify=False))) == 3
    with pytest.raises(TypeError, match="integer"):
        data.kfold(10.5, 3)


def test_three_parts():
    x = np.arange(len(Y))
    parts = data.train_val_test_split(x, Y, val_size=0.2, test_size=19, seed=2)
    assert [len(p) for p in parts] == [57, 19, 19] * 2
    assert sorted(np.concatenate(parts[:3]).tolist()) == x.tolist()
    for images, labels in zip(parts[:3], parts[3:], strict=True):
        np.testing.assert_array_equal(Y[images], labels)
        share = len(labels) / len(Y) * np.bincount(Y)
        assert (abs(np.bincount(labels, minlength=3) - share) <= 2).all()
    two = data.train_test_split(x, Y, test_size=19, seed=2)
    np.testing.assert_array_equal(two.x_test, parts.x_test)


@pytest.mark.parametrize("val, test", [(0, 0.1), (0.1, 0), (0.5, 0.5), (60, 40), (np.nan, 0.1)])
def test_three_parts_are_not_empty(val, test):
    with pytest.raises(ValueError, match="must leave three parts"):
        data.train_val_test_split(np.arange(95), Y, val_size=val, test_size=test)
