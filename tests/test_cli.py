"""The command line."""

import gzip
import importlib.util
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest

from fastnn import cli, data, io, optim, train


def test_demo_is_accurate_on_images_it_never_saw(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    accuracy = float(out.split("test accuracy ")[1].split(" %")[0])
    assert accuracy >= 98.5
    for name in (train.BEST, train.LAST):
        assert (tmp_path / name).exists() and str(tmp_path / name) in out
    if importlib.util.find_spec("matplotlib") is None:
        assert "fastnn[plot]" in out
    else:
        assert (tmp_path / "learning-curve.png").exists() and (tmp_path / "mistakes.png").exists()


@pytest.fixture
def mnist(tmp_path):
    """Files in MNIST's format: a bright square whose place is the class."""
    root = tmp_path / "data"
    root.mkdir()
    rng = np.random.default_rng(0)
    for stem, n in (("train", 240), ("t10k", 60)):
        y = (np.arange(n) % 10).astype(np.uint8)
        x = rng.integers(0, 60, (n, 28, 28), dtype=np.uint8)
        for image, label in zip(x, y, strict=True):
            row, column = divmod(int(label), 5)
            image[4 + 10 * row : 14 + 10 * row, 4 + 4 * column : 8 + 4 * column] = 250
        for kind, array in (("images-idx3", x), ("labels-idx1", y)):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = gzip.compress(head + array.tobytes(), 1)
            (root / f"{stem}-{kind}-ubyte.gz").write_bytes(content)
    return root


def test_train_resumes_a_run_that_is_stopped(mnist, tmp_path, capsys, monkeypatch):
    common = ["train", "--data", "mnist", "--root", str(mnist)]
    small = ["--epochs", "2", "--batch-size", "40"]
    assert cli.main([*common, *small, "--out", str(tmp_path / "whole")]) == 0
    out = capsys.readouterr().out
    assert "test accuracy, last epoch" in out and "best on validation" in out
    assert "images/s" in out

    parts = ["--out", str(tmp_path / "parts")]
    step = optim.AdamW.step

    def stopping(self, **arguments):
        if self.steps == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, **arguments)

    monkeypatch.setattr(optim.AdamW, "step", stopping)
    assert cli.main([*common, *small, *parts]) == 130
    assert "interrupted after 8 steps" in capsys.readouterr().out
    monkeypatch.setattr(optim.AdamW, "step", step)
    assert cli.main([*common, *parts, "--resume", "--lr", "1"]) == 1
    assert "cannot change ['lr']" in capsys.readouterr().err
    assert cli.main([*common, *parts, "--resume"]) == 0
    a, b = (io.load_safetensors(tmp_path / run / train.LAST) for run in ("whole", "parts"))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_other_data_train_and_say_what_they_did_to_the_images(name, mnist, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for i in range(6):
        rows = rng.integers(0, 256, (20, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(20) % 10
        part = "test_batch" if i == 5 else f"data_batch_{i + 1}"
        (mnist / f"{part}.bin").write_bytes(rows.tobytes())
    arguments = ["train", "--data", name, "--root", str(mnist), "--epochs", "1"]
    assert cli.main([*arguments, "--batch-size", "24", "--out", str(tmp_path / "out")]) == 0
    assert "test accuracy, last epoch" in capsys.readouterr().out
    scale = data.Standardize()
    scale.load_state_dict(io.load_safetensors(tmp_path / "out" / cli.PREPROCESS))
    assert scale.shape == ((3,) if name == "cifar10" else (1,))
    arguments[2] = "mnist"
    assert cli.main([*arguments, "--resume", "--out", str(tmp_path / "out")]) == 1
    assert "cannot change ['data']" in capsys.readouterr().err


def test_errors_are_one_line(tmp_path, capsys):
    arguments = ["train", "--data", "mnist", "--root", str(tmp_path), "--out", str(tmp_path / "x")]
    assert cli.main(arguments) == 1
    assert "has no file train-images-idx3-ubyte" in capsys.readouterr().err
    assert cli.main([*arguments, "--resume"]) == 1
    with pytest.raises(SystemExit):
        cli.main([])


def test_info(capsys):
    assert cli.main(["info"]) == 0
    assert "fastnn" in capsys.readouterr().out


def test_module_runs():
    result = subprocess.run(
        [sys.executable, "-P", "-m", "fastnn", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("fastnn ")


def test_layers_data_and_training_import_no_extra():
    code = (
        "import sys, fastnn.cli, fastnn.nn, fastnn.optim, fastnn.data, fastnn.train, fastnn.models;"
        "print([m for m in ('matplotlib', 'tqdm', 'safetensors', 'torch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
