"""Lens, elastic skin and the random versions of operations."""

import numpy as np
import pytest

from fastnn.data import (
    ElasticTransform,
    RandomAffine,
    RandomOp,
    color,
    distort,
    elastic,
    geometry,
    lens_distortion,
)

pytest.importorskip("PIL")


def picture(shape=(32, 32, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def generator(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(params=["pillow", "opencv"])
def backend(request):
    if request.param == "opencv":
        pytest.importorskip("cv2")
    return request.param


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 3), (1, 9, 3), (9, 1, 1), (32, 31, 3)])
def test_zero_magnitude_leaves_the_image(shape, backend):
    image = picture(shape)
    for same in (
        lens_distortion(image, 0, backend=backend),
        elastic(image, 0, generator(), backend=backend),
        RandomAffine(0, backend=backend)(image, generator()),
    ):
        np.testing.assert_array_equal(same, image)
        assert not np.shares_memory(same, image) and same.flags.writeable


def test_a_lens_keeps_the_middle_and_moves_the_corners(backend):
    image = np.zeros((41, 41, 1), np.uint8)
    image[20, 20], image[20, 30], image[20, 10] = 255, 255, 255
    barrel = lens_distortion(image, 0.3, backend=backend)[..., 0]
    pincushion = lens_distortion(image, -0.3, backend=backend)[..., 0]
    assert barrel[20, 20] == pincushion[20, 20] == 255
    # r (1 + k r² / R²) = 10 with R² = 2 * 20.5²: r = 9.67 and 10.40.
    assert barrel[20, 21:].argmax() == 9 and pincushion[20, 21:].argmax() == 9
    x = np.arange(21, 41) - 20
    center = [(line[21:] * x).sum() / line[21:].sum() for line in (barrel[20], pincushion[20])]
    assert center == pytest.approx([9.67, 10.40], abs=0.1)
    flat = np.full((8, 8, 3), 50, np.uint8)
    assert lens_distortion(flat, 0.5, fill=(1, 2, 3), backend=backend)[0, 0].tolist() == [1, 2, 3]
    assert (lens_distortion(flat, -0.3, backend=backend) == 50).all()


def test_sampling_is_bilinear(backend):
    """A linear picture stays linear under any map, to the rounding and OpenCV's 1/32 pixel."""
    y, x = np.mgrid[:32, :32]
    image = (3 * x + 4 * y).astype(np.uint8)[..., None]
    for strength in (0.2, -0.3):
        r2 = ((x - 15.5) ** 2 + (y - 15.5) ** 2) / 512
        at = [(v - 15.5) * (1 + strength * r2) + 15.5 for v in (x, y)]
        inside = np.all([(v >= 0) & (v <= 31) for v in at], axis=0)
        result = lens_distortion(image, strength, backend=backend)[..., 0]
        error = np.abs(result - (3 * at[0] + 4 * at[1]))[inside]
        assert inside.mean() > 0.5 and error.max() <= 0.5 + (3 + 4) / 64 + 2**-12


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_statistics_of_the_displacement(sigma):
    """Standard deviation sqrt(1/3) * sum of g² in both directions, the same everywhere."""
    g = np.exp(-0.5 * (np.arange(-3 * sigma, 3 * sigma + 1) / sigma) ** 2)
    g /= g.sum()
    expected = np.sqrt(1 / 3) * (g**2).sum()
    assert expected == pytest.approx(1 / np.sqrt(12 * np.pi) / sigma, rel=0.02)
    fields = np.array([distort.smooth_noise(24, 20, sigma, generator(i)) for i in range(300)])
    assert fields.shape == (300, 2, 24, 20)
    # A normal deviate's sample deviation over n has the relative error 1 / sqrt(2 n).
    for part in (fields[..., 0, 0], fields[..., -1, -1], fields[..., 12, 10]):
        assert part.std() == pytest.approx(expected, rel=5 / np.sqrt(2 * part.size))
        assert abs(part.mean()) <= 5 * expected / np.sqrt(part.size)
    neighbours = np.corrcoef(fields[..., 12, 10].ravel(), fields[..., 12, 11].ravel())[0, 1]
    assert neighbours == pytest.approx((g[1:] * g[:-1]).sum() / (g**2).sum(), abs=0.1)


