"""``fastnn.profile()``: where the time of a network goes, per op and per layer.

While a profile is active the functions of ``fastnn.functional`` are replaced by recording ones;
when the last one ends they are put back, so that nothing is left in the path. The layer is the
``self`` of the method that called the op. A call is recorded by its shapes alone: FLOPs and bytes
come from the op's spec, when they are asked for.
"""

import functools
import inspect
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from types import FrameType, TracebackType
from typing import Any, Self

import numpy as np

from fastnn import _core, _costs, _limits, functional
from fastnn._owners import find_owner, find_root
from fastnn._records import Record, table
from fastnn.nn import Module

_lock = threading.Lock()
_active: tuple["Profile", ...] = ()
_replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}  # original, recording


def profile(limits: Mapping[str, float] | None = None) -> "Profile":
    """Record what the ops inside a ``with`` block cost, and for which layer they ran.

    Parameters
    ----------
    limits : mapping, optional
        ``fma_peak`` (FLOP/s of float32) and ``copy`` (bytes/s) of this machine. None: measured
        in 0.3 s when a share of them is first asked for, once for each ISA and thread count.

    Returns
    -------
    Profile
        A context manager; ``print`` it.

    Notes
    -----
    Every Python thread is recorded; the times of threads that run at once add up to more than the
    wall's. Blocks may be nested, and each sees all calls within it. Functions that were imported
    from ``fastnn.functional`` by name before the block are not seen. An activation or a residual
    sum that a layer applies for its neighbour counts for the layer that applies it.

    Examples
    --------
    >>> with fastnn.profile() as p:
    ...     model.backward(criterion(model(x), target)[1])
    >>> print(p)
    """
    return Profile(limits)


@dataclass(slots=True)
class _Entry:
    """Calls that are alike."""

    call: _costs.Call
    owner: int
    backward: bool
    calls: int = 0
    seconds: float = 0.0


