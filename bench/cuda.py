"""Every op on a CUDA device, and training steps, against PyTorch, and the copy bandwidth.

Both work on PyTorch's tensors, on one stream, timed by CUDA events. Not a number of it has been
measured yet.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastnn.cuda
from fastnn import functional as F
from fastnn import optim
from fastnn.cuda._arrays import to_host
from fastnn.specs import SPECS, Arrays, Case, Options, Spec
from fastnn.specs._check import cast, fresh
from fastnn.train import Trainer

from . import networks, peers, record, suites
from .contenders import OURS, costs
from .full import RESULTS, slug
from .ops import means, summary
from .ring import rotate
from .suites import SPECS_OWN
from .timing import Call, Timing
from .timing import summary as timing

CUDA = "cuda"  # the first device
STEP = "ResNet-20"  # the network whose step is timed unless others are named
ROUNDS = 9
TURN = 0.01  # seconds of calls in one turn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="op", help="or network; default: all")
    parser.add_argument("--compile", action="store_true", help="torch.compile too: takes minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: in bench/results")


def main(args: argparse.Namespace) -> int:
    reason = missing()
    if reason:
        print(f"bench cuda cannot run here: {reason}")
        return 1
    torch, start = peers.torch(), time.perf_counter()
    card = torch.cuda.get_device_properties(0)
    result = record.begin({"copy": copy_bandwidth()}, args.arguments)
    result.machine |= {"gpu": card.name, "cuda": torch.version.cuda}
    print(f"{card.name}: copy {result.machine['limits']['copy'] / 1e9:.0f} GB/s")
    peers.DEVICE = CUDA
    ops = [name for name in args.names if name not in networks.NETWORKS]
    for name in [n for n in args.names if n in networks.NETWORKS] or (() if ops else (STEP,)):
        measure_step(result, name, args.compile)
    for suite, (op, case) in suites.select([SPECS_OWN], ops) if ops or not args.names else ():
        try:
            measure(result, suite, SPECS[op], case, args.compile, card.L2_cache_size)
        except Exception as error:  # an op without a CUDA kernel, or a wrong one
            message = f"{type(error).__name__}: {error}"
            result.failures.append({"op": op, "case": case.label, "message": message})
            print(f"not timed: {op}, {case.label}: {message}")
    result.seconds = time.perf_counter() - start
    for line in (*means(result.rows), *summary(result.rows, result.failures)):
        print(line)
    result.write(args.json or RESULTS / f"{slug(card.name)}.json")
    return 1 if result.failures else 0


def missing() -> str:
    """Why nothing can be measured; empty if it can."""
    found = fastnn.cuda.is_available()
    if not found:
        return found.reason
    if peers.torch() is None or not peers.torch().cuda.is_available():
        return "PyTorch with CUDA is not installed"
    return ""


def seconds(call: Call, repeats: int) -> float:
    """Seconds of a call between two events of the current stream."""
    torch = peers.torch()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(repeats):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / repeats


def race(contenders: dict[str, Call]) -> dict[str, Timing]:
    """The contenders in turns, each warmed up first."""
    repeats = {n: max(1, math.ceil(TURN / seconds(call, 3))) for n, call in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            times[name].append(seconds(call, repeats[name]))
    return {name: timing(values) for name, values in times.items()}


def copy_bandwidth(nbytes: int = 1 << 30) -> float:
    """Bytes read and written a second by a copy far larger than any cache."""
    x = peers.torch().empty(nbytes, dtype=peers.torch().uint8, device=CUDA)
    y = x.clone()
    return 2 * nbytes / race({"copy": lambda: y.copy_(x)})["copy"].median


def measure(
    result: record.Result, suite: str, spec: Spec, case: Case, compiled: bool, cache: int
) -> None:
    """Verify and time one case, print a line a direction."""
    arrays, options = case.arguments(spec.name, np.dtype(np.float32))
    outputs, _ = spec.forward(F, fresh(spec, arrays), options)
    check(spec, arrays, options, outputs)
    cost = costs(spec, arrays, options, outputs)
    nbytes = max(c.bytes for c in cost.values())
    count = min(32, max(1, math.ceil(2 * cache / max(nbytes, 1))))
    dy = None
    if spec.backward is not None and not spec.loss:
        shape = outputs[spec.primary].shape
        dy = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    made = {OURS: rotate(lambda: ours(spec, arrays, options, dy), count)}
    made |= peers.calls(spec, arrays, options, dy, outputs, count, compiled)
    for direction, work in cost.items():
        times = race({n: calls[direction] for n, calls in made.items() if direction in calls})
        row = record.Row(
            op=spec.name,
            case=case.label,
            suite=suite,
            direction=direction,
            dtype="float32",
            hot=count * nbytes < 2 * cache,
            flops=float(work.flops),
            bytes=float(work.bytes),
            verified=True,
            checked="forward, against the CPU",
            settled=all(t.settled for t in times.values()),
            threads=1,
            contenders=times,
        )
        result.rows.append(row)
        rate = row.bytes / times[OURS].median / result.machine["limits"]["copy"]
        others = ", ".join(
            f"{t.median / times[OURS].median:.2f}x {name}"
            for name, t in times.items()
            if name != OURS
        )
        took = f"{1e6 * times[OURS].median:9.1f} us {100 * rate:4.0f} % of copy"
        print(f"{spec.name:24}{case.label:36}{direction:9}{took}  {others}")


def measure_step(result: record.Result, name: str, compiled: bool) -> None:
    """Time training steps on one batch that is on the device: ours, captured, and PyTorch's."""
    network = networks.NETWORKS[name]
    calls = {OURS: own_step(network, False), f"{OURS} captured": own_step(network, True)}
    modes = [m for m in networks.MODES if len(network.shape) == 3 or m != "channels_last"]
    for mode in modes if compiled else [m for m in modes if m != "compile"]:
        calls[networks.MODES[mode]] = networks.theirs(network, "train", mode)
    times = race(calls)
    settled = all(t.settled for t in times.values())
    result.steps.append(record.Step(name, "train", network.batch, settled, 1, times, {}))
    for label, t in times.items():
        ratio = t.median / times[f"{OURS} captured"].median
        print(f"{name:24}{label:36}{1e6 * t.median:9.1f} us  {ratio:.2f}x captured")


