"""The benchmark: it times nothing wrong, settles, keeps to its budget, and finds new ops."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn.functional as F
from bench import (
    UsageError,
    contenders,
    curves,
    noise,
    ops,
    peers,
    quick,
    record,
    ring,
    suites,
    verify,
)
from bench.__main__ import COMMANDS, main
from bench.budget import PerRow, Until
from bench.contenders import OURS, enter
from bench.record import Point, Result, Row, Step, read
from bench.suites import SUITES
from bench.table import Column, Table, ratio, seconds, size
from bench.timing import LEAST, REST, Race, Timing, interleave, settle
from fastnn import data, reference
from fastnn.specs import SPECS, Spec
from fastnn.specs._check import Mismatch
from fastnn.specs._spec import normal

FLOAT32 = np.dtype(np.float32)
LIMITS = {"fma_peak": 1e11, "copy": 1e10}


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "torch", lambda: None)


class Clock:
    """Time that passes when something is done, and a little whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now

    def task(self, *takes: float) -> Callable[[], None]:
        """A call that takes these seconds in turn."""
        turns: Iterator[float] = iter(())

        def call() -> None:
            nonlocal turns
            try:
                self.now += next(turns)
            except StopIteration:
                turns = iter(takes)
                self.now += next(turns)

        return call


def test_a_turn_waits_for_threads_that_still_spin() -> None:
    clock = Clock()

    def settled_at(rests_at: float) -> float:
        start = clock.now
        settle(clock, cpu=lambda: clock.now + min(clock.now, start + rests_at))
        return clock.now - start

    assert settled_at(0.0) < 0.006
    assert 0.020 < settled_at(0.018) < 0.026
    assert REST <= settled_at(9.0) < REST + 0.006


def test_a_quiet_race_ends_when_it_has_settled() -> None:
    clock = Clock()
    race = interleave({"a": clock.task(1e-3), "b": clock.task(2e-3)}, 100.0, clock)
    assert race.settled and clock.now < 1
    assert {name: t.rounds for name, t in race.timings.items()} == {"a": LEAST, "b": LEAST}
    assert race.timings["a"].median == pytest.approx(1e-3, rel=1e-2)


def test_a_restless_race_spends_its_budget_and_says_so() -> None:
    clock = Clock()
    wild = clock.task(0.06, 0.09, 0.01, 0.07, 0.03, 0.05)
    race = interleave({"wild": wild}, 1.0, clock)
    assert not race.settled and 1.0 <= clock.now < 1.3


def test_a_slow_contender_has_no_more_than_its_share() -> None:
    clock = Clock()
    race = interleave({"fast": clock.task(1e-3), "slow": clock.task(5.0)}, 1.0, clock)
    assert race.timings["slow"].rounds == 1 and race.timings["fast"].rounds >= LEAST
    assert race.settled, "its place is clear"


def test_settled_is_about_the_spread_and_the_turns() -> None:
    assert Timing(1.0, 0.02, LEAST).settled
    assert not Timing(1.0, 0.02, LEAST - 1).settled
    assert not Timing(1.0, 0.1, LEAST).settled and Timing(1.0, 0.1, 100).settled
    assert not Race({"a": Timing(1.0, 0.0, 9), "b": Timing(1.1, 0.5, 9)}).settled


def test_a_budget_is_divided_and_what_is_left_over_goes_to_the_rest() -> None:
    clock = Clock()
    budget = Until(60.0, clock)
    spent = []
    for left in range(200, 0, -1):
        if not budget.begin(left):
            break
        start = clock.now
        clock.now += 0.01 + budget.effort  # setting up and verifying
        for rows in (2, 1):
            clock.now += min(budget.row(rows), 0.1 if left > 100 else 9.0)
        spent.append(clock.now - start)
    assert len(spent) == 200 and clock.now < 62
    assert spent[-1] > 1.05 * spent[0]
    assert not Until(1.0, Clock()).begin(100)
    assert PerRow(2.0).begin(1000) and PerRow(2.0).row(3) == 2.0


def test_quick_takes_one_case_of_each_op_first() -> None:
    work = suites.select(["bench"])
    few = quick.choose(work, 0.0)
    assert [item.op for _, item in few] == list(SPECS)
    assert len(quick.choose(work, 1e9)) == len(work)


