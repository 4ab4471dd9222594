"""python -m bench compare: a real regression is found, noise is not."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import __main__ as bench
from bench import compare, record
from bench.timing import Timing

MACHINE = {
    "cpu": "a CPU",
    "cores": 2,
    "isa": "avx2",
    "threads": 2,
    "torch": "2.6",
    "numpy": "2.0",
    "limits": {"fma_peak": 1e11, "copy": 1e10},
}


def timing(median: float, spread: float = 0.01, rounds: int = 50) -> Timing:
    return Timing(median, spread * median, rounds)


def row(case: str, ours: Timing, **peers: Timing) -> record.Row:
    return record.Row(
        op="relu",
        case=case,
        suite="specs",
        direction="forward",
        dtype="float32",
        hot=False,
        flops=1e6,
        bytes=1e6,
        verified=True,
        checked="whole",
        settled=True,
        threads=2,
        contenders={"fastnn": ours, **peers},
    )


def result(*rows: record.Row, **machine: object) -> record.Result:
    return record.Result(machine={**MACHINE, **machine}, rows=list(rows))


def words(old: record.Result, new: record.Result, **options: float) -> list[str]:
    return [v.word for v in compare.compare(old, new, **options)]


@pytest.mark.parametrize(
    ("factor", "spread", "word"),
    [
        (1.0, 0.01, "same"),
        (1.04, 0.001, "same"),  # certain, but below the threshold
        (1.2, 0.01, "slower"),
        (0.8, 0.01, "faster"),
        (1.2, 0.3, "too noisy"),
        (2.0, 0.3, "slower"),  # noisy, but not that noisy
    ],
)
def test_verdicts(factor, spread, word):
    old, new = row("a", timing(1e-3, spread)), row("a", timing(factor * 1e-3, spread))
    assert words(result(old), result(new)) == [word]


def test_what_the_machine_did_is_divided_out():
    old = row("a", timing(1e-3), **{"torch NCHW": timing(2e-3), "NumPy": timing(3e-3)})
    everything = row("a", timing(1.5e-3), **{"torch NCHW": timing(3e-3), "NumPy": timing(4.5e-3)})
    only_ours = row("a", timing(1.5e-3), **{"torch NCHW": timing(2e-3), "NumPy": timing(3e-3)})
    hidden = row("a", timing(1e-3), **{"torch NCHW": timing(1e-3), "NumPy": timing(1.5e-3)})
    assert words(result(old), result(everything)) == ["same"]
    assert words(result(old), result(only_ours)) == ["slower"]
    assert words(result(old), result(hidden)) == ["slower"]
    # another version of a peer tells nothing of the machine
    assert words(result(old), result(everything, torch="2.7", numpy="2.1")) == ["slower"]


def test_a_run_that_drifted_proves_little():
    old, slow = row("a", timing(1e-3)), row("a", timing(1.5e-3))
    calm, wild = {"copy": 1.01, "fma_peak": 2.0}, {"copy": 0.5, "fma_peak": 1.0}
    assert words(result(old, noise=calm), result(slow, noise=calm)) == ["slower"]
    assert words(result(old, noise=wild), result(slow, noise=calm)) == ["too noisy"]
    assert words(result(old, noise=calm), result(slow, noise=wild)) == ["too noisy"]


def test_noise_is_told():
    wild = {"copy": 0.5, "fma_peak": 1.0, "others": 0.5}
    told = compare.warnings(result(noise=wild), result())
    assert [text.split(":")[0] for text in told] == ["OLD", "OLD"] and "0.50 CPUs" in told[1]


def test_new_and_gone_rows():
    a, b, c = (row(name, timing(1e-3)) for name in "abc")
    assert words(result(a, b), result(b, c)) == ["same", "new", "gone"]


def test_threshold():
    old, new = result(row("a", timing(1e-3))), result(row("a", timing(1.2e-3)))
    assert words(old, new, threshold=0.3) == ["same"]


def test_noise_alone_is_no_regression():
    """Two runs of the same code: 500 rows drawn from one distribution each."""
    rng = np.random.default_rng(0)

    def drawn(center: float) -> Timing:
        values = center * (1 + 0.1 * np.abs(rng.standard_normal(40)))
        median = float(np.median(values))
        return Timing(median, float(np.median(np.abs(values - median))), len(values))

    def run() -> record.Result:
        names = [f"case {i}" for i in range(500)]
        return result(*(row(n, drawn(1e-3), **{"torch NCHW": drawn(2e-3)}) for n in names))

    found = words(run(), run())
    assert set(found) <= {"same", "too noisy"}


def test_a_regression_among_noise_is_found():
    rng = np.random.default_rng(1)
    names = [f"case {i}" for i in range(50)]

    def run(slow: str) -> record.Result:
        return result(
            *(
                row(n, timing((1.3 if n == slow else 1) * 1e-3 * rng.normal(1, 0.005), 0.01))
                for n in names
            )
        )

    found = compare.compare(run(""), run("case 7"))
    assert [v.key[1] for v in found if v.word == "slower"] == ["case 7"]
    assert all(v.word == "same" for v in found if v.key[1] != "case 7")


def test_another_machine_is_held_against_the_limits(tmp_path, capsys):
    old = result(row("a", timing(1e-3)))
    limits = {"fma_peak": 2e11, "copy": 2e10}
    new = result(row("a", timing(0.5e-3)), cpu="another", threads=4, limits=limits)
    new.rows[0] = replace(new.rows[0], threads=4)
    assert words(old, new) == ["same"]
    for name, data in (("old", old), ("new", new)):
        data.write(tmp_path / f"{name}.json")
    assert bench.main(["compare", str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == 0
    out = capsys.readouterr().out
    assert "WARNING: not the same machine or setting (cpu: a CPU and another; threads: 2" in out


def test_steps_are_compared_and_the_exit_status_tells(tmp_path, capsys):
    step = record.Step("LeNet-5", "train", 64, True, 2, {"fastnn": timing(2e-3)})
    old = record.Result(machine=MACHINE, steps=[step])
    new = copy.deepcopy(old)
    new.steps = [replace(step, contenders={"fastnn": timing(3e-3)})]
    paths = [str(tmp_path / name) for name in ("old.json", "new.json")]
    old.write(Path(paths[0]))
    new.write(Path(paths[1]))
    assert bench.main(["compare", *paths]) == 1
    out = capsys.readouterr().out
    assert "LeNet-5" in out and "+50.0%" in out and "slower" in out and "1 slower" in out
    assert bench.main(["compare", *reversed(paths)]) == 0
    assert bench.main(["compare", "--threshold", "60", *paths]) == 0


def test_bad_files_are_named(tmp_path, capsys):
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    for path in (bad, tmp_path / "none.json"):
        with pytest.raises(SystemExit) as error:
            bench.main(["compare", str(path), str(path)])
        assert error.value.code == 2 and path.name in capsys.readouterr().err


def test_errors_are_relative():
    noisy = compare.variance(timing(1e-3, 0.1, 25))
    assert math.sqrt(noisy) == pytest.approx(1.86 * 0.1 / 5)
