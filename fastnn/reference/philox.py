"""Philox4x32-10, a random number generator that is a pure function of (key, counter)."""

import numpy as np

__all__ = ["philox4x32", "philox_words"]

MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], dtype=np.uint64)
WEYL = np.array([0x9E3779B9, 0xBB67AE85], dtype=np.uint32)  # golden ratio, sqrt(3) - 1


def philox4x32(counter: np.ndarray, key: np.ndarray, rounds: int = 10) -> np.ndarray:
    """Philox4x32 with the given number of rounds.

    One round: (hi0, lo0) = M0 * c0, (hi1, lo1) = M1 * c2,
    c = (hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0); between rounds k += (W0, W1) modulo 2^32.

    Parameters
    ----------
    counter : uint32 ndarray (..., 4), least significant word first
    key : uint32 ndarray (..., 2), least significant word first
    rounds : int

    Returns
    -------
    words : uint32 ndarray (..., 4)

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
    section 4.3 and table 2.
    """
    c = [np.asarray(counter, dtype=np.uint32)[..., i] for i in range(4)]
    k = np.asarray(key, dtype=np.uint32)
    for _ in range(rounds):
        product0, product1 = MULTIPLIERS[0] * c[0], MULTIPLIERS[1] * c[2]
        high0, high1 = (product0 >> 32).astype(np.uint32), (product1 >> 32).astype(np.uint32)
        low0, low1 = product0.astype(np.uint32), product1.astype(np.uint32)
        c = [high1 ^ c[1] ^ k[..., 0], low1, high0 ^ c[3] ^ k[..., 1], low0]
        k = k + WEYL
    return np.stack(c, axis=-1)


def philox_words(seed: int, offset: int, count: int) -> np.ndarray:
    """The random 32-bit words of elements 0 ... count - 1 of a stream.

    Element i uses word (offset + i) mod 4 of the block with key ``seed`` and 128-bit counter
    (offset + i) div 4.

    Parameters
    ----------
    seed, offset : int in [0, 2^64)
    count : int

    Returns
    -------
    words : uint32 ndarray (count,)
    """
    blocks = (count + offset % 4 + 3) // 4
    block = np.uint64(offset // 4) + np.arange(blocks, dtype=np.uint64)  # < 2^63: no wrap
    counter = np.zeros((blocks, 4), dtype=np.uint32)
    counter[:, 0] = block & 0xFFFFFFFF
    counter[:, 1] = block >> 32
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], dtype=np.uint32)
    return philox4x32(counter, key).reshape(-1)[offset % 4 :][:count]
