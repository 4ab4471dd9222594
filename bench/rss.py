"""Peak memory of a few training steps or inferences in a fresh process."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import fastnn

from .record import ROOT

STEPS = 3


def peak(network: str, what: str, contender: str) -> int:
    """Peak resident bytes of a process that does nothing else."""
    arguments = [network, what, contender, str(fastnn.get_num_threads())]
    program = f"from bench.rss import child; child(*{arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(json.loads(done.stdout.splitlines()[-1]))


def child(name: str, what: str, contender: str, threads: str) -> None:
    """What the fresh process runs; prints its peak."""
    from . import networks
    from .session import use_threads

    network = networks.NETWORKS[name]
    if contender == "fastnn":
        fastnn.set_num_threads(int(threads))
        call = networks.ours(network, what)
    else:
        use_threads(int(threads))
        modes = {label: mode for mode, label in networks.MODES.items()}
        call = networks.theirs(network, what, modes[contender])
    for _ in range(STEPS):
        call()
    print(json.dumps(high_water()))


def high_water() -> int:
    """Peak resident bytes of this process.

    On Linux from its own status: getrusage would start at the peak of the process that forked it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
