"""Data sets from files and over http, mapped arrays, folders of images, and damaged files."""

import gzip
import hashlib
import http.server
import io
import struct
import sys
import tarfile
import threading
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import data
from fastnn.data import cifar, sets

RNG = np.random.default_rng(0)


def records(n, label_bytes=1, classes=10):
    """Bytes of ``n`` CIFAR records, with their images and labels."""
    rows = RNG.integers(0, 256, (n, label_bytes + 3072), dtype=np.uint8)
    rows[:, :label_bytes] %= classes
    images = rows[:, label_bytes:].reshape(n, 3, 32, 32)
    return rows.tobytes(), images, rows[:, :label_bytes]


def archive(path, folder, files):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def fashion_files():
    files = {}
    for stem, n in (("train", 5), ("t10k", 3)):
        images = RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.arange(n, dtype=np.uint8)))
    return files, images


def cifar10_files(n=2):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    made = [records(n) for _ in names]
    return {name: made[i][0] for i, name in enumerate(names)}, made


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar10(inner, tmp_path):
    files, made = cifar10_files()
    (tmp_path / inner).mkdir(exist_ok=True)
    for name, content in files.items():
        (tmp_path / inner / name).write_bytes(content)
    x, y, x_test, y_test = data.load_cifar10(tmp_path)
    np.testing.assert_array_equal(x, np.concatenate([m[1] for m in made[:5]]))
    np.testing.assert_array_equal(y, np.concatenate([m[2][:, 0] for m in made[:5]]))
    np.testing.assert_array_equal(x_test, made[5][1])
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous and y.dtype == y_test.dtype == np.int64


@pytest.mark.parametrize("coarse", [False, True])
def test_cifar100(coarse, tmp_path):
    for name, n in (("train.bin", 4), ("test.bin", 3)):
        content, images, labels = records(n, 2, 20)
        (tmp_path / name).write_bytes(content)
    split = data.load_cifar100(tmp_path, coarse=coarse)
    assert split.x_train.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(split.x_test, images)
    np.testing.assert_array_equal(split.y_test, labels[:, 0 if coarse else 1])


