"""The README's table of measurements, generated from a result."""

from collections.abc import Sequence

from . import UsageError, derive
from .contenders import OURS
from .record import Result
from .table import seconds, size

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
WIDTH = 120


def insert(text: str, result: Result) -> str:
    """The text with what stands between the markers replaced.

    Raises
    ------
    UsageError
        The markers are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end or BEGIN in old + after or END in before + after:
        raise UsageError(f"the text needs the markers {BEGIN} and {END}, once each")
    return f"{before}{BEGIN}\n{tables(result)}{END}{after}"


def tables(result: Result) -> str:
    """Machine, steps and ops as Markdown."""
    parts = [introduction(result)]
    for what in dict.fromkeys(step.what for step in result.steps):
        lines = []
        for step in result.steps:
            if step.what != what:
                continue
            mine = step.contenders[OURS]
            default, best = step.contenders.get("torch NCHW"), derive.ratio(step)
            theirs = [v for k, v in step.rss.items() if k != OURS]
            memory = (
                f"{size(step.rss[OURS])}, {step.rss[OURS] / min(theirs):.2f}x" if theirs else "-"
            )
            lines.append(
                [
                    f"{step.network}, batch {step.batch}",
                    seconds(mine.median),
                    times(best),
                    times(default.median / mine.median if default else None),
                    memory,
                ]
            )
        title = {"train": "one training step", "infer": "inference of one batch"}.get(what, what)
        parts.append(
            grid([title, "fastnn", "PyTorch's best", "its default, NCHW", "peak memory"], lines)
        )
    scores = derive.scores(result.rows)
    if scores:
        lines = []
        for s in sorted(scores, key=lambda s: s.name):
            rows = [r for r in result.rows if f"{r.op}, {r.direction}" == s.name]
            shares = [derive.percent_of_limit(r, result.machine["limits"]) for r in rows]
            lines.append(
                [
                    f"`{s.name.partition(', ')[0]}` {s.name.partition(', ')[2]}",
                    times(s.mean),
                    f"{s.worst:.2f}x to {s.best:.2f}x",
                    f"{s.rows - s.losses} of {s.rows}",
                    f"{derive.geometric_mean(shares):.0f} %",
                ]
            )
        head = ["op, geometric mean of its cases", "PyTorch's best", "from, to", "rows at least 1x"]
        parts.append(grid([*head, "of the limit"], lines))
    return "\n".join(parts)


def introduction(result: Result) -> str:
    """Where and how it was measured, in lines of at most 120 columns."""
    m = result.machine
    limits = m["limits"]
    words = (
        f"Measured by `{result.command}` on {result.started[:10]}: {m['cpu']}, {m['isa']}, "
        f"{m['threads']} threads, {limits['fma_peak'] / 1e9:.0f} GFLOP/s, copy "
        f"{limits['copy'] / 1e9:.0f} GB/s; float32; PyTorch {m['torch']}, its fastest mode for "
        "each row, taking turns with fastnn in one run. Above 1 fastnn is faster. The limit is "
        "the machine's multiply-adds or its copy bandwidth, whichever takes longer; above 100 % "
        "the arrays stay in the caches."
    ).split()
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) + 1 > WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines) + "\n"


def grid(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"