def test_quick_ends_in_time(
    no_torch: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setattr(noise, "quick_limits", lambda: dict(LIMITS))
    file = tmp_path / "quick.json"
    assert main(["quick", "flatten", "add", "--budget", "8", "--json", str(file)]) == 0
    result = read(file)
    assert 0 < result.seconds < 8 and result.rows and not result.failures
    assert "not installed" in capsys.readouterr().out


def example() -> Result:
    timing = Timing(1e-3, 1e-5, 9)
    row = Row(
        op="relu",
        case="x",
        suite="bench",
        direction="forward",
        dtype="float32",
        hot=False,
        flops=1e6,
        bytes=8e6,
        verified=True,
        checked="whole",
        settled=True,
        threads=2,
        contenders={OURS: timing, "NumPy": timing},
    )
    step = Step("LeNet-5", "train", 64, True, 2, {OURS: timing}, {OURS: 1 << 20}, [{"name": "x"}])
    point = Point("relu", "x", "forward", 1, 8e6, 1e6, 1e-3, 1e-5)
    made = record.begin(LIMITS)
    made.rows, made.steps, made.scaling = [row], [step], [point]
    return made


def test_json_round_trip(tmp_path: Path) -> None:
    made, file = example(), tmp_path / "deep" / "result.json"
    made.write(file)
    assert read(file) == made
    machine = json.loads(file.read_text())["machine"]
    known = {"cpu", "cores", "os", "python", "numpy", "torch", "fastnn", "compiler", "isa"}
    assert known | {"threads", "commit", "dirty", "limits"} <= machine.keys()
    assert list(tmp_path.rglob("*.new")) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "rows": [{}]}', '{"schema": 99}'])
def test_a_file_that_is_no_result(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"x\.json"):
        read(file)


