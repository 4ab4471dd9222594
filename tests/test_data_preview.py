"""The picture of augmented images, and its command."""

import re
import subprocess
import sys

import numpy as np
import pytest

from fastnn import data
from fastnn.data import grid, preview

pytest.importorskip("PIL")
pytest.importorskip("matplotlib")


def digits():
    x, _ = data.load_digits()
    return x * 15


def test_columns_are_what_training_gets(tmp_path, monkeypatch):
    """The original, then each epoch's image of the same seed and index, values from 0 to 1."""
    seen = []
    monkeypatch.setattr(grid, "_mosaic", lambda columns, gap: seen.append(columns) or picture)
    picture = np.zeros((20, 40, 1), np.float32)
    plain = data.Compose([data.RandomAffine(20), data.RandomHorizontalFlip()])
    normalized = data.Compose([*plain.transforms, data.Normalize([0.4], [0.3])])
    index = np.array([3, 11])
    for augment in (plain, normalized, plain.transforms):
        data.plot_augmented(digits(), augment, tmp_path / "a.png", index=index, epochs=2, seed=5)
    for columns in seen:
        np.testing.assert_allclose(columns[0], digits()[index] / 255, rtol=1e-6)
        for epoch in (0, 1):
            expected = plain(digits(), index, seed=5, epoch=epoch)
            # Normalised and back: three roundings of values up to 1.4 / 0.3.
            bound = 8 * np.finfo(np.float32).eps / 0.3
            np.testing.assert_allclose(columns[1 + epoch], expected, rtol=0, atol=bound)
    assert not np.array_equal(seen[0][1], seen[0][2])
    loader = data.Loader(digits()[:12], np.arange(12), 12, augment=plain, seed=5)
    for epoch, (batch, labels) in enumerate(next(iter([*loader])) for _ in range(2)):
        expected = plain(digits(), labels, seed=5, epoch=epoch)
        np.testing.assert_array_equal(batch, expected)


def test_mosaic():
    columns = [np.full((3, 2, 4, 5), value, np.float32) for value in (0.1, 0.2)]
    picture = grid._mosaic(columns, gap=2)
    assert picture.shape == (18, 14, 2)
    assert (picture[:4, :5] == np.float32(0.1)).all() and (picture[6:10, 7:12] < 0.21).all()
    assert (picture[4:6] == 1).all() and (picture[:, 12:] == 1).all()


@pytest.mark.parametrize("policy", preview.POLICIES)
def test_every_policy_makes_a_picture(policy, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    out = tmp_path / "seen.png"
    assert preview.policies((3, 1, 1)).keys() == set(preview.POLICIES)
    options = ["--policy", policy, "--images", "2", "--epochs", "3", "--out", str(out)]
    assert preview.main(options) == 0
    assert capsys.readouterr().out == f"{out}: 2 images of digits under {policy}\n"
    with image.open(out) as picture:
        width, height = picture.size
        assert 300 < width < 900 and 150 < height < 500
        assert np.ptp(np.asarray(picture)) > 200


def test_data_sets_from_files(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (6, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(6)
    cifar = tmp_path / "cifar"
    cifar.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        records.tofile(cifar / f"{name}.bin")
    for name in ("ants", "bees"):
        (tmp_path / "folder" / name).mkdir(parents=True)
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        image.fromarray(pixels).save(tmp_path / "folder" / name / "a.png")
    for name, shown in (("cifar10", 8), ("folder", 2)):
        folder = tmp_path / name.removesuffix("10")
        options = ["--data", name, "--root", str(folder), "--size", "32", "--epochs", "1"]
        assert preview.main([*options, "--out", str(tmp_path / "a.png")]) == 0
        assert f"{shown} images of {name} under flip-crop" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, message",
    [
        (["--data", "mnist"], "--data mnist needs --root"),
        (["--data", "cifar10", "--root", "nowhere"], "nowhere has neither"),
        (["--images", "0"], "at least 1, got 9 and 0"),
        (["--epochs", "0"], "at least 1, got 0 and 8"),
    ],
)
def test_the_command_says_what_is_wrong(options, message, tmp_path, capsys):
    assert preview.main([*options, "--out", str(tmp_path / "a.png")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("preview: ") and message in error


def test_the_module_runs_as_a_program(tmp_path):
    command = [sys.executable, "-P", "-W", "error", "-m", "fastnn.data.preview", "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.search("trivialaugment", text)


@pytest.mark.parametrize(
    "error, match, options",
    [
        (ValueError, r"got \(8, 8\)", {"x": digits()[0, 0]}),
        (ValueError, "got 0 and 8", {"epochs": 0}),
        (ValueError, "labels must be 8, got 1", {"labels": ["a"]}),
        (TypeError, "uint8", {"x": digits() / 255}),
    ],
)
def test_bad_input(error, match, options, tmp_path):
    augment = data.Compose([data.RandomHorizontalFlip()])
    arguments = {"x": digits(), "augment": augment, "path": tmp_path / "a.png"} | options
    with pytest.raises(error, match=match):
        data.plot_augmented(**arguments)
