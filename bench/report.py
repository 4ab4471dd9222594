"""One self-contained page from a result: roofline, ratios, whole steps, scaling and every row."""

import argparse
from collections.abc import Sequence
from html import escape
from pathlib import Path

from . import UsageError, charts, derive, noise, readme, record, tables
from .charts import Log
from .contenders import OURS
from .derive import grouped, ratio
from .full import RESULTS
from .networks import KINDS
from .record import Result, Row, Step
from .table import seconds, size

STYLE = Path(__file__).with_suffix(".css")
AXIS = Log(1 / 4, 64, 0, 100)
"""Where ratios are drawn, in percent; what lies beyond ends at the edge."""


def page(result: Result, title: str = "fastnn, measured") -> str:
    """The whole page as HTML."""
    limits = result.machine["limits"]
    sections = [
        head(result, title),
        tiles(result),
        *section("Limits of this machine", "measured in the same run", tables.limits(limits)),
    ]
    if result.rows:
        sections += section(
            "Roofline",
            "every row under the roofs: what its own arithmetic or its memory traffic allows; rest "
            "the pointer on a dot. A dot above a level's roof found its arrays in a faster one.",
            f'<div class="wide">{charts.roofline(result.rows, limits)}</div>',
            charts.legend(result.rows),
        )
        if any(ratio(row) is not None for row in result.rows):
            sections += section(
                "Against PyTorch's best mode",
                "PyTorch's time over fastnn's, in the geometric mean of each op's rows; right of "
                "the line fastnn is faster. Open an op for its rows.",
                families(result.rows),
            )
    if result.steps:
        words = "images a second, with the ratio of fastnn's speed to that mode; peak memory"
        sections += section("Whole steps", words, steps(result.steps))
    if result.scaling:
        plots = "".join(
            f"<figure><figcaption>{escape(name)}</figcaption>{svg}</figure>"
            for name, svg in charts.scaling(result.scaling)
        )
        words = "rate against the bytes of the arrays, for each number of threads"
        legend = charts.thread_legend(result.scaling)
        sections += section("Scaling", words, legend, f'<div class="small">{plots}</div>')
    if result.rows:
        words = "medians; +- is the median absolute deviation, ? a row that did not settle"
        sections += section("All rows", words, tables.rows(result.rows, limits))
    if result.failures:
        items = "".join(f"<li>{escape(', '.join(f.values()))}</li>" for f in result.failures)
        sections += section("Wrong, not timed", "", f"<ul>{items}</ul>")
    style = STYLE.read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{style}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def section(title: str, words: str, *content: str) -> list[str]:
    return [f"<h2>{escape(title)}</h2>", f'<p class="soft">{escape(words)}</p>', *content]


def head(result: Result, title: str) -> str:
    """What was measured, where, and by which command."""
    m = result.machine
    commit = m.get("commit", "")[:10] + " with changes" * bool(m.get("dirty"))
    facts = [
        f"{m['cpu']}, {m['isa']}, {m['threads']} of {m['cores']} threads",
        m.get("os", ""),
        f"fastnn {m['fastnn']}" + f", commit {commit}" * bool(commit) + f", {m['compiler']}",
        f"Python {m['python']}, NumPy {m['numpy']}, PyTorch {m['torch'] or 'not installed'}",
        f"{result.started.replace('T', ' ')}, {result.seconds / 60:.0f} minutes",
    ]
    lines = "<br>".join(escape(fact) for fact in facts if fact)
    noisy = "".join(
        f'<p class="noisy">Too noisy to judge by: {escape(reason)}.</p>'
        for reason in noise.reasons(m)
    )
    command = escape(result.command)
    return f'<h1>{escape(title)}</h1><p class="soft">{lines}</p><pre>{command}</pre>{noisy}'


def tiles(result: Result) -> str:
    """The few numbers to remember."""
    found = []
    ratios = [r for r in map(ratio, result.rows) if r is not None]
    if ratios:
        wins = sum(r >= 1 for r in ratios)
        found += [
            (
                f"{derive.geometric_mean(ratios):.2f}x",
                "as fast as PyTorch's best mode, geometric mean of all rows",
            ),
            (f"{wins} of {len(ratios)}", "rows at least as fast as PyTorch's best mode"),
            (f"{min(ratios):.2f}x", "the worst row"),
        ]
    for what, group in grouped(result.steps, lambda s: s.what).items():
        means = [r for r in map(ratio, group) if r is not None]
        if means:
            words = f"as fast as PyTorch's best mode, whole steps: {what}"
            found.append((f"{derive.geometric_mean(means):.2f}x", words))
    boxes = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(words)}</span></div>'
        for value, words in found
    )
    return f'<div class="tiles">{boxes}</div>' if boxes else ""


