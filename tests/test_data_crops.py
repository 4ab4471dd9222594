"""Views of a batch: crops, flips, scales."""

import pickle

import numpy as np
import pytest

from fastnn import data, functional, models, train
from fastnn.data import crops


def batch(shape=(2, 3, 6, 8), dtype=np.float32):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("size", [1, 4, 6, (2, 8), (6, 8)])
def test_five_crop(size):
    x = batch()
    h, w = size if isinstance(size, tuple) else (size, size)
    y0, x0 = round((6 - h) / 2), round((8 - w) / 2)
    expected = [
        x[:, :, :h, :w],
        x[:, :, :h, 8 - w :],
        x[:, :, 6 - h :, :w],
        x[:, :, 6 - h :, 8 - w :],
        x[:, :, y0 : y0 + h, x0 : x0 + w],
    ]
    found = data.five_crop(x, size)
    assert len(found) == 5
    for crop, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(crop, other)
        assert np.shares_memory(crop, x)


@pytest.mark.parametrize("vertical", [False, True])
def test_ten_crop_is_five_of_each_side(vertical):
    x = batch()
    mirrored = x[:, :, ::-1] if vertical else x[:, :, :, ::-1]
    found = data.ten_crop(x, 4, vertical_flip=vertical)
    expected = data.five_crop(x, 4) + data.five_crop(mirrored, 4)
    assert len(found) == 10
    for crop, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(crop, other)
    views = data.ten_crop_views(4, vertical)
    for view, crop in zip(views, found, strict=True):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(view))(x), crop)


def test_flips():
    x = batch()
    same, mirrored = (view(x) for view in data.flip_views())
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(mirrored[..., 0], x[..., -1])
    np.testing.assert_array_equal(crops.vflip(x)[:, :, 0], x[:, :, -1])


@pytest.mark.parametrize("target", [(6, 8), (3, 4), (13, 9), (1, 1), (2, 30)])
def test_resize_is_pillows_bilinear(target):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for shape in [(2, 3, 6, 8), (1, 1, 1, 1), (1, 2, 1, 9), (1, 1, 40, 3)]:
        x = rng.standard_normal(shape).astype(np.float32)
        y = crops.resize(x, target)
        assert y.dtype == np.float32 and y.transpose(0, 2, 3, 1).flags.c_contiguous
        for n, c in np.ndindex(shape[:2]):
            plane = image.fromarray(x[n, c]).resize(target[::-1], image.Resampling.BILINEAR)
            # Two weighted means of float32, over at most H and W values of about 1.
            bound = np.finfo(np.float32).eps * sum(shape[2:]) * np.abs(x).max()
            np.testing.assert_allclose(y[n, c], np.asarray(plane), rtol=0, atol=bound)


def test_resize_keeps_dtypes_and_means():
    for dtype in (np.float32, np.float64, np.uint8):
        x = np.full((2, 3, 7, 5), 200, dtype)
        y = crops.resize(x, (11, 3))
        assert y.dtype == dtype and y.shape == (2, 3, 11, 3)
        np.testing.assert_allclose(y, 200, rtol=8 * np.finfo(np.float32).eps)
    x = np.random.default_rng(0).random((1, 1, 8, 8))
    assert crops.resize(x, 8).tolist() == x.tolist()
    assert crops.resize(x, 1)[0, 0, 0, 0] == pytest.approx(x.mean(), rel=0.2)
    channels_last = x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(crops.resize(channels_last, 5), crops.resize(x, 5))


def test_scales_are_of_the_shorter_side():
    x = batch((1, 2, 6, 9))
    shapes = [view(x).shape[2:] for view in data.multi_scale_views((3, 6, 12), flip=False)]
    assert shapes == [(3, 4), (6, 9), (12, 18)]
    shapes = [view(x).shape[2:] for view in data.multi_scale_views((0.5, 1.0, 2.0), flip=False)]
    assert shapes == [(3, 4), (6, 9), (12, 18)]
    plain = data.multi_scale_views((6,), flip=False)[0]
    assert plain(x) is x
    assert crops.RESNET_SCALES == (224, 256, 384, 480, 640)
    views = data.multi_scale_views()
    assert len(views) == 10
    tall = [view(batch((1, 1, 48, 24))) for view in views[::5]]
    np.testing.assert_allclose(tall[1], tall[0][..., ::-1], rtol=1e-6)
    assert tall[0].shape == (1, 1, 448, 224)


def test_probabilities_are_averaged_over_crops_and_scales():
    """A network with adaptive pooling takes every size."""
    model = models.resnet(8, seed=0).eval()
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32), dtype=np.float32)
    views = [*data.ten_crop_views(28), *data.multi_scale_views((0.75, 1.0, 1.25))]
    found = train.predict_proba(model, x, views=views)
    each = [functional.softmax(model(view(x))) for view in views]
    assert len(each) == 16 and found.shape == (2, 10)
    # 16 additions of float32 values of at most 1.
    np.testing.assert_allclose(found, np.mean(each, 0), atol=16 * np.finfo(np.float32).eps)
    assert np.std(each, 0).max() > 1e-3


@pytest.mark.parametrize(
    "error, match, call",
    [
        (ValueError, r"at most .*\(6, 8\), got \(7, 7\)", lambda x: data.five_crop(x, 7)),
        (ValueError, "size must be positive, got 0", lambda x: data.ten_crop(x, 0)),
        (ValueError, r"\(N, C, H, W\)", lambda x: data.five_crop(x[0], 2)),
        (ValueError, r"got \(2, 3, 0, 8\)", lambda x: data.flip_views()[0](x[:, :, :0])),
        (ValueError, "scales must be positive, got -1", lambda x: data.multi_scale_views([-1])),
        (
            ValueError,
            "scales must be positive, got nan",
            lambda x: data.multi_scale_views([np.nan]),
        ),
        (TypeError, "got int64", lambda x: crops.resize(x.astype(int), 2)),
        (ValueError, "resize: size must be", lambda x: crops.resize(x, (2, 0))),
    ],
)
def test_bad_input(error, match, call):
    with pytest.raises(error, match=match):
        call(batch())