def test_every_suite_has_its_cases() -> None:
    for name in SUITES:
        work = suites.select([name])
        assert len(work) > 8 and {item.op for _, item in work} <= SPECS.keys()
        labels = [(item.op, item.case.label) for _, item in work]
        assert len(set(labels)) == len(labels), name


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (["ops", "nonsense"], "batch_norm, conv2d"),
        (["ops", "--suite", "nonsense"], "mobilenet, mlp"),
        (["steps", "nonsense"], "LeNet-5, ResNet-20"),
    ],
)
def test_unknown_names_get_the_list(arguments: list[str], known: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    told = capsys.readouterr().err
    assert stop.value.code == 2 and "nonsense" in told and known in told


def test_accuracy_without_a_folder(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["steps", "--accuracy"])
    assert "--root" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan"])
def test_a_budget_must_be_positive(text: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["ops", "--budget", text])
    assert "--budget" in capsys.readouterr().err


def broken(where: int) -> Spec:
    """relu of which one value in the given sample is wrong."""

    def forward(ns: Any, a: Any, o: Any) -> Any:
        y = ns.relu(a["x"])
        if ns is F:
            y[where, 0] += 1e-3
        return {"y": y}, None

    case = normal("wrong", {"x": (64, 1000)})
    return replace(SPECS["relu"], name="relu", forward=forward, bench=(case,))


@pytest.mark.parametrize("effort", [10.0, 1e-3], ids=["whole", "head"])
def test_a_wrong_result_is_caught(effort: float) -> None:
    spec = broken(0)
    arrays, options = spec.bench[0].arguments(spec.name, FLOAT32)
    with pytest.raises(Mismatch, match=r"y\[0, 0\]"):
        verify.check(spec, arrays, options, effort)


def test_a_wrong_result_is_not_timed(
    no_torch: None, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("timed")

    monkeypatch.setattr(ops, "interleave", never)
    spec = broken(3)
    result = Result(machine={"limits": LIMITS})
    work = [("bench", suites.Item("relu", spec.bench[0]))]
    ops.measure(result, work, PerRow(0.1), specs={"relu": spec})
    assert not result.rows and "y[3, 0]" in result.failures[0]["message"]
    assert "WRONG, not timed" in capsys.readouterr().out


def test_a_wrong_gradient_beyond_the_head_is_caught() -> None:
    """The whole call is checked, though the reference sees a few samples alone."""

    def backward(ns: Any, a: Any, o: Any, dy: Any, y: Any, saved: Any) -> Any:
        dx = ns.relu_backward(dy, a["x"])
        if ns is F:
            dx[-1] = 1
        return {"x": dx}

    spec = replace(broken(0), forward=SPECS["relu"].forward, backward=backward)
    arrays, options = spec.bench[0].arguments(spec.name, FLOAT32)
    assert verify.by_sample(spec) and not verify.by_sample(SPECS["batch_norm"])
    with pytest.raises(Mismatch, match="not 0 where dy is 0"):
        verify.check(spec, arrays, options, 1e-3)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_a_head_of_the_batch_can_stand_for_it(spec: Spec) -> None:
    """Verifying a share works for every op, whatever its arguments are called."""
    arrays, options = spec.large[0].arguments(spec.name, FLOAT32)
    assert " of " in verify.check(spec, arrays, options, 1e-6)


def test_a_new_spec_appears(no_torch: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that is in no list of the benchmark gets its rows and its NumPy peer."""

    def double(ns: Any, a: Any, o: Any) -> Any:
        return {"y": ns.add(a["x"], a["x"])}, None

    case = normal("small", {"x": (8, 16)})
    spec = replace(SPECS["add"], name="double", forward=double, bench=(case,), large=(case,))
    specs = {"double": replace(spec, cost=SPECS["relu"].cost)}
    for suite in ("bench", "odd"):
        assert ("double", case) in [item for _, item in suites.select([suite], ["double"], specs)]
    result = Result(machine={"limits": LIMITS})
    ops.measure(result, suites.select(["bench"], specs=specs), PerRow(0.02), specs=specs)
    assert [(row.op, set(row.contenders)) for row in result.rows] == [("double", {OURS, "NumPy"})]
    assert result.rows[0].verified and result.rows[0].hot and not result.failures


def test_a_peer_is_found_by_name() -> None:
    """torch.nn.functional has it and computes the same, so it is a peer."""
    pytest.importorskip("torch")
    shape = {"x": (4, 6)}

    def forward(f: Callable[[Any], Any]) -> Any:
        return lambda ns, a, o: ({"y": f(a["x"])}, None)

    plain = replace(SPECS["relu"], backward=None)
    for name, f, found in (
        ("softsign", lambda x: x / (1 + np.abs(x)), True),
        ("softsign", lambda x: x, False),
        ("no_such_op", lambda x: x, False),
    ):
        spec = replace(plain, name=name, forward=forward(f))
        arrays, options = normal("", shape).arguments(name, FLOAT32)
        outputs, _ = spec.forward(reference, arrays, options)
        made = peers.calls(spec, arrays, options, None, outputs, 1, False)
        assert set(made) == ({"torch"} if found else set())


@pytest.mark.parametrize("name", SPECS)
def test_every_op_has_its_peers(name: str) -> None:
    """The bench cases run by all contenders; NumPy's own versions agree with the op."""
    spec = SPECS[name]
    label = "conv" if name == "conv2d" else ""
    case = min(spec.cases, key=lambda c: not (c.smooth and c.kernel and label in label))
    entry = enter(spec, case, FLOAT32, hot=True)
    for calls in entry.calls.values():
        assert OURS in calls and "NumPy" in calls
        for call in calls.values():
            call()
    arrays, options = case.arguments(name, FLOAT32)
    own = contenders.numpy_peer.OWN.get(name)
    if own is not None and name != "dropout":
        outputs, _ = spec.forward(reference, arrays, options)
        y = own(arrays, options, outputs["y"])["forward"]()
        assert np.allclose(y, outputs["y"], atol=1e-4)


def test_beyond_the_caches_arguments_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "cache_bytes", lambda: (1 << 20, 32 << 20))
    assert ring.sets(1 << 20) == 1 and ring.sets(8 << 20) == 8 and ring.sets(1 << 30) == 1
    assert ring.sets(8 << 20, hot=True) == 1
    assert ring.is_hot(8 << 20, 1) and not ring.is_hot(8 << 20, 8) and not ring.is_hot(1 << 30, 1)
    seen: list[int] = []
    calls = ring.Ring([lambda i=i: seen.append(i) for i in range(3)])
    for _ in range(4):
        calls()
    assert seen == [0, 1, 2, 0]


def test_a_noisy_machine_is_told() -> None:
    assert noise.verdicts({"fma_peak": 1.1, "copy": 0.9, "others": 0.05}) == []
    assert "copy" in noise.verdicts({"fma_peak": 1.0, "copy": 0.5})[0]
    assert "1.50 CPUs" in noise.verdicts({"fma_peak": 1.0, "copy": 1.0, "others": 1.5})[0]


@pytest.mark.parametrize("width", [120, 100, 80, 66])
def test_tables_fit_the_terminal(width: int) -> None:
    table = Table([*ops.COLUMNS, ops.OTHERS["NumPy"]], width)
    row = ops.cells(
        replace(example().rows[0], op="softmax_cross_entropy", case="y" * 60), LIMITS, ["NumPy"]
    )
    assert max(len(table.header()), len(table.line(row))) <= width
    assert "softmax_cros" in table.line(row) and "1 ms" in table.line(row)


def test_units() -> None:
    assert [seconds(t) for t in (2.5, 0.0123, 4.56e-6, 7e-8)] == [
        "2.5 s",
        "12.3 ms",
        "4.56 us",
        "70 ns",
    ]
    assert [size(n) for n in (12, 2048, 3 << 20, 5 << 30)] == ["12 B", "2.0 KB", "3.0 MB", "5.0 GB"]
    assert [ratio(r) for r in (0.5, 12.345, 1234.0)] == ["0.50x", "12.35x", "1234x"]
    table = Table([Column("a", 3), Column("b", 6, left=True)], 80)
    assert table.line(["1", "toolong"]) == "  1 tool.."


def test_commands_have_help(capsys: Any) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0 and command in capsys.readouterr().out


def test_a_race_of_accuracy_against_time() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = (rng.integers(0, 64, (160, 3, 32, 32)) + 128 * y[:, None, None, None]).astype(np.uint8)
    sets = data.Split(x, y, x[:20], y[:20])
    found = curves.race({"one": curves.ours(0), "two": curves.ours(0)}, sets, 2, seed=0)
    assert found["one"].accuracy == found["two"].accuracy, "the same weights and batches"
    for curve in found.values():
        assert len(curve.seconds) == 2 and 0 < curve.seconds[0] < curve.seconds[1]