def bar(name: str, value: float, note: str, title: str = "") -> str:
    """Name, bar from the line at 1x, and value: three cells of a grid."""
    at, line = AXIS(min(max(value, AXIS.low), AXIS.high)), AXIS(1)
    left, wide = min(at, line), max(abs(at - line), 0.4)
    kind = "win" if value >= 1 else "lose"
    return (
        f'<span class="name" title="{escape(title or name)}">{escape(name)}</span>'
        f'<span class="track"><b style="left:{line}%"></b>'
        f'<i class="{kind}" style="left:{left}%;width:{wide:.1f}%"></i></span>'
        f'<span class="value{" lose" * (value < 1)}">{value:.2f}x '
        f"<small>{escape(note)}</small></span>"
    )


def scale() -> str:
    """The ticks above bars."""
    ticks = "".join(
        f'<span style="left:{AXIS(v)}%">{charts.number(v)}x</span>' for v in AXIS.ticks(4)
    )
    return f'<span></span><span class="scale">{ticks}</span><span></span>'


def families(rows: Sequence[Row]) -> str:
    """A bar an op and direction, sorted; the rows of each to open."""
    found = derive.scores(rows)
    bars = [bar(s.name, s.mean, f"{s.rows - s.losses} of {s.rows}") for s in found]
    overview = f'<div class="bars">{scale()}{"".join(bars)}</div>'
    parts = []
    by_name = grouped(rows, lambda r: f"{r.op}, {r.direction}")
    for s in found:
        single = [(r, value) for r in by_name[s.name] if (value := ratio(r)) is not None]
        single.sort(key=lambda pair: -pair[1])
        bars = []
        for row, value in single:
            best = derive.best_torch(row.contenders)
            note = "" if best is None else best[0].removeprefix("torch ")
            bars.append(bar(tables.case(row), value, note))
        words = f"{s.name}: {s.mean:.2f}x ({s.worst:.2f}x to {s.best:.2f}x)"
        inner = f'<div class="bars">{scale()}{"".join(bars)}</div>'
        parts.append(f"<details><summary>{escape(words)}</summary>{inner}</details>")
    return f'{overview}<div class="open">{"".join(parts)}</div>'


def steps(found: Sequence[Step]) -> str:
    """Speed and memory of every contender, a block a network."""
    blocks = []
    for step in found:
        fastest = min(t.median for t in step.contenders.values())
        lines = []
        for name, timing in step.contenders.items():
            wide = 100 * fastest / timing.median
            kind = "ours" if name == OURS else "theirs"
            against = timing.median / step.contenders[OURS].median
            note = f"{against:.2f}x" if name != OURS else ""
            if name in step.rss:
                note += f" {size(step.rss[name])}"
            lose = " lose" * (against < 1)
            trained = step.what not in KINDS  # to an accuracy: a time, no rate
            rate = f"{step.batch / timing.median:,.0f} /s"
            lines.append(
                f'<span class="name">{escape(name)}</span><span class="track">'
                f'<i class="{kind}" style="left:0;width:{wide:.1f}%"></i></span>'
                f'<span class="value{lose}">{seconds(timing.median) if trained else rate} '
                f"<small>{note}</small></span>"
            )
        title = f"{step.network}, {step.what}, batch {step.batch}"
        blocks.append(
            f'<div><h3>{escape(title)}</h3><div class="bars">{"".join(lines)}</div></div>'
        )
    return f'<div class="steps">{"".join(blocks)}</div>'


def newest() -> Path:
    """The result in bench/results that was started last."""
    files = sorted(RESULTS.glob("*.json"), key=lambda path: record.read(path).started)
    if not files:
        raise UsageError(f"no result in {RESULTS}; name one")
    return files[-1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", nargs="?", type=Path, help="default: newest of bench/results")
    parser.add_argument("-o", "--output", type=Path, help="default: the result's name, .html")
    parser.add_argument(
        "--markdown", action="store_true", help="instead put the README's table in its place"
    )


def main(args: argparse.Namespace) -> None:
    """Write the page, or the README's table."""
    path = args.result or newest()
    result = record.read(path)
    if args.markdown:
        target = args.output or record.ROOT / "README.md"
        target.write_text(readme.insert(target.read_text("utf-8"), result), "utf-8")
    else:
        target = args.output or path.with_suffix(".html")
        target.write_text(page(result), "utf-8")
    print(f"written: {target}")
