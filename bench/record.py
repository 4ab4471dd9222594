"""A run of the benchmark as data: what `--json` writes and `compare` and `report` read."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import fastnn
from fastnn import _core

from . import UsageError
from .machine import cpu_name
from .timing import Timing

SCHEMA = 1
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Row:
    """One direction of one case of one op."""

    op: str
    case: str
    suite: str
    direction: str  # "forward", "backward", or "both" for a loss
    dtype: str
    hot: bool  # the arguments are in the caches since the call before
    flops: float
    bytes: float
    verified: bool
    checked: str  # what was held to the reference: "whole", or the share of the batch
    settled: bool
    threads: int
    contenders: dict[str, Timing]


@dataclass(frozen=True)
class Step:
    """A whole training step, inference batch or training of one network."""

    network: str
    what: str  # "train", "infer" or "accuracy 99 %"
    batch: int
    settled: bool
    threads: int
    contenders: dict[str, Timing]
    rss: dict[str, int] = field(default_factory=dict)  # peak bytes in a fresh process
    layers: list[dict[str, Any]] = field(default_factory=list)  # name, seconds, flops, bytes
    ops: list[dict[str, Any]] = field(default_factory=list)  # the same by op


@dataclass(frozen=True)
class Point:
    """One op at one size on one number of threads."""

    op: str
    case: str
    direction: str
    threads: int
    bytes: float
    flops: float
    median: float
    deviation: float


@dataclass
class Result:
    """One run."""

    command: str = ""
    started: str = ""
    seconds: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    scaling: list[Point] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)  # op, case, message
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        """Write the run as JSON; a file that is there is replaced at once or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(lines(rounded(asdict(self))), "utf-8")
        new.replace(path)


def lines(data: Mapping[str, Any]) -> str:
    """JSON with a line for each row: a change of one is a line of a diff."""

    def text(value: Any) -> str:
        if isinstance(value, list) and value:
            return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
        return json.dumps(value)

    return "{\n" + ",\n".join(f'"{key}": {text(value)}' for key, value in data.items()) + "\n}\n"


def rounded(value: Any) -> Any:
    """Plain data with floats of five digits: no measurement has more."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def read(path: Path) -> Result:
    """Read what :meth:`Result.write` wrote.

    Raises
    ------
    UsageError
        The file holds something else.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise UsageError(f"{path}: not a result of this benchmark (schema {found}, need {SCHEMA})")
    try:
        rows = [Row(**timed(row)) for row in data.pop("rows")]
        steps = [Step(**timed(step)) for step in data.pop("steps")]
        return Result(
            rows=rows, steps=steps, scaling=[Point(**p) for p in data.pop("scaling")], **data
        )
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path}: broken result: {error}") from error


def timed(entry: Mapping[str, Any]) -> dict[str, Any]:
    contenders = {name: Timing(**t) for name, t in entry["contenders"].items()}
    return {**entry, "contenders": contenders}


def begin(limits: Mapping[str, Any], arguments: Sequence[str] = ()) -> Result:
    """A result without rows, begun now."""
    command = " ".join(["python -m bench", *arguments])
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    return Result(command, started, machine={**machine(), "limits": dict(limits)})


def machine() -> dict[str, Any]:
    """What the numbers of this process depend on."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "torch": version("torch"),
        "jax": version("jax"),
        "fastnn": fastnn.__version__,
        "compiler": _core.build,
        "isa": fastnn.get_isa(),
        "threads": fastnn.get_num_threads(),
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain")),
    }


def version(package: str) -> str | None:
    """The installed version; None if there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git(*arguments: str) -> str:
    """What git says about the source tree; empty outside of one."""
    try:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
