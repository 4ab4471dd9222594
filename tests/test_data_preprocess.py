"""Preprocessing: against its formula in float64, in streams, there and back, and on disk."""

import numpy as np
import pytest

from fastnn import data, io, models

RNG = np.random.default_rng(0)
EPS = {np.float32: np.finfo(np.float32).eps, np.float64: np.finfo(np.float64).eps}
AFFINE = {
    "MeanImage": data.MeanImage,
    "ChannelMean": data.ChannelMean,
    "Standardize": data.Standardize,
    "StandardizeFeatures": data.StandardizeFeatures,
    "MinMax": lambda **options: data.MinMax((-1, 2), **options),
}
WHITENING = {
    "PCA": data.PCA,
    "PCA of 7": lambda **options: data.PCA(7, **options),
    "PCAWhitening": lambda **options: data.PCAWhitening(eps=0.5, **options),
    "ZCAWhitening": lambda **options: data.ZCAWhitening(eps=0.5, **options),
}
EVERY = {**AFFINE, **WHITENING}


def images(n=60, dtype=np.uint8):
    """Correlated images, as natural ones are, with channels of different range."""
    steps = RNG.normal(size=(n, 3, 4, 5)).cumsum(2).cumsum(3)
    scaled = steps * np.array([10, 3, 20]).reshape(3, 1, 1) + 120
    return np.clip(scaled, 0, 255).astype(dtype)


def flat(x):
    return x.reshape(len(x), -1).astype(np.float64)


def affine_reference(name, x, new):
    """(new - shift) scale + low, from NumPy's own statistics, and the magnitudes that are added."""
    x, new = x.astype(np.float64), new.astype(np.float64)
    over = (0,) if name in ("MeanImage", "StandardizeFeatures") else (0, 2, 3)
    if name == "MinMax":
        low = x.min(over, keepdims=True)
        scale, shift = 3 / (x.max(over, keepdims=True) - low), -1
    else:
        low, shift = x.mean(over, keepdims=True), 0
        scale = 1 if name.endswith(("Image", "Mean")) else 1 / x.std(over, keepdims=True)
    return (new - low) * scale + shift, (abs(new) + abs(low)) * scale + abs(shift)


def pca_reference(x, new, gain, turn):
    """U gain(variance) U^T (new - mean) or without U, by the singular values of the data."""
    x, new = flat(x), flat(new)
    mean = x.mean(0)
    _, singular, u = np.linalg.svd(x - mean, full_matrices=True)
    variance = np.zeros(x.shape[1])
    variance[: len(singular)] = singular**2 / len(x)
    matrix = u * gain(variance)[:, None]
    matrix = u.T @ matrix if turn else matrix
    return (new - mean) @ matrix.T, (abs(new - mean) + abs(mean)) @ abs(matrix).T


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", [np.uint8, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", sorted(AFFINE))
def test_affine_follows_its_formula(name, source, dtype):
    x, new = images(dtype=source), images(9, source)
    scale = AFFINE[name](dtype=dtype).fit(x)
    y = scale(new)
    expected, magnitude = affine_reference(name, x, new)
    assert y.dtype == dtype and y.transpose(0, 2, 3, 1).flags.c_contiguous
    # roundings of x, shift, their difference, scale, product, low and sum
    assert (abs(y - expected) <= 7 * EPS[dtype] * magnitude).all()
    out = np.full_like(expected, np.nan, dtype)
    assert scale(new, out) is out
    np.testing.assert_array_equal(out, y)
    assert (abs(scale.inverse(y) - new) <= 14 * EPS[dtype] * (abs(new) + 255.0)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["PCA", "PCAWhitening", "ZCAWhitening"])
def test_whitening_follows_its_formula(kind, dtype):
    x, new = images(300), images(9)
    size = x[0].size
    whiten = WHITENING[kind](dtype=dtype).fit(x)
    y = whiten(new)
    gain = np.ones_like if kind == "PCA" else (lambda variance: 1 / np.sqrt(variance + 0.5))
    expected, magnitude = pca_reference(x, new, gain, kind == "ZCAWhitening")
    assert y.shape == (new.shape if kind == "ZCAWhitening" else (9, size)) and y.dtype == dtype
    if kind != "ZCAWhitening":  # the sign of a component is free
        expected *= np.sign((flat(y) * expected).sum(0))
    # sum of size products of rounded factors; the eigenvectors come of another decomposition,
    # that differs by float64's rounding over the smallest gap between the variances
    gap = -np.diff(whiten.variance_).max()
    slack = EPS[np.float64] * size * whiten.variance_[0] / gap
    bound = ((size + 4) * EPS[dtype] + slack) * magnitude
    assert (abs(flat(y) - expected) <= bound).all()
    np.testing.assert_allclose(
        whiten.inverse(y), new, rtol=0, atol=(size + 4) * EPS[dtype] * magnitude.max()
    )