class Profile:
    """What :func:`profile` records.

    Attributes
    ----------
    seconds : float
        Wall time inside the blocks.
    """

    def __init__(self, limits: Mapping[str, float] | None = None) -> None:
        if limits is not None and not {"fma_peak", "copy"} <= limits.keys():
            raise ValueError(
                f"profile: limits must have fma_peak and copy, got {', '.join(limits) or 'none'}"
            )
        self.seconds = 0.0
        self._limits = limits
        self._entries: dict[tuple[Hashable, ...], _Entry] = {}
        self._saved: dict[int, _Entry] = {}  # by the id of what a forward returned for its backward
        self._owners: dict[int, Any] = {}
        self._roots: dict[int, Module] = {}
        self._started: float | None = None
        self._setting: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        global _active
        with _lock:
            if self._started is not None:
                raise RuntimeError("profile: this profile is active already; make another")
            if not _active:
                _replace()
            _active = (*_active, self)
            self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _active
        with _lock:
            assert self._started is not None
            self.seconds += time.perf_counter() - self._started
            self._started = None
            self._setting = (_core.get_isa(), _core.get_num_threads())
            _active = tuple(p for p in _active if p is not self)
            if not _active:
                _restore()

    def _note(
        self,
        op: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        result: Any,
        seconds: float,
        frame: FrameType,
    ) -> None:
        owner, backward = find_owner(frame)
        saved = None
        if op.endswith("_backward"):
            backward = True
            saved = self._saved.get(id(args[1])) if len(args) > 1 else None
        key: list[Hashable] = [op, id(owner), backward, id(saved)]
        _costs.add_to_key(key, args)
        if kwargs:
            _costs.add_to_key(key, [v for k, v in kwargs.items() if k not in _costs.VARYING])
        with _lock:
            entry = self._entries.get(found := tuple(key))
            if entry is None:
                forward = None if saved is None else saved.call
                call = _costs.call(op, args, kwargs, result, forward)
                entry = self._entries[found] = _Entry(call, id(owner), backward)
                self._meet(owner, frame)
            entry.calls += 1
            entry.seconds += seconds
            if type(result) is tuple and not backward and type(result[-1]) is not np.ndarray:
                self._saved[id(result[-1])] = entry

    def _meet(self, owner: object, frame: FrameType) -> None:
        """Keep an owner, so that its id stays its own, and the network that it is part of."""
        if id(owner) not in self._owners:
            self._owners[id(owner)] = owner
            if isinstance(owner, Module):
                root = find_root(frame, owner)
                self._roots[id(root)] = root

    @property
    def limits(self) -> Mapping[str, float]:
        """``fma_peak`` and ``copy``: as given, else measured now."""
        if self._limits is None:
            self._limits = _measured(*(self._setting or (_core.get_isa(), _core.get_num_threads())))
        return self._limits

    @property
    def ops(self) -> list[Record]:
        """One record an op, the longest first."""
        return sorted(self._records(lambda entry: (entry.call.op, "")), key=lambda r: -r.seconds)

    @property
    def layers(self) -> list[Record]:
        """One record a layer, in the order of the network; then the optimizer and the like."""
        names = self._names()
        order = {name: i for i, name in enumerate(names.values())}
        found = self._records(lambda entry: names[entry.owner])
        return sorted(found, key=lambda r: order[r.name, r.kind])

    def _names(self) -> dict[int, tuple[str, str]]:
        """Owner -> dotted name and class, in the order of the networks."""
        names: dict[int, tuple[str, str]] = {}
        for number, root in enumerate(self._roots.values()):
            prefix = f"{type(root).__name__}{number}." if len(self._roots) > 1 else ""
            for name, module in root.named_modules():
                kind = type(module).__name__
                if id(module) in self._owners:
                    names.setdefault(id(module), (prefix + (name or kind), kind))
        for key, owner in self._owners.items():
            kind = type(owner).__name__ if isinstance(owner, Module) else ""
            name = kind or getattr(owner, "__name__", "outside layers")
            names.setdefault(key, (name, kind))
        return names

    def _records(self, label: Callable[["_Entry"], tuple[str, str]]) -> list[Record]:
        with _lock:
            entries = [replace(entry) for entry in self._entries.values()]
        records: dict[tuple[str, str], Record] = {}
        for entry in entries:
            record = records.setdefault(label(entry), Record(*label(entry)))
            record.add(entry.calls, entry.seconds, entry.backward)
            cost = _costs.cost(entry.call, _signature)
            if cost is not None:
                peak = self.limits["fma_peak"] * 4 / _costs.itemsize(entry.call)
                least = max(cost.flops / peak, cost.bytes / self.limits["copy"])
                n = entry.calls
                record.add_cost(cost.flops * n, cost.bytes * n, least * n, entry.seconds)
        return list(records.values())

    def flops_of(self, layer: Module) -> float:
        """FLOPs of the ops that ran for this very layer, by their specs."""
        with _lock:
            own = [replace(entry) for entry in self._entries.values() if entry.owner == id(layer)]
        costs = [(entry.calls, _costs.cost(entry.call, _signature)) for entry in own]
        return float(sum(calls * cost.flops for calls, cost in costs if cost is not None))

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``seconds``, ``limits``, ``ops`` and ``layers``."""
        return {
            "seconds": self.seconds,
            "limits": dict(self.limits),
            "ops": [record.to_dict() for record in self.ops],
            "layers": [record.to_dict() for record in self.layers],
        }

    def table(self) -> str:
        """What ``print`` shows: a line an op, a line a layer."""
        if not self._entries:
            return "profile: no op has run"
        return table(self.ops, self.layers, self.seconds, self.limits)

    def __str__(self) -> str:
        return self.table()


def _recording(op: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = original(*args, **kwargs)
        seconds = time.perf_counter() - start
        for active in _active:
            active._note(op, args, kwargs, result, seconds, sys._getframe(1))
        return result

    return call


def _replace() -> None:
    for op in _costs.specs():
        original = getattr(functional, op)
        _replaced[op] = (original, _recording(op, original))
        setattr(functional, op, _replaced[op][1])


def _restore() -> None:
    for op, (original, recording) in _replaced.items():
        if getattr(functional, op) is recording:  # else somebody has put in another one since
            setattr(functional, op, original)
    _replaced.clear()


@functools.cache
def _signature(op: str) -> inspect.Signature:
    return inspect.signature(getattr(functional, op))


@functools.cache
def _measured(isa: str, threads: int) -> Mapping[str, float]:
    before = _core.get_isa(), _core.get_num_threads()
    try:
        _core.set_isa(isa)
        _core.set_num_threads(threads)
        return {"fma_peak": _limits.fma_peak(), "copy": _limits.copy_bandwidth()}
    finally:
        _core.set_isa(before[0])
        _core.set_num_threads(before[1])
