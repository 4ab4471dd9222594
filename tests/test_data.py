"""Readers, splits, standardisation and the Loader."""

import contextlib
import gzip
import struct

import numpy as np
import pytest

from fastnn import data


def idx(array, code=8):
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def test_bundled_digits():
    x, y = data.load_digits()
    assert x.shape == (1797, 1, 8, 8) and x.dtype == np.uint8 and x.max() == 16
    assert y.dtype == np.int64
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_mnist_files(tmp_path):
    rng = np.random.default_rng(0)
    for stem, count in (("train", 6), ("t10k", 4)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        labels = np.arange(count, dtype=np.uint8)
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(idx(labels))
    x, y, x_test, y_test = data.load_mnist(tmp_path)
    assert x.shape == (6, 1, 28, 28) and x_test.shape == (4, 1, 28, 28)
    assert y.tolist() == list(range(6)) and y_test.dtype == np.int64
    np.testing.assert_array_equal(x_test[:, 0], images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(ValueError, match="do not match"):
        data.load_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte or"):
        data.load_mnist(tmp_path)


@pytest.mark.parametrize(
    "dtype, code", [("u1", 8), ("i1", 9), (">i2", 11), (">f4", 13), (">f8", 14)]
)
def test_idx_dtypes(dtype, code, tmp_path):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array, code))
    read = data.read_idx(tmp_path / "a")
    np.testing.assert_array_equal(read, array)
    assert read.dtype.isnative


