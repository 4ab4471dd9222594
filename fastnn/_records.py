"""What a profile says of an op or a layer, and how it is printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Record:
    """Calls of one op, or for one layer.

    Attributes
    ----------
    name, kind : str
        The op; or the layer's dotted name and its class.
    calls : int
    seconds, forward, backward : float
        All of it, and its two parts.
    flops, bytes : float or None
        By the specs; None if they are known of no call.
    limit_seconds : float or None
        What the machine would need at least: the longer of the arithmetic at the peak of its
        multiply-adds and the bytes at its copy bandwidth.
    percent_of_limit : float or None
        Above 100 where the arrays stay in the caches.
    """

    name: str
    kind: str
    calls: int = 0
    seconds: float = 0.0
    forward: float = 0.0
    backward: float = 0.0
    flops: float | None = None
    bytes: float | None = None
    limit_seconds: float | None = None
    known_seconds: float = 0.0  # of the calls whose cost is known

    def add(self, calls: int, seconds: float, backward: bool) -> None:
        """Count calls."""
        self.calls += calls
        self.seconds += seconds
        if backward:
            self.backward += seconds
        else:
            self.forward += seconds

    def add_cost(self, flops: float, nbytes: float, limit: float, seconds: float) -> None:
        """Count what these calls cost."""
        self.flops = (self.flops or 0.0) + flops
        self.bytes = (self.bytes or 0.0) + nbytes
        self.limit_seconds = (self.limit_seconds or 0.0) + limit
        self.known_seconds += seconds

    @property
    def percent_of_limit(self) -> float | None:
        """Least time over the time taken."""
        if self.limit_seconds is None or self.known_seconds == 0:
            return None
        return 100 * self.limit_seconds / self.known_seconds

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        names = ("name", "kind", "calls", "seconds", "forward", "backward", "flops", "bytes")
        return {n: getattr(self, n) for n in names} | {"percent_of_limit": self.percent_of_limit}

    def rates(self) -> str:
        """GFLOP/s, GB/s and percent of the limit, a dash for what is unknown."""
        known = self.known_seconds
        flops, nbytes = self.flops, self.bytes
        percent = self.percent_of_limit
        return (
            (f"{flops / known / 1e9:9.1f}" if known and flops is not None else f"{'-':>9}")
            + (f"{nbytes / known / 1e9:8.1f}" if known and nbytes is not None else f"{'-':>8}")
            + (f"{percent:6.0f} %" if percent is not None else f"{'-':>8}")
        )


def table(
    ops: list[Record], layers: list[Record], seconds: float, limits: Mapping[str, float]
) -> str:
    """Two tables of lines of 79 columns or so."""
    rates = f"{'GFLOP/s':>9}{'GB/s':>8}{'limit':>8}"
    inside = sum(record.seconds for record in ops)
    wide = max(22, *(len(r.name) + len(r.kind) + 2 for r in [*ops, *layers]))

    def share(part: float) -> str:
        return f"{part * 1e3:10.2f}{100 * part / seconds if seconds else 0:8.1f} %"

    lines = [f"{'op':{wide}}{'calls':>8}{'ms':>10}{'share':>10}{rates}"]
    lines += [f"{r.name:{wide}}{r.calls:8}{share(r.seconds)}{r.rates()}" for r in ops]
    lines += [f"{'Python and the rest':{wide}}{'':8}{share(max(seconds - inside, 0.0))}"]
    lines += ["", f"{'layer':{wide}}{'forward':>9}{'backward':>9}{'share':>10}{rates}"]
    lines += [layer_line(r, wide, seconds) for r in layers]
    peak, copy = limits["fma_peak"] / 1e9, limits["copy"] / 1e9
    longer = "whichever takes longer"
    lines += ["", f"{seconds * 1e3:.1f} ms; limit: {peak:.0f} GFLOP/s or {copy:.1f} GB/s, {longer}"]
    return "\n".join(line.rstrip() for line in lines)


def layer_line(record: Record, wide: int, seconds: float) -> str:
    kind = f"  {record.kind}" if record.kind not in ("", record.name) else ""
    share = 100 * record.seconds / seconds if seconds else 0
    times = f"{record.forward * 1e3:9.2f}{record.backward * 1e3:9.2f}{share:8.1f} %"
    return f"{record.name + kind:{wide}}{times}{record.rates()}"
