"""The Loader with augmentation: the same batches however they are made, and its threads."""

import gc
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

import fastnn
from fastnn import data

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (50, 3, 12, 10), dtype=np.uint8)
Y = np.arange(50)


def shade(image, rng):
    return image // 2 + rng.integers(0, 100, dtype=np.uint8)


FUSED = [data.RandomHorizontalFlip(), data.RandomCrop(padding=2), data.Cutout(3)]
SCALE = data.Standardize().fit(X)


def loader(**options):
    given = {"seed": 3, "augment": [shade, *FUSED], "normalize": SCALE, **options}
    return data.Loader(X, Y, 8, **given)


def bits(batches):
    return [(x.tobytes(), y.tobytes()) for x, y in batches]


def loader_threads():
    return [t for t in threading.enumerate() if t.name == "fastnn-loader"]


@pytest.mark.parametrize("mix", [None, data.Mixup(50), data.CutMix(50)])
def test_the_same_batches_for_any_threads(mix):
    options = {"mix": mix}
    first = loader(prefetch=0, **options)
    expected = [bits(first) for _ in range(2)]
    assert expected[0] != expected[1]
    for prefetch, workers, threads in ((1, 0, 1), (2, 0, 2), (0, 3, 2), (4, 2, 7)):
        with fastnn.threads(threads):
            other = loader(prefetch=prefetch, workers=workers, **options)
            assert [bits(other) for _ in range(2)] == expected


@pytest.mark.parametrize("prefetch", [0, 3])
def test_resume_counts_what_was_handed_out(prefetch):
    whole, other = loader(prefetch=0), loader(prefetch=prefetch, seed=0)
    list(whole)
    expected = bits(whole)
    broken = loader(prefetch=prefetch)
    list(broken)
    batches = iter(broken)
    for _ in range(3):
        next(batches)
    time.sleep(0.05)
    assert broken.state_dict() == {"seed": 3, "epoch": 1, "position": 3}
    other.load_state_dict(broken.state_dict())
    assert bits(batches) == expected[3:]
    assert bits(other) == expected[3:]


def test_the_queue_is_bounded():
    made = []
    counting = loader(augment=[lambda image: made.append(1) or image], prefetch=2)
    batches = iter(counting)
    next(batches)
    time.sleep(0.2)
    assert len(made) <= 8 * 4, "one handed out, two ready, one waiting for room"
    batches.close()


def test_abandoned_iterators_end_their_threads():
    for end in ("close", "collect", "break"):
        batches = iter(loader(prefetch=1))
        next(batches)
        assert len(loader_threads()) == 1
        if end == "close":
            batches.close()
        elif end == "break":
            for _ in batches:
                break
        del batches
        gc.collect()
        assert not loader_threads(), end
    list(loader(prefetch=2, workers=2))
    assert not loader_threads()


@pytest.mark.parametrize("prefetch, workers", [(0, 0), (2, 0), (2, 2)])
def test_an_exception_arrives_with_its_traceback(prefetch, workers):
    def break_down(image):
        raise ZeroDivisionError("in the worker")

    broken = loader(augment=[break_down], prefetch=prefetch, workers=workers)
    with pytest.raises(ZeroDivisionError, match="in the worker") as raised:
        next(iter(broken))
    lines = "".join(traceback.format_exception(raised.value))
    assert "break_down" in lines and "of image" in lines
    assert broken.position == 0 and not loader_threads()


def test_control_c_reaches_a_waiting_loop():
    def slow(image):
        time.sleep(0.3)
        return image

    timer = threading.Timer(0.2, lambda: signal.raise_signal(signal.SIGINT))
    batches = iter(data.Loader(X, Y, 2, augment=[slow], prefetch=1))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    timer.join()
    del batches
    gc.collect()
    assert not loader_threads()