def test_whitened_data_are_white():
    x = images(2000)
    for whiten in (data.PCAWhitening(eps=1e-9), data.ZCAWhitening(eps=1e-9)):
        y = flat(whiten.fit(x)(x))
        covariance = y.T @ y / len(y)
        magnitude = np.sqrt(whiten.variance_[0] / whiten.variance_[-1])
        atol = 2 * len(covariance) * EPS[np.float32] * magnitude
        np.testing.assert_allclose(covariance, np.eye(len(covariance)), rtol=0, atol=atol)
        assert atol < 0.05
    y = data.PCA(dtype=np.float64).fit(x)(x)
    covariance = y.T @ y / len(y)
    np.testing.assert_allclose(
        covariance, np.diag(np.diag(covariance)), rtol=0, atol=1e-12 * covariance.max()
    )
    assert (np.diff(np.diag(covariance)) <= 0).all()


def test_zca_changes_images_least():
    """The closest whitened data to the centred data, in the sum of squares."""
    x = images(500)
    centred = flat(x) - flat(x).mean(0)
    zca, pca = data.ZCAWhitening(1e-9).fit(x), data.PCAWhitening(eps=1e-9).fit(x)
    nearest = np.square(flat(zca(x)) - centred).sum()
    turns = (np.eye(60), np.linalg.qr(RNG.normal(size=(60, 60)))[0])
    assert all(np.square(pca(x) @ turn - centred).sum() > nearest for turn in turns)


def test_pca_keeps_what_is_asked_for():
    x = images(300)
    whole = data.PCA(dtype=np.float64).fit(x)
    ratio = whole.explained_variance_ratio_
    assert ratio.sum() == pytest.approx(1, abs=60 * EPS[np.float64])
    np.testing.assert_allclose(
        whole.variance_.sum(), flat(x).var(0).sum(), rtol=60 * EPS[np.float64]
    )
    some = data.PCA(0.9, dtype=np.float64).fit(x)
    k = len(some.components_)
    assert ratio[:k].sum() >= 0.9 > ratio[: k - 1].sum()
    atol = 60 * EPS[np.float64] * 255 * np.sqrt(60)  # a sum of 60 products, in another order
    np.testing.assert_allclose(some(x), whole(x)[:, :k], rtol=0, atol=atol)
    np.testing.assert_array_equal(some.explained_variance_ratio_, ratio[:k])
    lost = np.square(some.inverse(some(x)) - x).sum() / len(x)
    assert lost == pytest.approx(whole.variance_[k:].sum(), rel=1e-10)
    largest = np.take_along_axis(
        whole.components_, abs(whole.components_).argmax(1)[:, None], axis=1
    )
    assert (largest > 0).all()
    np.testing.assert_allclose(
        whole.components_ @ whole.components_.T, np.eye(60), rtol=0, atol=60 * 60 * EPS[np.float64]
    )


@pytest.mark.parametrize("name", sorted(EVERY))
def test_batches_give_what_the_whole_gives(name, monkeypatch):
    x = images(101)
    whole, parts = EVERY[name](dtype=np.float64).fit(x), EVERY[name](dtype=np.float64)
    for batch in np.split(x, [1, 2, 40, 41, 90]):
        assert parts.partial_fit(batch) is parts
    monkeypatch.setattr("fastnn.data.preprocess.CHUNK", 7 * x[0].size)
    chunks = EVERY[name](dtype=np.float64).fit(x)
    expected = whole(x)
    for other in (parts, chunks):
        y = other(x)
        scale = abs(expected).max()
        assert abs(y - expected).max() <= 1e-10 * scale, "the merge is exact but for rounding"
    again = whole.fit(x[:50])(x)
    np.testing.assert_array_equal(again, EVERY[name](dtype=np.float64).fit(x[:50])(x))


