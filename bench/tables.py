"""The tables of the page: limits, and every row."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from . import derive
from .contenders import OURS
from .derive import grouped, ratio
from .record import Row
from .table import seconds, size


def table(header: Sequence[str], lines: Iterable[Sequence[str]], words: int = 1) -> str:
    """An HTML table whose first ``words`` columns are texts; cells are HTML already."""

    def cells(tag: str, line: Sequence[str]) -> str:
        return "".join(
            f"<{tag}>{cell}</{tag}>"
            if i < words
            else f'<{tag} class="n{" lose" * cell.startswith("▼")}">{cell}</{tag}>'
            for i, cell in enumerate(line)
        )

    body = "".join(f"<tr>{cells('td', line)}</tr>" for line in lines)
    top = cells("th", header)
    return (
        f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def limits(found: dict[str, Any]) -> str:
    """Multiply-adds, bandwidths and costs of the system."""
    parts = []
    if "fma" in found:
        counts = sorted({r["threads"] for r in found["fma"]})
        kinds = grouped(found["fma"], lambda r: f"{r['isa']}, {r['dtype']}")
        lines = [[k, *(f"{r['rate'] / 1e9:.1f}" for r in rows)] for k, rows in kinds.items()]
        parts.append(table(["GFLOP/s of multiply-adds", *map(threads, counts)], lines))
    if "bandwidth" in found:
        most = max(r["threads"] for r in found["bandwidth"])
        here = [r for r in found["bandwidth"] if r["threads"] == most]
        kinds = grouped(here, lambda r: r["traffic"] + ", streaming" * r["streaming"])
        levels = {r["level"]: f"{r['level']} {whole(size(r['bytes']))}" for r in here}
        lines = [[k, *(f"{r['rate'] / 1e9:.1f}" for r in rows)] for k, rows in kinds.items()]
        parts.append(table([f"GB/s, {threads(most)}", *levels.values()], lines))
    costs = [f"copy {found['copy'] / 1e9:.1f} GB/s", f"{found['fma_peak'] / 1e9:.0f} GFLOP/s"]
    for n, cost in found.get("region", {}).items():
        costs.append(f"a parallel region of {n} threads {seconds(cost)}")
    for kind, cost in found.get("page_fault", {}).items():
        if cost is not None:
            costs.append(f"touching a fresh page of {kind} {seconds(cost)}")
    return f'<div class="beside">{"".join(parts)}</div>' + f"<p>{'; '.join(costs)}.</p>"


def whole(text: str) -> str:
    """16 MB for 16.0 MB."""
    return text.replace(".0 ", " ")


def threads(n: int) -> str:
    return f"{n} thread{'s' * (n > 1)}"


def case(row: Row) -> str:
    suite = f" ({row.suite})" if row.suite not in ("bench", "specs") else ""
    return row.case + suite + ", hot" * row.hot + f", {row.dtype}" * (row.dtype != "float32")


HEADER = (
    "op",
    "case",
    "direction",
    "time",
    "+-",
    "GFLOP/s",
    "GB/s",
    "of limit",
    "PyTorch's best",
    "ratio",
    "NumPy",
)


def rows(measured: Sequence[Row], limits: dict[str, Any]) -> str:
    """Every row; losses are marked."""
    lines = []
    for row in measured:
        mine, best, value = row.contenders[OURS], derive.best_torch(row.contenders), ratio(row)
        numpy = derive.numpy_ratio(row)
        lines.append(
            [
                escape(row.op),
                escape(case(row)),
                row.direction,
                seconds(mine.median),
                f"{100 * mine.deviation / mine.median:.0f} %" + "?" * (not row.settled),
                f"{row.flops / mine.median / 1e9:.1f}",
                f"{row.bytes / mine.median / 1e9:.1f}",
                f"{derive.percent_of_limit(row, limits):.0f} %",
                f"{escape(best[0].removeprefix('torch '))} {seconds(best[1].median)}"
                if best
                else "-",
                "-" if value is None else "▼ " * (value < 1) + f"{value:.2f}x",
                "-" if numpy is None else "▼ " * (numpy < 1) + f"{numpy:.1f}x",
            ]
        )
    return table(HEADER, lines, words=3)
