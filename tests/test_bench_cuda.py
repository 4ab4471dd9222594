"""The benchmark of a CUDA device, without one."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import cuda, networks, peers, record
from bench.__main__ import main
from bench.contenders import OURS
from bench.timing import Call
from bench.timing import summary as timing


def test_says_why_it_cannot_run(capsys: pytest.CaptureFixture[str]) -> None:
    if cuda.missing():
        assert main(["cuda"]) == 1
        assert capsys.readouterr().out == f"bench cuda cannot run here: {cuda.missing()}\n"


def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU's tensors and clock in place of the device's."""
    torch = pytest.importorskip("torch")

    def seconds(call: object, repeats: int) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    card = SimpleNamespace(name="a card", L2_cache_size=1 << 20)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    monkeypatch.setattr(cuda, "missing", lambda: "")
    monkeypatch.setattr(cuda, "seconds", seconds)
    monkeypatch.setattr(cuda, "copy_bandwidth", lambda: 1e10)
    monkeypatch.setattr(cuda, "TURN", 0.0)
    monkeypatch.setattr(cuda, "CUDA", "cpu")
    file = tmp_path / "card.json"
    assert main(["cuda", "relu", "sgd_step_", "mse_loss", "--json", str(file)]) == 0
    result = record.read(file)
    assert {row.op for row in result.rows} == {"relu", "sgd_step_", "mse_loss"}
    assert {row.direction for row in result.rows} == {"forward", "backward", "both"}
    assert all(len(row.contenders) > 1 for row in result.rows)
    assert result.machine["gpu"] == "a card" and peers.DEVICE == "cpu"


def test_steps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The CPU's step in place of the device's, which is captured there."""
    pytest.importorskip("torch")
    asked: list[bool] = []

    def own_step(network: networks.Network, capture: bool) -> Call:
        asked.append(capture)
        return networks.ours(network, "train")

    monkeypatch.setattr(cuda, "own_step", own_step)
    monkeypatch.setattr(
        cuda, "race", lambda calls: {n: timing([clock(f)]) for n, f in calls.items()}
    )
    result = record.begin({}, [])
    cuda.measure_step(result, "dropout MLP", False)
    assert asked == [False, True]
    assert set(result.steps[0].contenders) == {OURS, f"{OURS} captured", "torch NCHW"}
    assert "1.00x captured" in capsys.readouterr().out


def clock(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