def test_large_means_do_not_cancel():
    """Variance 1/12 around 1e8: the textbook E[x^2] - E[x]^2 has no digit right there."""
    x = 1e8 + RNG.random((5000, 2))
    naive = (x**2).mean(0) - x.mean(0) ** 2
    assert (abs(naive / x.var(0) - 1) > 0.1).any()
    assert x.dtype == np.float64
    scale, pca = data.Standardize(), data.PCA()
    for batch in np.split(x, 10):
        scale.partial_fit(batch)
        pca.partial_fit(batch)
    # each deviation is exact to half a unit in the last place of 1e8
    unit = 2 * np.spacing(1e8)
    np.testing.assert_allclose(scale.std_**2, x.var(0), rtol=0, atol=unit)
    np.testing.assert_allclose(
        pca.variance_[::-1], np.linalg.eigvalsh(np.cov(x.T, bias=True)), rtol=0, atol=4 * unit
    )

    exact = (x - x.mean(0)) / x.std(0)
    wide = 4 * EPS[np.float32] * abs(exact).max() + unit / x.std()
    np.testing.assert_allclose(scale(x), exact, rtol=0, atol=wide)
    np.testing.assert_allclose(pca(x), (x - x.mean(0)) @ pca.components_.T, rtol=0, atol=wide)
    assert wide < 1e-5, "float32 around 1e8 has steps of 8"


@pytest.mark.parametrize("name", sorted(EVERY))
def test_state_goes_to_disk_with_the_model(name, tmp_path):
    x, path = images(), tmp_path / "model.safetensors"
    fitted, model = EVERY[name]().fit(x), models.mlp((60, 4))
    io.save_safetensors({**model.state_dict(), **fitted.state_dict("preprocess.")}, path)
    state = io.load_safetensors(path)
    options = {"MinMax": data.MinMax, "ZCAWhitening": data.ZCAWhitening}
    fresh = options.get(name, type(fitted))()
    fresh.load_state_dict(state, "preprocess.")
    np.testing.assert_array_equal(fresh(x), fitted(x))
    np.testing.assert_array_equal(fresh.inverse(fitted(x)), fitted.inverse(fitted(x)))
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith("preprocess.")})

    before = fresh(x)
    keys = sorted(fitted.state_dict())
    for key in keys:
        rest = {k: v for k, v in fitted.state_dict().items() if k != key}
        with pytest.raises(KeyError, match=rf"missing keys \['{key}'\], unexpected keys none"):
            fresh.load_state_dict(rest)
        for wrong in (np.full_like(np.asarray(fitted.state_dict()[key], float), np.nan), [[[[]]]]):
            with pytest.raises(ValueError, match=f"{key} must be finite"):
                fresh.load_state_dict({**rest, key: np.asarray(wrong)})
    with pytest.raises(KeyError, match=r"unexpected keys \['more'\]"):
        fresh.load_state_dict({**fitted.state_dict(), "more": np.zeros(1)})
    np.testing.assert_array_equal(fresh(x), before)


@pytest.mark.parametrize(
    "make, changes, reason",
    [
        (data.MeanImage, {"count": 0}, "count must be positive"),
        (data.ChannelMean, {"mean": np.zeros((3, 1))}, r"mean must be \(C,\)"),
        (data.Standardize, {"var": np.zeros(2)}, r"var must be \(3,\)"),
        (data.Standardize, {"var": -np.ones(3)}, "not negative"),
        (data.MinMax, {"range": np.array([1, 0])}, "range must be"),
        (data.MinMax, {"max": np.zeros(2)}, r"max must be \(3,\)"),
        (data.PCA, {"components": np.eye(3)}, r"components must be \(K, 60\)"),
        (data.PCA, {"variance": np.ones(3)}, r"variance must be \(60,\)"),
        (data.PCAWhitening, {"eps": 0}, "eps must be positive"),
        (data.ZCAWhitening, {"components": np.eye(60)[:5]}, "components must be all of them"),
    ],
)
def test_states_that_cannot_be(make, changes, reason):
    fitted = make().fit(images())
    before = fitted(images(2))
    state = {**fitted.state_dict(), **{k: np.asarray(v) for k, v in changes.items()}}
    with pytest.raises(ValueError, match=reason):
        fitted.load_state_dict(state)
    assert before.shape[0] == 2 and fitted.state_dict().keys() == state.keys()


