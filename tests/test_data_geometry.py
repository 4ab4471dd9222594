"""Geometry of single images, by hand and against its formula."""

import sys

import numpy as np
import pytest

from fastnn.data import geometry

pytest.importorskip("PIL")
IDENTITIES = {
    "translate_x": 0,
    "translate_y": 0,
    "rotate": 0,
    "shear_x": 0,
    "shear_y": 0,
    "stretch_x": 1,
    "stretch_y": 1,
    "affine": 0,
}
STEEP = np.degrees(np.arctan(2))
SHAPES = [(1, 1, 1), (1, 1, 3), (1, 7, 3), (7, 1, 1), (8, 5, 1), (32, 31, 3)]


def picture(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def warp(name, image, amount, **options):
    return getattr(geometry, name)(image, amount, **options)


@pytest.fixture(params=["pillow", "opencv"])
def backend(request):
    if request.param == "opencv":
        pytest.importorskip("cv2")
    return request.param


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("name", IDENTITIES)
def test_zero_magnitude_leaves_the_image(name, interpolation, backend):
    for shape in SHAPES:
        image = picture(shape)
        same = warp(name, image, IDENTITIES[name], interpolation=interpolation, backend=backend)
        np.testing.assert_array_equal(same, image)
        assert not np.shares_memory(same, image) and same.flags.writeable


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("shape", SHAPES)
def test_translation_by_whole_pixels(shape, interpolation, backend):
    image, options = picture(shape), {"interpolation": interpolation, "backend": backend}
    fill = 7 if shape[2] == 1 else (7, 8, 9)
    right = np.full_like(image, fill)
    right[:, 1:] = image[:, :-1]
    np.testing.assert_array_equal(geometry.translate_x(image, 1, fill=fill, **options), right)
    up = np.full_like(image, fill)
    up[:-1] = image[1:]
    np.testing.assert_array_equal(geometry.translate_y(image, -1, fill=fill, **options), up)
    np.testing.assert_array_equal(
        geometry.translate_x(image, 99, fill=fill, **options), np.full_like(image, fill)
    )


def test_half_a_pixel_is_the_mean_of_two(backend):
    image = np.array([[[0], [100], [200], [50]]], np.uint8)
    moved = geometry.translate_x(image, 0.5, backend=backend)
    assert moved[0, 1:, 0].tolist() == [50, 150, 125]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_quarter_turns_are_counter_clockwise_and_exact(size, interpolation, backend):
    image, options = picture((size, size, 3)), {"interpolation": interpolation, "backend": backend}
    for turns in (-1, 1, 2, 3):
        turned = geometry.rotate(image, 90 * turns, **options)
        np.testing.assert_array_equal(turned, np.rot90(image, turns))
        np.testing.assert_array_equal(geometry.affine(image, 90 * turns, **options), turned)


def test_shear_by_hand(backend):
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)[..., None]
    sheared = geometry.shear_x(image, 1, backend=backend)
    assert sheared[..., 0].tolist() == [[2, 3, 0], [4, 5, 6], [0, 7, 8]]
    sheared = geometry.shear_y(image, 1, backend=backend)
    assert sheared[..., 0].tolist() == [[4, 2, 0], [7, 5, 3], [0, 8, 6]]
    # From the corner, as the policies do: the first row's middle lies half a pixel below it.
    corner = geometry.shear_x(image, 2, center=(0, 0), backend=backend)
    assert corner[..., 0].tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0]]


def test_stretch_by_hand(backend):
    image = np.array([[10, 20, 30, 40]], np.uint8)[..., None]
    wide = geometry.stretch_x(image, 2, interpolation="nearest", backend=backend)
    assert wide[0, :, 0].tolist() == [20, 20, 30, 30]
    high = geometry.stretch_y(image.transpose(1, 0, 2), 2, interpolation="nearest", backend=backend)
    assert high[:, 0, 0].tolist() == [20, 20, 30, 30]
    narrow = geometry.stretch_x(image, 0.5, fill=1, interpolation="nearest", backend=backend)
    assert narrow[0, ::3, 0].tolist() == [1, 1]


def sources(shape, angle, translate, scale, shear):
    """Where ``affine`` samples each pixel, from its formula in homogeneous coordinates."""
    h, w = shape[:2]

    def moved(x, y):
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])

    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    lean = np.tan(np.radians(shear))
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    skew = np.array([[1, lean[0], 0], [lean[1], 1, 0], [0, 0, 1]])
    forward = moved(*translate) @ moved(w / 2, h / 2) @ turn @ skew
    forward = forward @ np.diag([*scale, 1]) @ moved(-w / 2, -h / 2)
    y, x = np.mgrid[:h, :w] + 0.5
    return np.tensordot(np.linalg.inv(forward)[:2], np.stack([x, y, np.ones_like(x)]), 1) - 0.5


def bilinear(image, x, y):
    """Float64 values at (x, y), and where they depend on pixels inside the image alone."""
    h, w = image.shape[:2]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (left >= 0) & (top >= 0) & (left < w - 1) & (top < h - 1)
    left, top = left.clip(0, w - 2), top.clip(0, h - 2)
    u, v = (x - left)[..., None], (y - top)[..., None]
    image = image.astype(float)
    above = (1 - u) * image[top, left] + u * image[top, left + 1]
    below = (1 - u) * image[top + 1, left] + u * image[top + 1, left + 1]
    return (1 - v) * above + v * below, inside


