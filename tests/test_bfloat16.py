"""float32 products with operands rounded to bfloat16: what they compute, where, and the switch."""

from collections.abc import Iterator

import numpy as np
import pytest

import fastnn
import fastnn.functional as F
from fastnn import _core, reference
from fastnn.specs._spec import rounding

EPS = np.finfo(np.float32).eps
needs_bfloat16 = pytest.mark.skipif(
    not _core.has_bfloat16_dot(),
    reason='"medium" needs the avx512 kernels and a CPU with AVX512-BF16',
)


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    """The setting is restored; tests begin with "medium"."""
    before = fastnn.get_float32_matmul_precision()
    fastnn.set_float32_matmul_precision("medium")
    yield
    fastnn.set_float32_matmul_precision(before)


def rounded(x: np.ndarray) -> np.ndarray:
    """To bfloat16, nearest even, in float64."""
    bits = x.astype(np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def drawn(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def check(got: np.ndarray, expected: np.ndarray, magnitude: np.ndarray, terms: int) -> None:
    """Differs from the exact sum of the rounded operands' products by float32's rounding alone."""
    assert got.dtype == np.float32
    assert (np.abs(got - expected) <= rounding(terms, EPS) * magnitude).all()


def in_float32(function, *arguments: object, **options: object):
    fastnn.set_float32_matmul_precision("highest")
    result = function(*arguments, **options)
    fastnn.set_float32_matmul_precision("medium")
    return result


# ---- products ----

# (m, n, k): tiles of 14 rows, panels of 16 and 32 columns, blocks of 1024 values; split sums.
SIZES = [(28, 32, 32), (29, 33, 33), (43, 48, 1023), (61, 97, 1031), (130, 300, 70), (40, 48, 8209)]


@needs_bfloat16
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_product_of_rounded_matrices(size, turned):
    m, n, k = size
    a, b = drawn((m, k), (k, n))
    y = F.matmul(
        np.asfortranarray(a) if "a" in turned else a, np.asfortranarray(b) if "b" in turned else b
    )
    check(y, rounded(a) @ rounded(b), np.abs(rounded(a)) @ np.abs(rounded(b)), k)
    assert y.tobytes() == F.matmul(a, b).tobytes()
    assert y.tobytes() != in_float32(F.matmul, a, b).tobytes()


@needs_bfloat16
def test_batches_and_linear():
    a, b, bias = drawn((3, 1, 40, 65), (2, 65, 50), (50,))
    expected = rounded(a) @ rounded(b)
    check(F.matmul(a, b), expected, np.abs(rounded(a)) @ np.abs(rounded(b)), 65)
    x, weight = a[0, 0], np.ascontiguousarray(b[0].T)
    y = F.linear(x, weight, bias, activation="relu")
    exact = np.maximum(rounded(x) @ rounded(weight).T + bias, 0)
    check(y, exact, np.abs(rounded(x)) @ np.abs(rounded(weight)).T + np.abs(bias), 66)
    (dy,) = drawn(y.shape)
    dx, dw, db = F.linear_backward(dy, x, weight)
    check(dx, rounded(dy) @ rounded(weight), np.abs(rounded(dy)) @ np.abs(rounded(weight)), 50)
    check(dw, rounded(dy).T @ rounded(x), np.abs(rounded(dy)).T @ np.abs(rounded(x)), 40)
    assert np.array_equal(db, in_float32(F.linear_backward, dy, x, weight)[2])


@needs_bfloat16
def test_not_a_number_and_infinity_pass():
    a, b = drawn((40, 65), (65, 50))
    a[3, 64], a[5, 7] = np.nan, np.inf
    y = F.matmul(a, b)
    assert np.isnan(y[3]).all() and np.isinf(y[5]).all()
    assert np.isfinite(np.delete(y, (3, 5), axis=0)).all()


@pytest.mark.parametrize("size", [(1, 512, 512), (5, 40, 64), (64, 8, 64), (64, 64, 16)], ids=str)
def test_small_products_stay_in_float32(size):
    a, b = drawn((size[0], size[2]), (size[2], size[1]))
    assert np.array_equal(F.matmul(a, b), in_float32(F.matmul, a, b))


@needs_bfloat16
def test_same_bits_for_any_number_of_threads(threads):
    a, b = drawn((150, 1100), (1100, 170))
    with fastnn.threads(1):
        expected = F.matmul(a, b)
    assert np.array_equal(F.matmul(a, b), expected)


# ---- the switch ----


@pytest.mark.parametrize("isa_name", [i for i in fastnn.available_isas() if i != "avx512"])
def test_other_instruction_sets_stay_in_float32(isa_name):
    a, b = drawn((64, 128), (128, 64))
    before = fastnn.get_isa()
    fastnn.set_isa(isa_name)
    try:
        assert not _core.has_bfloat16_dot()
        assert np.array_equal(F.matmul(a, b), in_float32(F.matmul, a, b))
    finally:
        fastnn.set_isa(before)


def test_float64_is_never_rounded():
    a, b = (v.astype(np.float64) for v in drawn((64, 128), (128, 64)))
    assert np.array_equal(F.matmul(a, b), in_float32(F.matmul, a, b))


def test_the_setting_is_kept_and_shown(capsys):
    for name in ("highest", "high", "medium"):
        fastnn.set_float32_matmul_precision(name)
        assert fastnn.get_float32_matmul_precision() == name
        fastnn.show_config()
        assert name in capsys.readouterr().out


def test_high_is_float32():
    a, b = drawn((64, 128), (128, 64))
    fastnn.set_float32_matmul_precision("high")
    assert np.array_equal(F.matmul(a, b), in_float32(F.matmul, a, b))


@pytest.mark.parametrize("name", ["low", "", 3, None])
def test_unknown_precision_is_refused(name):
    with pytest.raises(ValueError, match=r"set_float32_matmul_precision: precision must .*medium"):
        fastnn.set_float32_matmul_precision(name)


# ---- convolutions ----

# n, ci, size, co, kernel, stride, padding, dilation, groups
CONVOLUTIONS = [
    (3, 16, (9, 9), 16, 3, 1, 1, 1, 1),
    (2, 32, (8, 7), 33, 3, 2, 1, 1, 1),
    (3, 5, (9, 10), 17, 3, 1, 1, 1, 1),
    (2, 65, (7, 8), 40, 3, 1, ((0, 2), (1, 0)), 1, 1),
    (2, 24, (11, 12), 20, 5, 3, 2, 1, 1),
    (2, 19, (12, 12), 18, 3, 1, 2, 2, 1),
    (2, 18, (9, 9), 36, 3, 2, 1, 1, 2),
    (2, 34, (9, 9), 20, 1, 2, 0, 1, 1),
    (5, 40, (6, 6), 50, 1, 1, 0, 1, 1),
    (3, 520, (4, 4), 512, 3, 1, 1, 1, 1),
]


@needs_bfloat16
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_of_rounded_arrays(case):
    n, ci, size, co, kernel, stride, padding, dilation, groups = case
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    ours = {**options, "algorithm": "direct"}
    x, weight = drawn((n, ci, *size), (co, ci // groups, kernel, kernel))
    y = F.conv2d(x, weight, **ours)
    (dy,) = drawn(y.shape)
    gradients = F.conv2d_backward(dy, x, weight, **ours, needs=("x", "weight"))[:2]
    wide = [rounded(v) for v in (dy, x, weight)]
    terms = (ci // groups * kernel**2, co // groups * kernel**2, dy[:, 0].size)
    expected, magnitude = (
        (reference.conv2d(b, c, **options), *reference.conv2d_backward(a, b, c, **options)[:2])
        for a, b, c in (wide, [np.abs(v) for v in wide])
    )
    for got, exact, sizes, count in zip((y, *gradients), expected, magnitude, terms, strict=True):
        check(got, exact, sizes, count)
    single = in_float32(F.conv2d_backward, dy, x, weight, **ours)
    assert all(a.tobytes() != b.tobytes() for a, b in zip(gradients, single, strict=False))
    # channels first and a weight in another order: the same bits
    turned = F.conv2d(np.ascontiguousarray(x), fastnn.channels_last(weight), **ours)
    assert np.array_equal(turned, y)


@needs_bfloat16
def test_convolution_has_the_same_bits_for_any_number_of_threads(threads):
    x, weight = drawn((5, 20, 17, 15), (30, 20, 3, 3))
    (dy,) = drawn((5, 30, 9, 8))

    def all_three() -> bytes:
        made = F.conv2d_backward(dy, x, weight, stride=2, padding=1)
        return b"".join(v.tobytes() for v in (F.conv2d(x, weight, stride=2, padding=1), *made))

    with fastnn.threads(1):
        expected = all_three()
    assert all_three() == expected


@needs_bfloat16
def test_not_a_number_stays_in_its_window():
    x, weight = drawn((2, 17, 12, 12), (16, 17, 3, 3))
    clean = F.conv2d(x, weight, padding=1, algorithm="direct")
    x[1, 16, 6, 6] = np.nan
    y = F.conv2d(x, weight, padding=1, algorithm="direct")
    assert np.isnan(y[1, :, 5:8, 5:8]).all()
    y[1, :, 5:8, 5:8] = clean[1, :, 5:8, 5:8]
    assert np.array_equal(y, clean)


@needs_bfloat16
def test_transposed_convolution_of_rounded_arrays():
    x, weight = drawn((2, 20, 7, 7), (20, 18, 3, 3))
    y = F.conv_transpose2d(x, weight, stride=2, padding=1)
    wide = rounded(x), rounded(weight)
    exact = reference.conv_transpose2d(*wide, stride=2, padding=1)
    sizes = reference.conv_transpose2d(*(np.abs(v) for v in wide), stride=2, padding=1)
    check(y, exact, sizes, 20 * 9)
    assert y.tobytes() != in_float32(F.conv_transpose2d, x, weight, stride=2, padding=1).tobytes()
