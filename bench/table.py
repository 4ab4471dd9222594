"""Tables of plain text that fit the terminal."""

import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

WIDEST = 120


class Column(NamedTuple):
    """A column: its title, its width, and what becomes of it when the terminal is narrow."""

    title: str
    width: int
    keep: int = 0  # the highest goes first; 0 stays
    left: bool = False
    least: int | None = None  # may be cut down to this


def terminal_width() -> int:
    """Columns to write to; a file gets the widest table."""
    if not sys.stdout.isatty():
        return WIDEST
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)


class Table:
    """Lines of cells under one another."""

    def __init__(self, columns: Sequence[Column], width: int | None = None) -> None:
        width = terminal_width() if width is None else width
        shown = dict(enumerate(columns))
        widths = {i: c.width if c.least is None else c.least for i, c in shown.items()}

        def spare() -> int:
            return width - sum(widths.values()) - len(widths) + 1

        while spare() < 0 and any(shown[i].keep for i in widths):
            del widths[max(widths, key=lambda i: shown[i].keep)]
        for i in sorted(widths, key=lambda i: shown[i].width - widths[i]):
            widths[i] += max(0, min(spare(), shown[i].width - widths[i]))
        self.titles = [column.title for column in columns]
        self.columns = [(i, shown[i].left, widths[i]) for i in widths]

    def header(self) -> str:
        return self.line(self.titles)

    def line(self, cells: Sequence[str]) -> str:
        """One line; a text too long for its column ends in two dots."""
        found = []
        for i, left, width in self.columns:
            text = cells[i]
            if len(text) > width:
                text = text[: width - 2] + ".."
            found.append(text.ljust(width) if left else text.rjust(width))
        return " ".join(found).rstrip()


def seconds(value: float) -> str:
    """A duration with its unit: 3 digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {unit}" if value < 999.5 * size else f"{value:.0f} {unit}"
    return f"{value / 1e-9:.0f} ns"


def size(nbytes: float) -> str:
    """Bytes with their unit."""
    for unit, scale in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if nbytes >= scale:
            return f"{nbytes / scale:.{0 if nbytes > 99 * scale else 1}f} {unit}"
    return f"{nbytes:.0f} B"


def ratio(value: float) -> str:
    return f"{value:.2f}x" if value < 99.95 else f"{value:.0f}x"