GOOD = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "no IDX file"),
        (b"PK\x03\x04", "no IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "no IDX file"),
        (b"\0\0\x08\0", "rank 1 to 8"),
        (b"\0\0\x08\xff", "rank 1 to 8"),
        (GOOD[:10], "within its header"),
        (GOOD[:-1], "must hold 24 bytes"),
        (GOOD + b"!", "got more"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces"),
        (gzip.compress(GOOD)[:-9], "damaged gzip"),
        (gzip.compress(GOOD)[:12], "damaged gzip|no IDX"),
        (gzip.compress(GOOD[:-1]), "must hold 24 bytes"),
        (b"\x1f\x8b" + bytes(30), "damaged gzip"),
    ],
)
def test_damaged_idx_files_are_refused(content, reason, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        data.read_idx(tmp_path / "a")


def test_idx_survives_random_damage(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "a"
    for packed in (GOOD, gzip.compress(GOOD)):
        for _ in range(200):
            damaged = bytearray(packed)
            for place in rng.integers(0, len(packed), 3):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged[: rng.integers(len(packed) + 1)])
            with contextlib.suppress(ValueError):
                assert data.read_idx(path, max_bytes=1 << 20).nbytes <= 1 << 20


def test_a_small_file_cannot_unpack_into_much_memory(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(GOOD + bytes(50_000_000)))
    with pytest.raises(ValueError, match="got more"):
        data.read_idx(tmp_path / "bomb")


def test_split_is_stratified_seeded_and_complete():
    y = np.repeat([0, 1, 2], [100, 50, 10])
    x = np.arange(160)
    parts = data.train_test_split(x, y, test_size=0.2, seed=3)
    assert np.bincount(parts.y_test).tolist() == [20, 10, 2]
    assert sorted([*parts.x_train, *parts.x_test]) == x.tolist()
    np.testing.assert_array_equal(y[parts.x_test], parts.y_test)
    again = data.train_test_split(x, y, test_size=32, seed=3)
    np.testing.assert_array_equal(parts.x_test, again.x_test)
    other = data.train_test_split(x, y, test_size=32, seed=4)
    assert not np.array_equal(parts.x_test, other.x_test)
    for size in (0, 160, 0.001):
        with pytest.raises(ValueError, match="two parts"):
            data.train_test_split(x, y, test_size=size)


def test_standardize():
    x = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 4), dtype=np.uint8)
    x[:, 2] = 7
    scale = data.Standardize().fit(x)
    np.testing.assert_allclose(scale.mean_, x.mean((0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(scale.std_, x.std((0, 2, 3)), rtol=1e-14, atol=1e-14)
    y = scale(x)
    assert y.dtype == np.float32 and y.transpose(0, 2, 3, 1).flags.c_contiguous
    expected = (x - x.mean((0, 2, 3), keepdims=True)) / [[[[1.0]]]]
    expected[:, :2] /= x.std((0, 2, 3), keepdims=True)[:, :2]
    # Two float32 roundings of values up to mean / std, about 2.
    np.testing.assert_allclose(y, expected, rtol=0, atol=8 * np.finfo(np.float32).eps)
    with pytest.raises(ValueError, match=r"\(N, 3, ...\)"):
        scale(x[:, :2])
    with pytest.raises(RuntimeError, match="fit"):
        data.Standardize()(x)


def numbered(n, dtype=np.float32):
    x = np.arange(n, dtype=dtype)[:, None, None, None] * np.ones((1, 2, 3, 3), dtype)
    return x, np.arange(n)


def test_loader_gives_every_sample_once_an_epoch_in_a_new_order():
    x, y = numbered(10)
    loader = data.Loader(x, y, 4, seed=1)
    epochs = [[b[1].tolist() for b in loader] for _ in range(2)]
    for epoch in epochs:
        assert sorted(np.concatenate(epoch).tolist()) == y.tolist() and [len(b) for b in epoch] == [
            4,
            4,
            2,
        ]
    assert epochs[0] != epochs[1]
    assert epochs[0] == [b[1].tolist() for b in data.Loader(x, y, 4, seed=1)]
    in_order = data.Loader(x, y, 4, shuffle=False)
    assert [b[1].tolist() for b in in_order] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_loader_batches_are_channels_last_and_match_their_targets():
    x, y = numbered(9)
    for batch, target in data.Loader(x, y, 4):
        assert batch.shape[1:] == (2, 3, 3) and batch.transpose(0, 2, 3, 1).flags.c_contiguous
        np.testing.assert_array_equal(batch[:, 0, 0, 0], target)


def test_loader_in_order_leaves_out_nothing_and_moves_nothing():
    x, y = numbered(9)
    loader = data.Loader(x, y, 4)
    next(iter(loader))
    state = loader.state_dict()
    for batch, target in loader.in_order():
        np.testing.assert_array_equal(batch[:, 0, 0, 0], target)
    assert target.tolist() == [8] and loader.state_dict() == state


def test_loader_drop_last():
    x, y = numbered(9)
    count = {
        (s, d): len(list(data.Loader(x, y, 4, shuffle=s, drop_last=d)))
        for s in (True, False)
        for d in (None, True, False)
    }
    assert count == {
        (True, None): 2,
        (True, True): 2,
        (True, False): 3,
        (False, None): 3,
        (False, True): 2,
        (False, False): 3,
    }


def test_loader_resumes_at_its_position():
    x, y = numbered(10)
    loader, other = data.Loader(x, y, 3, seed=5), data.Loader(x, y, 3)
    list(loader)
    batches = iter(loader)
    next(batches)
    other.load_state_dict(loader.state_dict())
    rest = [b[1].tolist() for b in batches]
    assert [b[1].tolist() for b in other] == rest and len(rest) == 2
    assert loader.state_dict() == other.state_dict() == {"seed": 5, "epoch": 1, "position": 3}
    assert len(list(other)) == 3 and other.epoch == 2
    with pytest.raises(ValueError, match="position"):
        other.load_state_dict({"seed": 0, "epoch": 0, "position": 9})


def test_loader_reuses_memory_but_never_memory_that_is_held():
    x, y = numbered(64, np.uint8)
    scale = data.Standardize().fit(x)
    loader = data.Loader(x, y, 8, normalize=scale, shuffle=False)
    addresses = {batch.ctypes.data for batch, _ in loader}
    assert len(addresses) == 2
    for held in (list(loader), [(batch[:, :1], target) for batch, target in loader]):
        for i, (batch, target) in enumerate(held):
            expected = scale(x[8 * i : 8 * i + 8])[:, : batch.shape[1]]
            np.testing.assert_allclose(batch, expected, rtol=0, atol=4 * np.finfo("f4").eps * 2)
            assert target[0] == 8 * i


def test_loader_refuses():
    x, y = numbered(4)
    with pytest.raises(ValueError, match="one length"):
        data.Loader(x, y[:3])
    with pytest.raises(ValueError, match="batch_size"):
        data.Loader(x, y, 0)
    with pytest.raises(TypeError, match="normalize"):
        data.Loader(x.astype(np.uint8), y)
    with pytest.raises(ValueError, match="no batch"):
        data.Loader(x, y, 8, drop_last=True)