WARPS = [
    (25.0, (0.0, 0.0), (1.0, 1.0), (0.0, 0.0)),
    (0.0, (2.3, -1.6), (1.3, 0.8), (0.0, 0.0)),
    (-40.0, (1.0, 0.5), (0.9, 1.2), (20.0, -10.0)),
]


@pytest.mark.parametrize("values", WARPS)
def test_affine_is_its_formula(values, backend):
    """Within the bound of the module's documentation; Pillow's is 1 level: it rounds down."""
    angle, translate, scale, shear = values
    for channels in (1, 3):
        image = picture((24, 31, channels))
        x, y = sources(image.shape, *values)
        expected, inside = bilinear(image, x, y)
        assert inside.mean() > 0.5
        result = geometry.affine(image, angle, translate, scale, shear, backend=backend)
        error = np.abs(result - expected)[inside].max()
        steps = [np.abs(np.diff(image.astype(int), axis=axis)).max() for axis in (0, 1)]
        rounding = 255 * 31 * np.finfo(float).eps
        assert error <= rounding + (1 if backend == "pillow" else 1 + max(steps) / 16)
        nearest = geometry.affine(
            image, angle, translate, scale, shear, interpolation="nearest", backend=backend
        )
        sharp = (np.abs(x % 1 - 0.5) > 1 / 32) & (np.abs(y % 1 - 0.5) > 1 / 32) & inside
        assert sharp.mean() > 0.4
        chosen = image[np.rint(y).astype(int)[sharp], np.rint(x).astype(int)[sharp]]
        np.testing.assert_array_equal(nearest[sharp], chosen)


def test_named_warps_are_cases_of_affine(backend):
    image, options = picture((20, 30, 3)), {"backend": backend}
    slope = np.tan(np.radians(17))
    pairs = [
        (geometry.rotate(image, 33, **options), geometry.affine(image, 33, **options)),
        (geometry.shear_x(image, slope, **options), {"shear": (17, 0)}),
        (geometry.shear_y(image, slope, **options), {"shear": (0, 17)}),
        (geometry.stretch_x(image, 1.3, **options), {"scale": (1.3, 1.0)}),
        (geometry.stretch_y(image, 0.7, **options), {"scale": (1.0, 0.7)}),
        (geometry.translate_x(image, 1.7, **options), {"translate": (1.7, 0)}),
        (geometry.translate_y(image, 1.7, **options), {"translate": (0, 1.7)}),
    ]
    for result, other in pairs:
        if isinstance(other, dict):
            other = geometry.affine(image, **other, **options)
        # The two matrices may differ in the last bit, and Pillow rounds down.
        assert np.abs(result.astype(int) - other).max() <= 1


def test_any_strides(backend):
    image = picture((9, 8, 3))
    expected = geometry.rotate(image, 20, backend=backend)
    flipped = image[::-1, ::-1].copy()[::-1, ::-1]
    strided = np.repeat(image, 2, axis=1)[:, ::2]
    planes = image.transpose(2, 0, 1).copy().transpose(1, 2, 0)
    planes.flags.writeable = False
    for view in (flipped, strided, planes):
        np.testing.assert_array_equal(geometry.rotate(view, 20, backend=backend), expected)


@pytest.mark.parametrize(
    "error, match, call",
    [
        (TypeError, "rotate: image must be a uint8", lambda x: geometry.rotate(x / 2, 1)),
        (TypeError, "uint8 array, got list", lambda x: geometry.rotate([[1]], 1)),
        (ValueError, r"got \(4, 4\)", lambda x: geometry.rotate(x[..., 0], 1)),
        (ValueError, r"got \(4, 4, 2\)", lambda x: geometry.rotate(x[..., :2], 1)),
        (ValueError, r"got \(0, 4, 3\)", lambda x: geometry.rotate(x[:0], 1)),
        (ValueError, "degrees must be finite", lambda x: geometry.rotate(x, np.nan)),
        (TypeError, "degrees must be a number", lambda x: geometry.rotate(x, "1")),
        (ValueError, "center must be finite", lambda x: geometry.rotate(x, 1, center=(np.inf, 0))),
        (ValueError, "stretch_x: the image must keep", lambda x: geometry.stretch_x(x, 0)),
        (ValueError, "scale must be positive", lambda x: geometry.affine(x, scale=-1.0)),
        (
            ValueError,
            "got -3 times",
            lambda x: geometry.affine(x, shear=(STEEP, STEEP)),
        ),
        (ValueError, "shear must be between", lambda x: geometry.affine(x, shear=(90, 0))),
        (ValueError, "orientation and an area", lambda x: geometry.affine(x, shear=(45, 45))),
        (ValueError, "fill must be", lambda x: geometry.rotate(x, 1, fill=256)),
        (ValueError, "or 3 of them", lambda x: geometry.rotate(x, 1, fill=(1, 2))),
        (ValueError, "'nearest', 'bilinear'", lambda x: geometry.rotate(x, 1, interpolation="up")),
        (ValueError, "backend must be", lambda x: geometry.rotate(x, 1, backend="cv2")),
    ],
)
def test_bad_input(error, match, call):
    with pytest.raises(error, match=match):
        call(picture((4, 4, 3)))


@pytest.mark.parametrize(
    "backend, module, extra", [("pillow", "PIL", "image"), ("opencv", "cv2", "opencv")]
)
def test_a_missing_library_names_its_extra(backend, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"fastnn\[{extra}\]"):
        geometry.rotate(picture((4, 4, 3)), 1, backend=backend)