def own_step(network: networks.Network, capture: bool) -> Call:
    """A step of the trainer, on PyTorch's tensors."""
    model = network.make()
    x, target = peers.tensors(dict(zip("xy", networks.batch(network), strict=True)), True).values()
    model.to(peers.DEVICE, library="torch")
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=1e-3), capture=capture)
    return lambda: trainer.step(x, target)


def ours(spec: Spec, arrays: Arrays, options: Options, dy: Any) -> dict[str, Call]:
    """The directions of an op of fastnn over one set of tensors."""
    a = peers.tensors(arrays, True)
    if spec.loss or spec.backward is None:
        return {"both" if spec.loss else "forward": lambda: spec.forward(F, a, options)}
    backward = spec.backward
    outputs, saved = spec.forward(F, a, options)
    gradient = peers.tensors({"dy": dy}, True)["dy"]
    return {
        "forward": lambda: spec.forward(F, a, options),
        "backward": lambda: backward(F, a, options, gradient, outputs, saved),
    }


def check(spec: Spec, arrays: Arrays, options: Options, outputs: Arrays) -> None:
    """Hold the forward to the CPU's: twice what rounding allows either."""
    found, _ = spec.forward(F, peers.tensors(arrays, True), options)
    eps = float(np.finfo(np.float32).eps)
    wide = cast(arrays, np.dtype(np.float64))
    bounds = None if spec.bound is None else spec.bound(wide, options, eps)
    for name, truth in outputs.items():
        lists = truth if isinstance(truth, list) else [truth]
        values = found[name] if isinstance(truth, list) else [found[name]]
        allowed = 0.0 if bounds is None else bounds[name]
        for i, (value, expected) in enumerate(zip(values, lists, strict=True)):
            bound = allowed[i] if isinstance(allowed, list) else allowed
            tiny = float(np.finfo(np.float32).tiny)
            if not np.all(np.abs(to_host(value) - expected) <= 2 * bound + tiny):
                raise AssertionError(f"{name} is not what the CPU computes")
