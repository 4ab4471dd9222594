"""Charts as inline SVG: no script, colours from the page's style sheet."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from .contenders import OURS
from .derive import family, grouped, percent_of_limit, ratio
from .record import Point, Row
from .table import seconds, size

COLORS = 8
"""Classes c0 ... c7 of the style sheet; further families share the last."""


class Log(NamedTuple):
    """A logarithmic axis: values low ... high lie on pixels start ... end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self, base: int) -> list[float]:
        first = math.ceil(math.log(self.low, base) - 1e-9)
        last = math.floor(math.log(self.high, base) + 1e-9)
        return [float(base) ** e for e in range(first, last + 1)]


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def text(x: float, y: float, words: str, kind: str = "", turn: float = 0.0) -> str:
    turned = f' transform="rotate({turn:.1f} {x} {y})"' if turn else ""
    return f'<text class="{kind}" x="{x}" y="{y}"{turned}>{escape(words)}</text>'


def number(value: float) -> str:
    """A tick's label: 1/8, 4, 200."""
    return f"1/{round(1 / value)}" if value < 0.9 else f"{value:g}"


def svg(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def palette(rows: Sequence[Row]) -> dict[str, str]:
    """Families -> colour classes; the families with most rows get a colour of their own."""
    sizes = {name: len(group) for name, group in grouped(rows, lambda r: family(r.op)).items()}
    order = sorted(sizes, key=lambda name: -sizes[name])
    return {name: f"c{min(i, COLORS - 1)}" for i, name in enumerate(order)}


def ceilings(limits: Mapping[str, Any]) -> dict[str, float]:
    """Names of ISAs -> FLOP/s of float32 with all threads; those within 3 % share a line."""
    rows = [r for r in limits.get("fma", ()) if r["dtype"] == "float32"]
    most = max((r["threads"] for r in rows), default=0)
    found: dict[str, float] = {}
    for r in (r for r in rows if r["threads"] == most):
        near = next((k for k, rate in found.items() if abs(rate / r["rate"] - 1) < 0.03), None)
        rate = found.pop(near) if near else r["rate"]
        found[f"{near} = {r['isa']}" if near else r["isa"]] = max(rate, r["rate"])
    return found or {"multiply-adds": limits["fma_peak"]}


def roofline(rows: Sequence[Row], limits: Mapping[str, Any]) -> str:
    """Every row as a dot under the roofs of its machine; a filled dot is a forward."""
    width, height, left, right, top, bottom = 960, 560, 62, 16, 34, 48
    dots = [(r, r.flops / r.bytes, r.flops / r.contenders[OURS].median) for r in rows if r.flops]
    tops, roofs = ceilings(limits), limits.get("roofs") or {"copy": limits["copy"]}
    peak = max(*tops.values(), limits["fma_peak"])
    least = min([i for _, i, _ in dots], default=1 / 16), max([i for _, i, _ in dots], default=64)
    x = Log(
        2.0 ** math.floor(math.log2(least[0]) - 0.7),
        2.0 ** math.ceil(math.log2(least[1]) + 0.7),
        left,
        width - right,
    )
    slow = min([f for _, _, f in dots], default=peak / 100)
    fast = max([f for _, _, f in dots], default=peak)
    y = Log(
        min(slow, min(roofs.values()) * x.low) / 1.5, max(fast, peak) * 1.6, height - bottom, top
    )
    parts = []
    for tick in x.ticks(2):
        parts += [line(x(tick), top, x(tick), height - bottom, "grid")]
        parts += [text(x(tick), height - bottom + 18, number(tick), "middle")]
    for tick in y.ticks(10):
        parts += [line(left, y(tick), width - right, y(tick), "grid")]
        parts += [text(left - 8, y(tick) + 4, f"{tick / 1e9:g}", "end")]
    turn = -math.degrees(
        math.atan2(
            (y.start - y.end) / math.log(y.high / y.low),
            (x.end - x.start) / math.log(x.high / x.low),
        )
    )
    for number_, (level, rate) in enumerate(roofs.items()):
        knee, start = peak / rate, max(x.low, y.low / rate)
        parts += [
            line(x(start), y(rate * start), x(min(knee, x.high)), y(peak), f"roof r{number_}")
        ]
        above = number_ != 2  # the second and third cache are often close: one label on each side
        at = start * (1.6 if above else 6.0)
        dx, dy = (-5, -5) if above else (5, 14)
        words = f"{level} {rate / 1e9:.0f} GB/s"
        parts.append(text(x(at) + dx, y(rate * at) + dy, words, f"label r{number_}", turn))
    for name, rate in tops.items():
        parts.append(
            line(x(max(x.low, rate / max(roofs.values()))), y(rate), x.end, y(rate), "ceiling")
        )
        parts.append(text(x.end - 4, y(rate) - 6, f"{name} {rate / 1e9:.0f} GFLOP/s", "end strong"))
    colors = palette(rows)
    for r, intensity, speed in dots:
        kind = colors[family(r.op)] + (" hollow" if r.direction == "backward" else "")
        parts.append(
            f'<circle class="dot {kind}" cx="{x(intensity)}" cy="{y(speed)}" r="4.5">'
            f"<title>{escape(tip(r, limits))}</title></circle>"
        )
    parts.append(text((left + width) / 2, height - 8, "FLOP per byte of the op's arrays", "middle"))
    parts.append(text(left - 44, top - 14, "GFLOP/s"))
    return svg(width, height, "roofline", parts)


def tip(row: Row, limits: Mapping[str, Any]) -> str:
    """What a dot says when the pointer rests on it."""
    median = row.contenders[OURS].median
    words = f"{row.op}, {row.case}, {row.direction}: {seconds(median)}"
    words += f", {row.flops / median / 1e9:.1f} GFLOP/s, {row.bytes / median / 1e9:.1f} GB/s"
    words += f", {percent_of_limit(row, limits):.0f} % of the limit"
    against = ratio(row)
    return words if against is None else words + f", {against:.2f}x PyTorch's best"


def legend(rows: Sequence[Row]) -> str:
    """Names of the colours, as HTML."""
    items: dict[str, list[str]] = {}
    for name, kind in palette(rows).items():
        items.setdefault(kind, []).append(name)
    keys = "".join(
        f'<span><i class="key {kind}"></i>{escape(", ".join(names))}</span>'
        for kind, names in items.items()
    )
    return f'<p class="legend">{keys}<span>filled: forward, ring: backward</span></p>'


def thread_legend(points: Sequence[Point]) -> str:
    """Which colour is how many threads, as HTML."""
    counts = sorted({p.threads for p in points})
    keys = "".join(
        f'<span><i class="key {thread_color(n, counts)}"></i>{n} thread{"s" * (n > 1)}</span>'
        for n in counts
    )
    return f'<p class="legend">{keys}</p>'


def thread_color(n: int, counts: Sequence[int]) -> str:
    return f"c{min(counts.index(n), COLORS - 1)}"


def scaling(points: Sequence[Point]) -> list[tuple[str, str]]:
    """(title, SVG) for each op and direction: rate over size, a curve a thread count."""
    counts = sorted({p.threads for p in points})
    groups = grouped(points, lambda p: f"{p.op}, {p.direction}")
    return [(title, curves(group, counts)) for title, group in groups.items()]


def curves(points: Sequence[Point], counts: Sequence[int]) -> str:
    """One small chart."""
    width, height, left, right, top, bottom = 440, 250, 48, 12, 26, 34
    heavy = sum(p.flops for p in points) > 16 * sum(p.bytes for p in points)

    def rate(p: Point) -> float:
        return (p.flops if heavy else p.bytes) / p.median / 1e9

    sizes, rates = [p.bytes for p in points], [rate(p) for p in points]
    x = Log(min(sizes) / 1.3, max(sizes) * 1.3, left, width - right)
    y = Log(min(rates) / 1.5, max(rates) * 1.5, height - bottom, top)
    parts = []
    for tick in x.ticks(16 if x.high / x.low > 300 else 4):
        parts += [line(x(tick), top, x(tick), height - bottom, "grid")]
        parts += [text(x(tick), height - bottom + 16, size(tick).replace(".0 ", " "), "middle")]
    for tick in y.ticks(10) if y.high / y.low > 10 else y.ticks(2):
        parts += [line(left, y(tick), width - right, y(tick), "grid")]
        parts += [text(left - 6, y(tick) + 4, f"{tick:g}", "end")]
    for n in counts:
        color = thread_color(n, counts)
        group = sorted((p for p in points if p.threads == n), key=lambda p: p.bytes)
        path = " ".join(f"{x(p.bytes)},{y(rate(p))}" for p in group)
        parts.append(f'<polyline class="curve {color}" points="{path}"/>')
        for p in group:
            words = f"{p.case}, {p.threads} threads: {seconds(p.median)}, {rate(p):.1f}"
            parts.append(
                f'<circle class="dot {color}" cx="{x(p.bytes)}" cy="{y(rate(p))}" r="3">'
                f"<title>{escape(words)}</title></circle>"
            )
    parts.append(text(4, 14, "GFLOP/s" if heavy else "GB/s"))
    return svg(width, height, "rate over size", parts)
