"""Where cuDNN 9 is, from which size on it is asked, and what became of it."""

import os

from .. import _core
from ._cublas import in_wheels

__all__ = ["LEAST_WORK", "candidates", "describe_cudnn"]

NAME = "libcudnn.so.9"
# Multiply-adds: below, its calls on the host take longer than our kernel.
LEAST_WORK = 1 << 20


def candidates() -> list[str]:
    """Paths to try, best first; none with ``FASTNN_CUDNN=0`` in the environment."""
    if os.environ.get("FASTNN_CUDNN") == "0":
        return []
    return [*in_wheels([("nvidia.cudnn", NAME)]), NAME]


def describe_cudnn() -> str:
    """What became of it, in a line."""
    path, version, ran, own, problem = _core.cudnn_state()
    if not version:
        return f"not in use: {problem}"
    release = f"{version // 10000}.{version // 100 % 100}.{version % 100}"
    found = f"{release} ({path}), {ran} convolutions; {own} left to fastnn's own kernels"
    return f"{found}, the last because of: {problem}" if own and problem else found