def test_fitting_goes_on_after_loading_where_it_can():
    x = images(80)
    for make in AFFINE.values():
        loaded = make(dtype=np.float64)
        loaded.load_state_dict(make().fit(x[:30]).state_dict())
        whole = make(dtype=np.float64).fit(x)
        np.testing.assert_allclose(loaded.partial_fit(x[30:])(x), whole(x), rtol=0, atol=1e-10)
    loaded = data.PCA()
    loaded.load_state_dict(data.PCA().fit(x).state_dict())
    with pytest.raises(RuntimeError, match="loaded cannot be fitted further; call fit"):
        loaded.partial_fit(x)
    np.testing.assert_array_equal(loaded.fit(x)(x), data.PCA().fit(x)(x))


@pytest.mark.parametrize("name", sorted(EVERY))
def test_bad_input_is_named_and_changes_nothing(name):
    kind, x = EVERY[name], images()
    fitted = kind().fit(x)
    title, before = type(fitted).__name__, fitted(x)
    for bad in (x[0, 0, 0], x[:0], x[:, :0]):
        with pytest.raises(ValueError, match=rf"{title}.fit: x must be \(N, C, ...\)"):
            fitted.fit(bad)
    broken = x.astype(np.float32)
    broken[3, 1, 2, 2] = np.nan
    for method in (fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError, match="must be finite, got NaN"):
            method(broken)
        for bad, got in ((x.astype(complex), "complex128"), (x.tolist(), "list")):
            with pytest.raises(TypeError, match=f"array of real numbers, got {got}"):
                method(bad)
    for method, argument in ((fitted.partial_fit, "x"), (fitted, "x"), (fitted.inverse, "y")):
        with pytest.raises(ValueError, match=rf"{argument} must be \(N, .*\), got shape \(6, 2\)"):
            method(np.zeros((6, 2)))
    with pytest.raises(ValueError, match=rf"{title}: out must be float32 or float64 \("):
        fitted(x, np.empty((2, 2), np.float32))
    np.testing.assert_array_equal(fitted(x), before)
    assert len(fitted(x[:0])) == len(fitted.inverse(fitted(x)[:0])) == 0
    fresh = kind()
    for call in (lambda: fresh(x), lambda: fresh.inverse(x), fresh.state_dict):
        with pytest.raises(RuntimeError, match=rf"{title}: call fit"):
            call()
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        kind(dtype=np.float16)


def test_bad_settings_are_refused():
    for bad in (0, -1, 0.0, 1.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="PCA: n_components must be"):
            data.PCA(bad)
    with pytest.raises(ValueError, match="at most 60, the values of a sample, got 61"):
        data.PCA(61).fit(images())
    for bad in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="ZCAWhitening: eps must be positive"):
            data.ZCAWhitening(bad)
    for bad in ((1, 1), (2, 0), (0, float("nan")), (0, float("inf"))):
        with pytest.raises(ValueError, match="feature_range"):
            data.MinMax(bad)


def test_what_is_constant_stays_finite():
    x = np.full((20, 2, 3, 3), 7, np.uint8)
    for name, kind in EVERY.items():
        y = kind().fit(x)(x)
        assert np.isfinite(y).all(), name
        np.testing.assert_allclose(y, -1 if name == "MinMax" else 0, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"PCA of 7"}))
def test_every_layout_and_the_loader(name):
    x = images()
    if name.startswith("PCA"):
        x = x.reshape(len(x), -1)
    fitted = EVERY[name]().fit(x)
    expected = fitted(x)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    for view in (last, x[::-1][::-1], np.repeat(x, 2, 0)[::2]):
        np.testing.assert_array_equal(fitted(view), expected)
        np.testing.assert_array_equal(EVERY[name]().fit(view)(x), expected)
    loader = data.Loader(x, np.arange(len(x)), 16, normalize=fitted, seed=1)
    for batch, chosen in loader:
        # a product of other rows may be summed in another order
        atol = 2 * x[0].size * EPS[np.float32] * abs(expected).max()
        np.testing.assert_allclose(batch, expected[chosen], rtol=0, atol=atol)