def test_backends_agree_on_elastic():
    pytest.importorskip("cv2")
    image = picture((40, 40, 3))
    for seed in range(5):
        one, other = (
            elastic(image, 20, generator(seed), backend=b)[8:-8, 8:-8].astype(int)
            for b in ("pillow", "opencv")
        )
        steps = [np.abs(np.diff(image.astype(int), axis=axis)).max() for axis in (0, 1)]
        assert np.abs(one - other).max() <= 1 + max(steps) / 16
        assert np.abs(one - image[8:-8, 8:-8]).mean() > 10


def test_randomness_is_the_generators_alone():
    image = picture()
    for f in (
        ElasticTransform(),
        RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10),
        RandomOp(geometry.rotate, (-30, 30), fill=3),
        RandomOp(color.posterize, (1, 7), integers=True, p=0.7),
    ):
        first, again, other = (f(image, generator(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other) and repr(f).startswith(type(f).__name__)


def test_probability_and_amounts_of_a_random_op():
    image, seen = picture((1, 1, 1)), []

    def note(image, amount, *, word):
        assert word == "yes"
        seen.append(amount)
        return image

    rng = generator()
    for _ in range(4000):
        RandomOp(note, (-3, 5), p=0.25, word="yes")(image, rng)
    assert abs(len(seen) - 1000) <= 5 * np.sqrt(4000 * 0.25 * 0.75)
    assert -3 <= min(seen) < -2.9 and 4.9 < max(seen) <= 5
    assert abs(np.mean(seen) - 1) <= 5 * 8 / np.sqrt(12 * len(seen))
    seen.clear()
    for _ in range(200):
        RandomOp(note, (1, 4), integers=True, word="yes")(image, rng)
    assert len(seen) == 200 and set(seen) == {1, 2, 3, 4} and isinstance(seen[0], int)
    never = RandomOp(color.invert, p=0.0)
    assert never(image, rng) is image
    np.testing.assert_array_equal(RandomOp(color.invert)(image, rng), 255 - image)


def test_random_affine_draws_from_its_intervals(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "fastnn.data.random_ops.affine", lambda image, *values, **warp: calls.append((values, warp))
    )
    f = RandomAffine((5, 10), (0.1, 0.5), (0.8, 1.2), 20, fill=7)
    for seed in range(500):
        f(picture((10, 40, 1)), generator(seed))
    assert calls[0][1] == {"fill": 7}
    angle, x, y, scale, shear = np.array(
        [(a, *move, s, lean[0]) for (a, move, s, lean), _ in calls]
    ).T
    for values, low, high in (
        (angle, 5, 10),
        (x, -4, 4),
        (y, -5, 5),
        (scale, 0.8, 1.2),
        (shear, -20, 20),
    ):
        margin = (high - low) / 50  # missed by all 500 draws with a chance of 0.98^500 = 4e-5
        assert low <= values.min() < low + margin and high - margin < values.max() <= high


@pytest.mark.parametrize(
    "error, match, call",
    [
        (ValueError, "at least -1/3", lambda x: lens_distortion(x, -0.4)),
        (ValueError, "strength must be finite", lambda x: lens_distortion(x, np.inf)),
        (TypeError, "lens_distortion: image", lambda x: lens_distortion(x / 1, 0)),
        (ValueError, "sigma must be positive", lambda x: elastic(x, 1, generator(), sigma=0)),
        (ValueError, "alpha must be finite", lambda x: elastic(x, np.nan, generator())),
        (ValueError, "fill must be", lambda x: elastic(x, 1, generator(), fill=-1)),
        (ValueError, "backend must be", lambda x: elastic(x, 1, generator(), backend="no")),
        (TypeError, "op must be callable", lambda x: RandomOp("rotate", (0, 1))),
        (ValueError, r"p must be in \[0, 1\], got 2", lambda x: RandomOp(color.invert, p=2)),
        (ValueError, r"\(low, high\), got \(2, 1\)", lambda x: RandomOp(len, (2, 1))),
        (ValueError, "degrees must be an interval", lambda x: RandomAffine(-5)),
        (ValueError, "degrees must be finite", lambda x: RandomAffine(np.nan)),
        (ValueError, "translate must not be neg", lambda x: RandomAffine(0, (-0.1, 0))),
        (ValueError, "scale must be positive", lambda x: RandomAffine(0, scale=(0, 1))),
        (ValueError, "alpha must be finite", lambda x: ElasticTransform(np.nan)),
    ],
)
def test_bad_input(error, match, call):
    with pytest.raises(error, match=match):
        call(picture((4, 4, 3)))