def test_the_interpreter_ends_with_an_open_iterator():
    program = (
        "import numpy as np; from fastnn import data\n"
        "x = np.zeros((4000, 3, 32, 32), np.uint8)\n"
        "batches = iter(data.Loader(x, np.arange(4000), 500, augment=[], prefetch=2))\n"
        "next(batches); print('out')"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "")


def test_mapped_arrays_are_not_copied(tmp_path):
    for name, array in (("nhwc", X.transpose(0, 2, 3, 1)), ("nchw", X)):
        np.save(tmp_path / f"{name}.npy", array)
        mapped = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        x = mapped.transpose(0, 3, 1, 2) if name == "nhwc" else mapped
        own = data.Loader(x, Y, 8, seed=3, augment=[shade, *FUSED], normalize=SCALE)
        assert bits(own) == bits(loader(prefetch=0))
        assert np.shares_memory(own._x, mapped)
    floats = np.save(tmp_path / "floats.npy", X.astype(np.float32))
    floats = np.load(tmp_path / "floats.npy", mmap_mode="r")
    own = data.Loader(floats, Y, 8, shuffle=False)
    assert np.shares_memory(own._x, floats)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in own]), X)


def test_normalisation_in_the_pass_or_behind_it():
    def normalize(batch, out):
        return np.multiply(batch, 2, out=out)

    crops = data.Compose([data.RandomCrop(padding=2)])
    raw = [x for x, _ in loader(augment=crops, normalize=None)]
    for x, twin in zip(loader(augment=crops, normalize=normalize), raw, strict=True):
        np.testing.assert_allclose(x[0], twin * 510, rtol=1e-6)
    fused = [x for x, _ in loader(augment=crops)]
    wide = [x for x, _ in loader(augment=crops, normalize=data.Standardize(np.float64).fit(X))]
    np.testing.assert_allclose(wide[0], fused[0], rtol=0, atol=1e-5)
    apart = [SCALE(np.round(x * 255).astype(np.uint8)) for x in raw]
    for x, twin in zip(fused, apart, strict=True):
        # two terms of at most max / std, each rounded twice in either way of computing it
        bound = 4 * np.finfo(np.float32).eps * 2 * 255 / SCALE.std_.min()
        np.testing.assert_allclose(x, twin, rtol=0, atol=bound)


def test_evaluation_keeps_sizes_and_normalisation():
    cropped = loader(augment=[shade, data.RandomCrop(8), data.Cutout(4)])
    x, y = next(cropped.in_order())
    assert y.tolist() == list(range(8))
    np.testing.assert_allclose(x, SCALE(X[:8, :, 2:10, 1:9]), rtol=0, atol=1e-6)


def test_soft_targets_pass_through():
    soft = RNG.random((50, 4), dtype=np.float32)
    batches = data.Loader(X, soft, 8, shuffle=False, augment=[], mix=data.Mixup(4))
    for _, y in batches:
        assert y.shape[1] == 4 and y.dtype == np.float32
    np.testing.assert_array_equal(next(batches.in_order())[1], soft[:8])


def test_loader_refuses_augmentation_of_what_is_no_image():
    with pytest.raises(TypeError, match=r"x must be uint8 images.*got float32"):
        data.Loader(X.astype(np.float32), Y, augment=FUSED)
    with pytest.raises(TypeError, match=r"x must be uint8 images.*got uint8 \(50, 360\)"):
        data.Loader(X.reshape(50, -1), Y, augment=FUSED)
    with pytest.raises(ValueError, match="mean, std must be given once"):
        data.Loader(X, Y, augment=[data.Normalize([0] * 3, [1] * 3)], normalize=SCALE)
    with pytest.raises(TypeError, match=r"augment must be .*got RandomCrop\(size=8"):
        data.Loader(X, Y, augment=data.RandomCrop(8))
    with pytest.raises(ValueError, match="prefetch must be at least 0, got -1"):
        loader(prefetch=-1)
    with pytest.raises(RuntimeError, match="fit"):
        loader(normalize=data.Standardize())
