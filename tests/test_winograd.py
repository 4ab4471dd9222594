"""Winograd convolution: the reference of its transforms, its accuracy, its choice."""

import numpy as np
import pytest

import fastnn
import fastnn.functional as F
from fastnn import _core, nn, reference
from fastnn.reference import _winograd
from fastnn.specs._spec import rounding

Shape = tuple[int, int, int, int]
MARGINS = [((0, 0), (0, 0)), ((1, 1), (1, 1)), ((0, 3), (2, 1))]


def drawn(n: int, c: int, size: int, o: int, relu: bool = False) -> tuple[np.ndarray, ...]:
    """x, weight and dy at the scale of training: variances 1, 1 / (9 c), 1."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((n, c, size, size)), rng.standard_normal((n, o, size, size))
    weight = rng.standard_normal((o, c, 3, 3)) / np.sqrt(9 * c)
    arrays = [np.maximum(x, 0) if relu else x, weight, dy]
    return tuple(np.asarray(v, np.float32) for v in arrays)


# ---- the reference of the transforms ----


@pytest.mark.parametrize("margin", MARGINS, ids=str)
@pytest.mark.parametrize("size", [(4, 4), (5, 7), (9, 3)], ids=str)
def test_transforms_compute_the_convolution(size, margin):
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((2, 3, *size)), rng.standard_normal((5, 3, 3, 3))
    y = reference.conv2d(x, weight, padding=margin)
    dy = rng.standard_normal(y.shape)
    dx, dw, _ = reference.conv2d_backward(dy, x, weight, padding=margin)
    sizes = _winograd.toom_cook().magnitudes()
    for function, arguments, expected in (
        (_winograd.conv2d, (x, weight), y),
        (_winograd.input_gradient, (dy, x, weight), dx),
        (_winograd.weight_gradient, (dy, x), dw),
    ):
        magnitude = function(*(np.abs(v) for v in arguments), margin, sizes)
        allowed = rounding(2 * 3 * 9 + 40, np.finfo(np.float64).eps) * magnitude
        assert (np.abs(function(*arguments, margin) - expected) <= allowed).all()


# ---- accuracy ----


def errors(got: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Root mean square and largest error."""
    e = got - expected
    return float(np.sqrt((e * e).mean())), float(np.abs(e).max())


