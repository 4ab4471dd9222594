"""Philox4x32-10: published vectors, and the numbering of elements."""

import numpy as np
import pytest

import fastnn
from fastnn.reference import philox4x32, philox_words

# Known-answer vectors of Random123 1.14 (tests/kat_vectors): rounds, counter, key, words.
VECTORS = [
    (7, "00000000 00000000 00000000 00000000", "00000000 00000000",
     "5f6fb709 0d893f64 4f121f81 4f730a48"),
    (10, "00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (10, "ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (10, "243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def words(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], np.uint32)


@pytest.mark.parametrize("rounds, counter, key, expected", VECTORS)
def test_published_vectors(rounds: int, counter: str, key: str, expected: str) -> None:
    got = philox4x32(words(counter), words(key), rounds)
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(got, words(expected))


def test_counters_are_independent_of_each_other() -> None:
    counters = np.stack([words(counter) for _, counter, _, _ in VECTORS[1:]])
    keys = np.stack([words(key) for _, _, key, _ in VECTORS[1:]])
    expected = np.stack([words(answer) for *_, answer in VECTORS[1:]])
    np.testing.assert_array_equal(philox4x32(counters, keys), expected)


def word_of(seed: int, position: int) -> int:
    """The word of one element, with Python's exact integers."""
    block = position // 4
    counter = np.array([block >> 32 * i & 0xFFFFFFFF for i in range(4)], np.uint32)
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    return int(philox4x32(counter, key)[position % 4])


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4 * 2**32 - 7, 2**63 - 2, 2**64 - 6, 2**64 - 1])
@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_element_numbering(seed: int, offset: int) -> None:
    expected = [word_of(seed, offset + i) for i in range(13)]
    np.testing.assert_array_equal(philox_words(seed, offset, 13), np.array(expected, np.uint32))


def test_no_elements() -> None:
    assert philox_words(1, 3, 0).shape == (0,)


@pytest.mark.parametrize("offset", [0, 1, 4 * 2**32 - 7, 2**64 - 6])
def test_dropout_drops_the_words_below_p(offset: int, isa: str) -> None:
    seed, p, shape = 2**64 - 5, 0.3, (2, 5, 3, 4)
    _, c, h, w = shape
    kept = fastnn.functional.dropout(np.ones(shape, np.float32), p, seed=seed, offset=offset) != 0
    for at in np.ndindex(*shape):
        i = ((at[0] * h + at[2]) * w + at[3]) * c + at[1]  # N, H, W, C
        assert kept[at] == (word_of(seed, offset + i) >= int(p * 2**32)), at


def test_share_of_dropped_elements(isa: str) -> None:
    n, p = 1 << 22, 0.3
    y = fastnn.functional.dropout(np.ones(n, np.float32), p, seed=7)
    deviation = np.sqrt(p * (1 - p) / n)
    assert abs(np.mean(y == 0) - p) < 4 * deviation
    np.testing.assert_array_equal(np.unique(y), np.array([0, 1 / (1 - p)], np.float32))
