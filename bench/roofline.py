"""The roofline of this machine as a picture (matplotlib)."""

from pathlib import Path
from typing import Any

import numpy as np

LEVELS = {"L1": "#7a3b9a", "L2": "#2f6fb7", "L3": "#1f9e89", "DRAM": "#d1495b"}
ISAS = {"baseline": (0, (1, 2)), "avx2": (0, (5, 2)), "avx512": "solid", "neon": "solid"}
INK, GRID = "#24292f", "#e3e6ea"


def draw(found: dict[str, Any], sizes: list[dict[str, Any]], path: str | Path) -> None:
    """Draw roofs and bandwidths.

    Parameters
    ----------
    found : dict
        From ``machine.limits``.
    sizes : list of dict
        From ``machine.sweep``.
    path : str or Path
        The PNG to write.

    Raises
    ------
    SystemExit
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit("drawing needs matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(13, 5.6), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    roofline(left, found)
    by_size(right, sizes, found)
    for axes in (left, right):
        axes.grid(True, which="major", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, which="both", length=3)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(path)


def roofline(axes: Any, found: dict[str, Any]) -> None:
    """GFLOP/s over FLOP/byte: a slanted roof for each level of memory, a flat one for each ISA."""
    threads = max(row["threads"] for row in found["fma"])
    ceilings: dict[float, list[str]] = {}  # rates within 3 % share a line
    for row in found["fma"]:
        if (row["threads"], row["dtype"]) == (threads, "float32"):
            rate = row["rate"] / 1e9
            near = next((r for r in ceilings if abs(r / rate - 1) < 0.03), rate)
            ceilings.setdefault(near, []).append(row["isa"])
    peak = max(ceilings)
    low, high = 2.0**-5, 2.0**8
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    floor = min(found["roofs"].values()) / 1e9 * low
    axes.set_xlim(low, high)
    axes.set_ylim(floor, peak * 2.2)
    for number, (level, rate) in enumerate(found["roofs"].items()):
        rate, color = rate / 1e9, LEVELS.get(level, INK)
        knee = peak / rate
        axes.plot([low, knee], [rate * low, peak], color=color, linewidth=2)
        axes.plot([knee], [peak], "o", color=color, markersize=4)
        above = number != 2  # the second and third cache are often close: one label on each side
        axes.text(
            low * 1.5,
            rate * low * 1.5 * (1.12 if above else 1 / 1.12),
            f"{level}  {rate:.0f} GB/s",
            color=color,
            fontweight="bold",
            fontsize=9,
            va="bottom" if above else "top",
            rotation=np.degrees(np.arctan(rate)),
            rotation_mode="anchor",
            transform_rotates_text=True,
        )
    slowest = min(found["roofs"].values()) / 1e9
    for rate, isas in ceilings.items():
        style = ISAS.get(isas[-1], "solid")
        start = rate / max(found["roofs"].values()) * 1e9
        axes.plot([start, high], [rate, rate], color=INK, linewidth=1.6, linestyle=style)
        axes.annotate(
            f"{' = '.join(isas)}  {rate:.0f} GFLOP/s",
            (high, rate),
            xytext=(-4, 4),
            textcoords="offset points",
            ha="right",
            color=INK,
            fontsize=9,
        )
    axes.fill_between(
        [low, peak / slowest, high], [slowest * low, peak, peak], floor, color="#d1495b", alpha=0.05
    )
    ticks = [2.0**e for e in range(-5, 9)]
    axes.set_xticks(ticks, [f"1/{1 / t:.0f}" if t < 1 else f"{t:.0f}" for t in ticks])
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.set_xlabel("FLOP per byte of memory traffic", color=INK)
    axes.set_ylabel("GFLOP/s", color=INK)
    plural = "s" * (threads > 1)
    axes.set_title(
        f"Roofline, float32, {threads} thread{plural}", loc="left", fontweight="bold", color=INK
    )


def by_size(axes: Any, sizes: list[dict[str, Any]], found: dict[str, Any]) -> None:
    """GB/s over the working set: where the caches end."""
    kinds = {
        ("read", False): ("read", "#2f6fb7"),
        ("copy", False): ("copy", "#1f9e89"),
        ("copy", True): ("copy, streaming", "#d1495b"),
    }
    for (traffic, streaming), (label, color) in kinds.items():
        rows = [r for r in sizes if (r["traffic"], r["streaming"]) == (traffic, streaming)]
        axes.plot(
            [r["bytes"] for r in rows],
            [r["rate"] / 1e9 for r in rows],
            color=color,
            linewidth=2,
            marker="o",
            markersize=3,
            label=label,
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:g}"[0] in "25" else "")
    ticks = [2**e for e in range(14, 31, 3) if 2**e <= max(r["bytes"] for r in sizes)]
    units = [f"{t >> 10} KB" if t < 1 << 20 else f"{t >> 20} MB" for t in ticks]
    axes.set_xticks(ticks, units)
    for level, nbytes in found["caches"].items():
        axes.axvline(nbytes, color=INK, linewidth=1, linestyle=(0, (2, 3)))
        axes.annotate(
            f"{level} ends",
            (nbytes, 0),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 4),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    axes.set_xlabel("working set of all threads", color=INK)
    axes.set_ylabel("GB/s, read and written", color=INK)
    axes.set_title("Bandwidth", loc="left", fontweight="bold", color=INK)
    axes.set_ylim(bottom=min(r["rate"] for r in sizes) / 2e9)
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": len(kinds)}
    axes.legend(**place, borderaxespad=0.2, frameon=False, fontsize=9)