def summed_in_order(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dW of a padding of 1, one pixel after the other in float32."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dw = np.zeros((dy.shape[1], x.shape[1], 3, 3), x.dtype)
    for n, p, q in np.ndindex(len(dy), *dy.shape[2:]):
        dw += np.multiply.outer(dy[n, :, p, q], padded[n, :, p : p + 3, q : q + 3])
    return dw


@pytest.mark.parametrize("relu", [False, True], ids=["normal", "ReLU inputs"])
@pytest.mark.parametrize(
    "shape",
    [
        (8, 16, 16, 16),
        (8, 32, 16, 32),
        (8, 32, 6, 32),
        (32, 64, 4, 64),
        (2, 64, 16, 64),
        (8, 130, 7, 50),
    ],
    ids=str,
)
def test_error_is_close_to_that_of_the_direct_sum(shape, relu, isa):
    """Promised: rms at most 2.5 times, largest at most 4 times that of the direct kernel.

    The direct kernel adds weight gradients up in short blocks, which leaves it a quarter of the
    error of a plain sum at times; the yardstick for them is the plain sum.
    """
    if shape[1] < {"avx512": 16, "avx2": 32, "baseline": 64, "neon": 32}[isa]:
        pytest.skip("so few channels are left to the direct kernel")
    x, weight, dy = drawn(*shape, relu=relu)
    wide = [v.astype(np.float64) for v in (x, weight, dy)]
    y = reference.conv2d(wide[0], wide[1], padding=1)
    dx, dw, _ = reference.conv2d_backward(wide[2], wide[0], wide[1], padding=1)
    found = {}
    for algorithm in ("direct", "winograd"):
        options = {"padding": 1, "algorithm": algorithm}
        gradients = F.conv2d_backward(dy, x, weight, **options)
        found[algorithm] = [F.conv2d(x, weight, **options), *gradients[:2]]
    found["direct"][2] = summed_in_order(dy, x)
    for ours, direct, true in zip(found["winograd"], found["direct"], (y, dx, dw), strict=True):
        (rms, largest), (direct_rms, direct_largest) = errors(ours, true), errors(direct, true)
        assert rms <= 2.5 * direct_rms and largest <= 4 * direct_largest


def test_a_nan_stays_in_its_tile(isa):
    x, weight, _ = drawn(1, 16, 12, 16)
    clean = F.conv2d(x, weight, padding=1, algorithm="winograd")
    x[0, 3, 6, 6] = np.nan  # read by the tile of rows and columns 4 to 7 alone
    y = F.conv2d(x, weight, padding=1, algorithm="winograd")
    assert np.isnan(y[:, :, 4:8, 4:8]).all()
    y[:, :, 4:8, 4:8] = clean[:, :, 4:8, 4:8]
    assert np.array_equal(y, clean)


# ---- the choice ----


@pytest.fixture
def default():
    before = fastnn.get_conv_algorithm()
    yield fastnn.set_conv_algorithm
    fastnn.set_conv_algorithm(before)


def results(*arrays: np.ndarray, **options: object) -> bytes:
    x, weight, dy = arrays
    gradients = F.conv2d_backward(dy, x, weight, padding=1, **options)
    made = (F.conv2d(x, weight, padding=1, **options), *gradients)
    return b"".join(v.tobytes() for v in made)


def test_auto_takes_winograd_where_it_pays(isa):
    for shape, expected in (
        ((8, 64, 32, 64), "winograd"),
        ((8, 32, 32, 32), "direct" if isa == "baseline" else "winograd"),
        ((8, 16, 12, 16), "winograd" if isa == "avx512" else "direct"),
        ((8, 16, 10, 16), "direct"),  # too much border for such short sums
        ((64, 3, 32, 64), "direct"),  # a first layer
        ((1, 256, 4, 256), "direct"),  # the weights' transform costs more than it saves
    ):
        arrays = drawn(*shape)
        other = {"winograd": "direct", "direct": "winograd"}[expected]
        auto = results(*arrays, algorithm="auto")
        assert auto == results(*arrays, algorithm=expected), shape
        assert auto != results(*arrays, algorithm=other), shape


def test_default_algorithm_is_for_calls_that_name_none(default):
    arrays = drawn(8, 32, 16, 32)
    direct, winograd = (results(*arrays, algorithm=name) for name in ("direct", "winograd"))
    assert direct != winograd
    for name, expected in (("direct", direct), ("winograd", winograd), ("auto", winograd)):
        default(name)
        assert fastnn.get_conv_algorithm() == name
        assert results(*arrays) == expected
    default("direct")
    assert results(*arrays, algorithm="auto") == winograd


def test_default_winograd_gives_way_where_it_cannot_be_used(default):
    x, weight, _ = drawn(2, 16, 9, 16)
    expected = F.conv2d(x, weight, stride=2).tobytes()
    default("winograd")
    assert F.conv2d(x, weight, stride=2).tobytes() == expected


def test_float64_is_always_direct():
    arrays = [v.astype(np.float64) for v in drawn(8, 32, 16, 32)]
    assert results(*arrays, algorithm="winograd") == results(*arrays, algorithm="direct")


def test_a_layer_may_choose():
    x, weight, dy = drawn(8, 32, 16, 32)
    for name in ("direct", "winograd"):
        layer = nn.Conv2d(32, 32, 3, padding=1, bias=False, algorithm=name)
        layer.weight.data[...] = weight
        y = layer(x)
        assert y.tobytes() == F.conv2d(x, weight, padding=1, algorithm=name).tobytes()
        dx = layer.backward(dy)
        expected = F.conv2d_backward(dy, x, weight, padding=1, algorithm=name)
        assert dx.tobytes() == expected[0].tobytes()
        assert np.array_equal(layer.weight.grad, expected[1])


@pytest.mark.parametrize("name", ["fft", "", 3, None])
def test_unknown_default_is_refused(name, default):
    with pytest.raises(ValueError, match=r"set_conv_algorithm: algorithm must be .*winograd.*got"):
        default(name)


def test_a_single_image_runs_on_several_threads():
    x, weight, _ = drawn(1, 64, 28, 64)
    before = _core.parallel_regions()
    with fastnn.threads(2):
        F.conv2d(x, weight, padding=1, algorithm="winograd")
    assert _core.parallel_regions() > before
