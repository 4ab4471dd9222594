"""The check that users run on their own machine."""

import numpy as np
import pytest

import fastnn
from fastnn import functional, selfcheck


def test_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    before = fastnn.get_isa()
    assert selfcheck.main(["relu", "linear"]) == 0
    assert fastnn.get_isa() == before
    table = capsys.readouterr().out
    for name in ("relu", "linear", *fastnn.available_isas()):
        assert name in table
    assert "0 failures" in table and "FAILED" not in table


def test_a_wrong_op_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    relu = functional.relu
    monkeypatch.setattr(functional, "relu", lambda x: relu(x) * x.dtype.type(1 + 1e-5))
    assert selfcheck.main(["relu"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_an_op_that_raises_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        raise RuntimeError("out of order")

    monkeypatch.setattr(functional, "relu_backward", broken)
    assert selfcheck.main(["relu"]) == 1
    assert "out of order" in capsys.readouterr().out


def test_unknown_op(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        selfcheck.main(["relU"])
    assert stopped.value.code == 2
    assert "unknown op 'relU'" in capsys.readouterr().err