def test_cifar_files_that_do_not_fit(tmp_path):
    path = tmp_path / "a.bin"
    for content in (b"", bytes(3072), bytes(3074)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a.bin must hold records of 3073 bytes, got"):
            data.read_cifar(path)
    path.write_bytes(bytes(3073 * 2))
    with pytest.raises(ValueError, match="more than max_bytes=3073"):
        data.read_cifar(path, max_bytes=3073)
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(b"\x07\x64" + bytes(3072))
    with pytest.raises(ValueError, match=r"train.bin: labels must be below 100, got 100"):
        data.load_cifar100(tmp_path)
    assert data.load_cifar100(tmp_path, coarse=True).y_train.tolist() == [7]
    with pytest.raises(FileNotFoundError, match=r"data_batch_1.bin.*download=True"):
        data.load_cifar10(tmp_path)


def test_an_archive_unpacks_its_own_files_and_no_others(tmp_path):
    files, _ = cifar10_files()
    packed = tmp_path / "cifar-10-binary.tar.gz"
    archive(packed, "cifar-10-batches-bin", {"../../escaped": b"!", **files})
    assert len(data.load_cifar10(tmp_path).x_train) == 10
    inner = tmp_path / "cifar-10-batches-bin"
    assert {p.name for p in inner.iterdir()} == set(files)
    assert {p.name for p in tmp_path.iterdir()} == {inner.name, packed.name}

    other = tmp_path / "other"
    other.mkdir()
    for content in (b"no archive", packed.read_bytes()[:5000]):
        (other / packed.name).write_bytes(content)
        with pytest.raises(ValueError, match=r"cifar-10-binary.tar.gz is damaged or another"):
            data.load_cifar10(other)
    with tarfile.open(other / packed.name, "w:gz") as tar:
        link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(ValueError, match="is no file of at most"):
        data.load_cifar10(other)


@pytest.fixture
def server(tmp_path):
    """A server of ``tmp_path / "served"``: its folder and address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as s:
        thread = threading.Thread(target=s.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{s.server_port}/"
        s.shutdown()
        thread.join()


def test_downloads_are_checked_and_kept(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    folder, url = server
    files, images = fashion_files()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sums = {name[:-3]: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(sets, "FASHION_MNIST_URL", url)
    monkeypatch.setattr(sets, "FASHION_MNIST_MD5", sums)
    root = tmp_path / "root"
    with pytest.raises(FileNotFoundError, match=r"train-images.*download=True fetches"):
        data.load_fashion_mnist(root)
    np.testing.assert_array_equal(data.load_fashion_mnist(root, download=True).x_test[:, 0], images)
    for name in files:
        (folder / name).unlink()
    assert len(data.load_fashion_mnist(root, download=True).x_train) == 5
    (root / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(OSError, match=r"could not download .*by hand"):
        data.load_fashion_mnist(root, download=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not the published file of MD5"):
        data.load_fashion_mnist(root, download=True)
    assert not (root / "train-images-idx3-ubyte.gz").exists()


def test_cifar_is_downloaded_and_unpacked(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    folder, url = server
    files, made = cifar10_files()
    packed = folder / "cifar-10-binary.tar.gz"
    archive(packed, "cifar-10-batches-bin", files)
    monkeypatch.setattr(cifar, "URL", url)
    monkeypatch.setattr(cifar, "CIFAR10_MD5", hashlib.md5(packed.read_bytes()).hexdigest())
    x_test = data.load_cifar10(tmp_path / "root", download=True).x_test
    np.testing.assert_array_equal(x_test, made[5][1])


def test_download_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"fastnn\[download\]"):
        data.load_mnist(tmp_path, download=True)


def test_official_addresses_are_https():
    for url in (sets.MNIST_URL, sets.FASHION_MNIST_URL, cifar.URL):
        assert url.startswith("https://") and url.endswith("/")


# Damage: a cut, some bytes changed, some appended.
DAMAGE = st.tuples(
    st.integers(0, 7000),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=6),
    st.binary(max_size=40),
)
WHOLE = {
    "idx": idx(np.arange(60, dtype=np.uint8).reshape(3, 4, 5)),
    "cifar": records(2)[0],
    "npy": (lambda f: (np.save(f, np.arange(60.0).reshape(3, 4, 5)), f.getvalue())[1])(
        io.BytesIO()
    ),
}
WHOLE["idx.gz"] = gzip.compress(WHOLE["idx"])
READERS = {
    "idx": data.read_idx,
    "idx.gz": data.read_idx,
    "cifar": lambda path: data.read_cifar(path)[0],
    "npy": lambda path: np.array(data.open_npy(path)),
}


@pytest.mark.parametrize("kind", sorted(READERS))
def test_readers_survive_damage(kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "file"

    @settings(max_examples=150, deadline=None, database=None)
    @given(DAMAGE)
    def survives(damage):
        cut, changes, more = damage
        content = bytearray(WHOLE[kind][:cut])
        for place, value in changes:
            if place < len(content):
                content[place] = value
        path.write_bytes(bytes(content) + more)
        tracemalloc.start()
        try:
            array = READERS[kind](path)
            # bytes of a file this small, however packed, hold no more than gzip's 1032 times
            assert array.nbytes <= 1100 * path.stat().st_size
        except (ValueError, OSError):
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 1 << 22

    survives()
    path.write_bytes(WHOLE[kind])
    assert READERS[kind](path).size in (60, 6144)


def test_npy_is_written_in_batches_and_mapped(tmp_path):
    path = tmp_path / "x.npy"
    x = RNG.integers(0, 256, (7, 3, 4, 5), dtype=np.uint8)
    assert data.write_npy(path, (x[i : i + 3] for i in range(0, 7, 3))) == 7
    np.testing.assert_array_equal(np.load(path), x.transpose(0, 2, 3, 1))
    mapped = data.open_npy(path)
    np.testing.assert_array_equal(mapped, x)
    assert not mapped.flags.writeable and mapped.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(data.open_npy(path, channels_last=False), np.load(path))
    table = RNG.normal(size=(5, 2))
    data.write_npy(path, [table])
    np.testing.assert_array_equal(data.open_npy(path), table)
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_write_npy_refuses_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.npy"
    data.write_npy(path, [np.zeros(3)])
    for batches, error, reason in [
        ([], ValueError, "got none"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], ValueError, r"agree .* got \(3,\) and then \(4,\)"),
        ([np.zeros(2), np.zeros(2, np.float32)], TypeError, "got float64 and then float32"),
        ([np.array([None])], TypeError, "got object"),
        ([np.float64(1)], TypeError, r"got float64 \(\)"),
    ]:
        with pytest.raises(error, match=reason):
            data.write_npy(path, iter(batches))
    np.testing.assert_array_equal(data.open_npy(path), np.zeros(3))
    assert [p.name for p in tmp_path.iterdir()] == ["x.npy"]


def test_open_npy_never_unpickles(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a.npy is no array to map"):
        data.open_npy(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError):
        data.open_npy(tmp_path / "b.npy")


def test_loader_takes_a_mapped_array_without_a_copy(tmp_path):
    path, n = tmp_path / "x.npy", 64
    x = RNG.integers(0, 256, (n, 3, 64, 64), dtype=np.uint8)
    data.write_npy(path, [x])
    mapped, scale = data.open_npy(path), data.Standardize().fit(x)
    tracemalloc.start()
    loader = data.Loader(mapped, np.arange(n), 2, normalize=scale, shuffle=False)
    batch = next(iter(loader))[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    bound = 4 * np.finfo(np.float32).eps * 2 * 255 / scale.std_.min()  # terms up to max / std
    np.testing.assert_allclose(batch, scale(x[:2]), rtol=0, atol=bound)
    assert peak < x.nbytes / 2


@pytest.fixture
def photos(tmp_path):
    image = pytest.importorskip("PIL.Image")
    root = tmp_path / "photos"
    for name in ("dog", "cat", ".hidden"):
        (root / name / "more").mkdir(parents=True)
    colours = {"cat/b.png": 20, "cat/a.png": 10, "cat/more/c.PNG": 30, "dog/a.jpg": 200}
    for i, (name, value) in enumerate(colours.items()):
        image.new("RGB", (6 + i, 4), (value, value, value)).save(root / name)
    (root / "dog" / "notes.txt").write_text("no image")
    (root / "cat" / ".thumb.png").write_bytes(b"hidden")
    (root / "readme.png").write_bytes(b"in no class")
    return root


def test_image_folder(photos):
    folder = data.ImageFolder(photos, size=4)
    assert folder.classes == ["cat", "dog"] and folder.class_to_idx == {"cat": 0, "dog": 1}
    names = [p.relative_to(photos).as_posix() for p in folder.paths]
    assert names == ["cat/a.png", "cat/b.png", "cat/more/c.PNG", "dog/a.jpg"]
    x, y = folder.read()
    assert x.shape == (4, 3, 4, 4) and x.dtype == np.uint8 and y.tolist() == [0, 0, 0, 1]
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous
    assert x[:3, 0, 0, 0].tolist() == [10, 20, 30] and abs(int(x[3, 0, 0, 0]) - 200) <= 1
    some, labels = folder.read([3, 0])
    np.testing.assert_array_equal(some, x[[3, 0]])
    assert labels.tolist() == [1, 0] and len(list(folder)) == len(folder) == 4
    image, label = folder[-1]
    np.testing.assert_array_equal(image, x[3])
    assert label == 1
    np.testing.assert_array_equal(np.concatenate(list(folder.batches(3))), x)
    np.testing.assert_array_equal(np.concatenate(list(folder.batches(2, [3, 0, 1]))), x[[3, 0, 1]])


def test_image_folder_sizes_modes_and_transforms(photos):
    with pytest.raises(ValueError, match=r"agree in size \(pass size=\).*\(4, 7, 3\).*a.png|b.png"):
        data.ImageFolder(photos).read()
    assert data.ImageFolder(photos)[1][0].shape == (3, 4, 6)
    assert data.ImageFolder(photos, size=(2, 3), mode="L").read()[0].shape == (4, 1, 2, 3)
    corner = data.ImageFolder(photos, transform=lambda image: image[:2, :2] / 10)
    x, _ = corner.read([0, 2])
    assert x.shape == (2, 3, 2, 2) and x.dtype == np.float64 and x[1, 0, 0, 0] == 3
    with pytest.raises(ValueError, match="transform must give numbers"):
        data.ImageFolder(photos, transform=lambda image: image[0])[0]


def test_image_folder_scales_to_cover_and_crops_the_centre(tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a").mkdir()
    stripes = np.repeat(np.array([0, 100, 200], np.uint8), 4)[None, :, None] * np.ones(
        (4, 1, 3), np.uint8
    )
    image.fromarray(stripes).save(tmp_path / "a" / "wide.png")
    x, _ = data.ImageFolder(tmp_path, size=4)[0]
    assert (x == 100).all()


def test_image_folder_names_what_is_wrong(photos, tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(photos / "noise.png")
    png = (photos / "noise.png").read_bytes()
    for content in (b"", b"no image", png[:60], png[: len(png) // 2]):
        (photos / "cat" / "b.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"b.png cannot be decoded"):
            data.ImageFolder(photos)[1]
    (photos / "cat" / "b.png").unlink()
    folder = data.ImageFolder(photos)
    folder.paths[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"a.png"):
        folder[0]
    with pytest.raises(ValueError, match="indices must be"):
        folder.read([])
    (photos / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty has no image"):
        data.ImageFolder(photos)
    with pytest.raises(FileNotFoundError, match="has no subfolder"):
        data.ImageFolder(photos / "empty")
    with pytest.raises(FileNotFoundError, match="must be a folder"):
        data.ImageFolder(tmp_path / "none")
    with pytest.raises(ValueError, match="size must be positive"):
        data.ImageFolder(photos, size=0)
    with pytest.raises(ValueError, match="mode must be one of"):
        data.ImageFolder(photos, mode="HSV")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"fastnn\[image\]"):
        data.ImageFolder(photos)
