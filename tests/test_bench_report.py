"""python -m bench report: the page, and the README's table."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench import UsageError, charts, derive, readme, record, report
from bench import __main__ as bench
from bench.timing import Timing

ROOT = Path(__file__).parent.parent
LIMITS = {
    "fma_peak": 2e11,
    "copy": 5e10,
    "roofs": {"L1": 6e11, "L2": 2e11, "L3": 1.9e11, "DRAM": 6e10},
    "fma": [
        {"isa": isa, "dtype": "float32", "threads": n, "rate": n * rate}
        for isa, rate in (("baseline", 4e10), ("avx2", 1e11), ("avx512", 1.01e11))
        for n in (1, 2)
    ],
    "bandwidth": [
        {
            "traffic": "copy",
            "streaming": s,
            "level": level,
            "bytes": 1 << 20,
            "threads": 2,
            "rate": 5e10,
        }
        for s in (False, True)
        for level in ("L1", "DRAM")
    ],
    "region": {"2": 3e-7},
    "page_fault": {"4 KB": 1e-6, "2 MB": None},
}
MACHINE = {
    "cpu": "a <fast> CPU",
    "cores": 2,
    "os": "Linux",
    "python": "3.11",
    "numpy": "2.0",
    "torch": "2.6",
    "fastnn": "0.1.0",
    "compiler": "GCC",
    "isa": "avx512",
    "threads": 2,
    "commit": "0123456789abcdef",
    "dirty": False,
    "limits": LIMITS,
    "noise": {"fma_peak": 1.0, "copy": 0.5},
}


def row(op: str, case: str, direction: str, ours: float, **peers: float) -> record.Row:
    times = {"fastnn": ours, **{name.replace("_", " ", 1): t for name, t in peers.items()}}
    return record.Row(
        op=op,
        case=case,
        suite="bench",
        direction=direction,
        dtype="float32",
        hot=False,
        flops=0 if op == "flatten" else 4e6,
        bytes=1e6,
        verified=True,
        checked="whole",
        settled=case != "noisy",
        threads=2,
        contenders={name: Timing(t, t / 100, 9) for name, t in times.items()},
    )


def result(**changes: object) -> record.Result:
    steps = [
        record.Step(
            network="LeNet-5",
            what=what,
            batch=64,
            settled=True,
            threads=2,
            contenders={"fastnn": Timing(2e-3, 1e-5, 9), "torch NCHW": Timing(5e-3, 1e-5, 9)},
            rss={"fastnn": 50 << 20, "torch NCHW": 200 << 20},
        )
        for what in ("train", "infer", "accuracy 99 %")
    ]
    rows = [
        row(
            "relu", "a & b", "forward", 1e-3, torch_NCHW=2e-3, torch_channels_last=3e-3, NumPy=4e-3
        ),
        row("relu", "noisy", "backward", 1e-3, torch_NCHW=0.5e-3),
        row("conv2d", "3x3", "forward", 1e-3, torch_NCHW=1.5e-3),
        row("flatten", "images", "forward", 1e-3),
    ]
    points = [
        record.Point("relu", f"2^{e}", "forward", n, 2.0**e, 2.0**e, 2.0**e / 1e9 / n, 1e-9)
        for n in (1, 2)
        for e in range(10, 26, 3)
    ]
    kept = {"command": "python -m bench all", "started": "2026-01-02T03:04:05+00:00"}
    return record.Result(
        **{**kept, "machine": MACHINE, "rows": rows, "steps": steps, "scaling": points, **changes}
    )


class Checker(HTMLParser):
    """Tags must close in order; nothing may come from elsewhere; no script."""

    VOID = frozenset(["meta", "br"])

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs):
        names = {name for name, _ in attrs}
        assert not {"src", "href", "onclick", "onload"} & names and tag != "script"
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert not checker.open and "url(" not in html and "@import" not in html
    assert "nan" not in re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL)
    return checker


def test_the_page_is_whole_and_stands_alone():
    html = report.page(result())
    seen = check(html).seen
    assert seen.count("circle") == 3 + 12  # a dot a row with arithmetic, a dot a point
    assert seen.count("svg") == 2
    for words in (
        "a &lt;fast&gt; CPU",
        "a &amp; b",
        "python -m bench all",
        "prefers-color-scheme: dark",
        "width=device-width",
        "avx2 = avx512 202 GFLOP/s",
        "▼ 0.50x",
        "LeNet-5, train, batch 64",
        "50.0 MB",
        "32,000 /s",
        "2 ms <small>",
        "Too noisy to judge by: the limit copy changed by the factor 0.50",
        "1 %?",
    ):
        assert words in html, words


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": []},
        {"rows": []},
        {"scaling": []},
        {"rows": [row("flatten", "images", "forward", 1e-3)], "steps": [], "scaling": []},
        {"failures": [{"op": "relu", "case": "a", "message": "wrong <b>"}]},
        {"machine": {**MACHINE, "torch": None, "limits": {"fma_peak": 1e11, "copy": 1e10}}},
    ],
)
def test_parts_may_be_missing(changes):
    check(report.page(result(**changes)))


def test_without_pytorch_nothing_is_claimed():
    alone = result(rows=[row("relu", "a", "forward", 1e-3, NumPy=3e-3)], steps=[])
    html = report.page(alone)
    check(html)
    assert "Against PyTorch" not in html and "3.0x" in html


def test_derived_numbers():
    rows = result().rows
    assert derive.ratio(rows[0]) == 2.0 and derive.numpy_ratio(rows[0]) == 4.0
    assert derive.ratio(rows[3]) is None
    assert derive.percent_of_limit(rows[0], LIMITS) == pytest.approx(100 * 4e6 / 2e11 / 1e-3)
    assert derive.family("relu") == derive.family("elu_backward") == "activations"
    assert derive.family("unheard") == "unheard"
    found = derive.scores(rows)
    assert [(s.name, s.mean, s.losses) for s in found] == [
        ("relu, forward", 2.0, 0),
        ("conv2d, forward", 1.5, 0),
        ("relu, backward", 0.5, 1),
    ]


def test_axis():
    axis = charts.Log(1, 100, 0, 200)
    assert (axis(1), axis(10), axis(100)) == (0, 100, 200)
    assert axis.ticks(10) == [1, 10, 100] and charts.number(0.125) == "1/8"


def test_command_line(tmp_path, capsys, monkeypatch):
    path = tmp_path / "one.json"
    result().write(path)
    assert bench.main(["report", str(path)]) == 0
    check((tmp_path / "one.html").read_text("utf-8"))
    text = tmp_path / "README.md"
    text.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    assert bench.main(["report", str(path), "--markdown", "-o", str(text)]) == 0
    once = text.read_text("utf-8")
    assert once.startswith("before\n") and once.endswith("after\n") and "old" not in once
    assert bench.main(["report", str(path), "--markdown", "-o", str(text)]) == 0
    assert text.read_text("utf-8") == once
    monkeypatch.setattr(report, "RESULTS", tmp_path / "none")
    with pytest.raises(SystemExit):
        bench.main(["report"])
    assert "no result in" in capsys.readouterr().err
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    result(started="2027-01-01T00:00:00+00:00").write(tmp_path / "another.json")
    assert report.newest().name == "another.json"


def test_markdown():
    text = readme.tables(result())
    assert "| LeNet-5, batch 64 | 2 ms | 2.50x | 2.50x | 50.0 MB, 0.25x |" in text
    assert "| `relu` backward | 0.50x | 0.50x to 0.50x | 0 of 1 | 2 % |" in text
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))
    for bad in ("", readme.BEGIN, f"{readme.END}{readme.BEGIN}", 2 * (readme.BEGIN + readme.END)):
        with pytest.raises(UsageError, match="markers"):
            readme.insert(bad, result())


def test_the_readme_shows_the_newest_result():
    if not list(report.RESULTS.glob("*.json")):
        pytest.skip("no result is committed in bench/results yet")
    text = (ROOT / "README.md").read_text("utf-8")
    hint = "run: python -m bench report --markdown"
    assert readme.insert(text, record.read(report.newest())) == text, hint
