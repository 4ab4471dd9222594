"""Colour of single images, by hand, by formula and between the backends."""

import numpy as np
import pytest

from fastnn.data import color

pytest.importorskip("PIL")
IDENTITIES = {
    "posterize": 8,
    "solarize": 256,
    "brightness": 1,
    "contrast": 1,
    "saturation": 1,
    "sharpness": 1,
}
NO_AMOUNT = ["invert", "autocontrast", "equalize"]
ENHANCE = ["brightness", "contrast", "saturation", "sharpness"]
SHAPES = [
    (1, 1, 1),
    (1, 1, 3),
    (1, 9, 3),
    (9, 1, 1),
    (2, 2, 3),
    (3, 3, 1),
    (17, 19, 1),
    (40, 30, 3),
]


def picture(shape, seed=0):
    return np.random.default_rng(seed).integers(20, 200, shape, dtype=np.uint8)


@pytest.fixture(params=["pillow", "opencv"])
def backend(request):
    if request.param == "opencv":
        pytest.importorskip("cv2")
    return request.param


@pytest.mark.parametrize("name", IDENTITIES)
def test_zero_magnitude_leaves_the_image(name, backend):
    for shape in SHAPES:
        image = picture(shape)
        same = getattr(color, name)(image, IDENTITIES[name], backend=backend)
        np.testing.assert_array_equal(same, image)
        assert not np.shares_memory(same, image) and same.flags.writeable


@pytest.mark.parametrize("shape", SHAPES)
def test_point_operations_are_their_formulas(shape, backend):
    image = picture(shape)
    np.testing.assert_array_equal(color.invert(image, backend=backend), 255 - image)
    for bits in range(1, 9):
        kept = image // 2 ** (8 - bits) * 2 ** (8 - bits)
        np.testing.assert_array_equal(color.posterize(image, bits, backend=backend), kept)
    for threshold in (0, 20, 99.5, 100, 255):
        turned = np.where(image >= threshold, 255 - image, image)
        np.testing.assert_array_equal(color.solarize(image, threshold, backend=backend), turned)
    for factor in (0, 0.25, 0.5, 2, 3):
        scaled = np.floor(image * float(factor)).clip(0, 255)
        np.testing.assert_array_equal(color.brightness(image, factor, backend=backend), scaled)


def test_autocontrast_by_hand(backend):
    image = np.stack([[[50, 60, 100]], [[7, 7, 7]], [[0, 128, 255]]], -1).astype(np.uint8)
    result = color.autocontrast(image, backend=backend)
    # Pillow rounds down: 5.1 * 100 - 255 in float64 lies below 255.
    assert result[0, :, 0].tolist() == [0, 51, 254]
    np.testing.assert_array_equal(result[..., 1:], image[..., 1:])


def test_equalize_flattens_the_histogram(backend):
    rng = np.random.default_rng(0)
    image = (rng.random((64, 64, 3)) ** 3 * 200).astype(np.uint8)
    result = color.equalize(image, backend=backend)
    for channel in range(3):
        assert np.diff(np.sort(result[..., channel].ravel())).max() < 256 / 4
        before, after = image[..., channel].mean(), result[..., channel].mean()
        assert before < 60 and 100 < after < 155
        order = np.argsort(image[..., channel].ravel(), kind="stable")
        assert (np.diff(result[..., channel].ravel()[order].astype(int)) >= 0).all()
    small = picture((16, 15, 1))
    np.testing.assert_array_equal(color.equalize(small, backend=backend), small)


def test_contrast_and_saturation_towards_grey(backend):
    image = np.array([[[200, 100, 50], [0, 0, 0]]], np.uint8)
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    no_color = color.saturation(image, 0, backend=backend)
    assert np.abs(no_color[0, 0] - grey).max() <= 0.5 and not no_color[0, 1].any()
    assert np.ptp(color.contrast(image, 0, backend=backend)) == 0
    assert abs(int(color.contrast(image, 0, backend=backend)[0, 0, 0]) - grey / 2) <= 1
    half = color.contrast(picture((30, 30, 1)), 0.5, backend=backend)
    assert abs(half.std() / picture((30, 30, 1)).std() - 0.5) < 0.01
    single = picture((5, 5, 1))
    np.testing.assert_array_equal(color.saturation(single, 0.3, backend=backend), single)


def test_sharpness_by_hand(backend):
    image = np.zeros((5, 5, 1), np.uint8)
    image[2, 2] = 130
    smooth = color.sharpness(image, 0, backend=backend)[..., 0]
    assert smooth[1:-1, 1:-1].tolist() == [[10, 10, 10], [10, 50, 10], [10, 10, 10]]
    assert color.sharpness(image, 2, backend=backend)[2, 2, 0] == 210
    corner = picture((2, 9, 3))
    np.testing.assert_array_equal(color.sharpness(corner, 0, backend=backend), corner)


@pytest.mark.parametrize("shape", SHAPES)
def test_backends_agree(shape):
    pytest.importorskip("cv2")
    rng, image = np.random.default_rng(1), picture(shape)
    image[: shape[0] // 2] = 255 - image[: shape[0] // 2]
    for name in NO_AMOUNT:
        op = getattr(color, name)
        np.testing.assert_array_equal(op(image), op(image, backend="opencv"))
    for factor in rng.uniform(0, 4, 20):
        for name in ENHANCE:
            op = getattr(color, name)
            error = np.abs(op(image, factor).astype(int) - op(image, factor, backend="opencv"))
            bound = {"brightness": 0, "contrast": 1 + factor}.get(name, 2 + factor)
            assert error.max() <= bound, (name, factor)


@pytest.mark.parametrize(
    "error, match, call",
    [
        (TypeError, "invert: image must be a uint8", lambda x: color.invert(x / 2)),
        (ValueError, r"\(H, W, 1\) or", lambda x: color.equalize(x[0])),
        (ValueError, "from 1 to 8, got 0", lambda x: color.posterize(x, 0)),
        (ValueError, "from 1 to 8, got 9", lambda x: color.posterize(x, 9)),
        (ValueError, "from 1 to 8, got 2.5", lambda x: color.posterize(x, 2.5)),
        (TypeError, "bits must be a number", lambda x: color.posterize(x, None)),
        (ValueError, "threshold must be finite", lambda x: color.solarize(x, np.nan)),
        (ValueError, "contrast: factor must not be neg", lambda x: color.contrast(x, -0.1)),
        (TypeError, "factor must be a number", lambda x: color.contrast(x, "a")),
        (ValueError, "backend must be", lambda x: color.invert(x, backend="torch")),
        (ValueError, "backend must be", lambda x: color.contrast(x, 1, backend="torch")),
    ],
)
def test_bad_input(error, match, call):
    with pytest.raises(error, match=match):
        call(picture((4, 4, 3)))
