"""Every op from its spec, timed against PyTorch and against the machine's limits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastnn
import fastnn.functional as F
from fastnn.specs import SPECS, Case, Spec

from . import machine, peers
from .timing import Timing, interleave


@dataclass(frozen=True)
class Row:
    """One timed direction of one case."""

    op: str
    case: str
    direction: str
    ours: Timing
    peers: dict[str, Timing]
    flops: float
    bytes: float

    @property
    def best_peer(self) -> tuple[str, float] | None:
        """The fastest of PyTorch's modes and its seconds."""
        best = min(self.peers.items(), key=lambda kv: kv[1].median, default=None)
        return None if best is None else (best[0], best[1].median)


def on_the_fast_path(value: Any, layout: str) -> Any:
    """Arrays of rank 3 and more as a network on the fast path has them."""
    if isinstance(value, list):
        return [on_the_fast_path(v, layout) for v in value]
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        # In the pool's memory, where a network's activations live: leaky_relu of slope 1 copies.
        if layout != "c":
            value = fastnn.channels_last(value)
        return F.leaky_relu(value, 1.0) if value.ndim > 2 else value.copy()
    return value


def calls(spec: Spec, case: Case) -> tuple[dict[str, Callable[[], object]], Any, Any]:
    """Forward and backward over one set of buffers, with their costs."""
    arrays, options = case.arguments(spec.name, np.dtype(np.float32))
    arrays = {k: on_the_fast_path(v, spec.layout) for k, v in arrays.items()}
    outputs, saved = spec.forward(F, arrays, options)
    made: dict[str, Callable[[], object]] = {"forward": lambda: spec.forward(F, arrays, options)}
    cost = {"forward": spec.cost(arrays, options, outputs)}
    if spec.backward is not None and not spec.loss:
        y = outputs[spec.primary]
        noise = np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)
        dy = on_the_fast_path(noise, spec.layout)
        backward = spec.backward
        made["backward"] = lambda: backward(F, arrays, options, dy, outputs, saved)
        assert spec.backward_cost is not None
        cost["backward"] = spec.backward_cost(arrays, options, outputs)
    return made, cost, (arrays, options)


def run(names: list[str], budget: float) -> Iterator[Row]:
    """Time the bench cases of the named ops (all of them if there are none)."""
    for spec in SPECS.values():
        if names and spec.name not in names:
            continue
        for case in spec.bench:
            made, cost, (arrays, options) = calls(spec, case)
            others = peers.modes(spec.name, arrays, options)
            for direction in made:
                contenders = {"fastnn": made[direction]}
                for mode, theirs in others.items():
                    if direction in theirs:
                        contenders[mode] = theirs[direction]
                timings = interleave(contenders, budget)
                ours = timings.pop("fastnn")
                c = cost[direction]
                yield Row(spec.name, case.label, direction, ours, timings, c.flops, c.bytes)


def report(names: list[str], budget: float) -> None:
    """Print a line a row and the geometric mean of the ratios of each op."""
    peak, copy = machine.fma_peak(), machine.copy_bandwidth()
    print(f"{fastnn.get_isa()}, {fastnn.get_num_threads()} threads; limits of this run: ", end="")
    print(f"{peak / 1e9:.0f} GFLOP/s, copy {copy / 1e9:.1f} GB/s")
    columns = f"{'ms':>9}{'+-':>6}{'GB/s':>7}{'%copy':>6}{'%FMA':>6}  vs PyTorch"
    print(f"{'op':22}{'case':34}{'':9}{columns}")
    ratios: dict[str, list[float]] = {}
    for r in run(names, budget):
        s = r.ours.median
        spread = f"{100 * r.ours.deviation / s:.0f}%"
        against = "not installed" if peers.torch is None else "-"
        if r.best_peer is not None:
            mode, seconds = r.best_peer
            against = f"{seconds / s:5.2f}x {mode}"
            ratios.setdefault(f"{r.op} {r.direction}", []).append(seconds / s)
        print(
            f"{r.op:22}{r.case:34}{r.direction:9}{s * 1e3:9.3f}{spread:>6}{r.bytes / s / 1e9:7.1f}"
            f"{100 * r.bytes / s / copy:6.0f}{100 * r.flops / s / peak:6.0f}  {against}",
            flush=True,
        )
    for name, values in ratios.items():
        print(f"geometric mean {name:34} {np.exp(np.mean(np.log(values))):5.2f}x")
