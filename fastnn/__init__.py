"""Train neural networks straight from NumPy arrays at the speed of the hardware."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from fastnn._runtime import (
    available_isas,
    empty_cache,
    get_conv_algorithm,
    get_float32_matmul_precision,
    get_isa,
    get_num_threads,
    memory_stats,
    register_threadpoolctl,
    set_conv_algorithm,
    set_float32_matmul_precision,
    set_isa,
    set_num_threads,
    show_config,
    threads,
)
from fastnn.functional import channels_last, is_channels_last

if TYPE_CHECKING:
    from fastnn import (
        compat,
        data,
        functional,
        init,
        io,
        models,
        nn,
        optim,
        reference,
        regularizers,
        specs,
        train,
        tune,
    )
    from fastnn.profiler import profile

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "available_isas",
    "channels_last",
    "compat",
    "data",
    "empty_cache",
    "functional",
    "get_conv_algorithm",
    "get_float32_matmul_precision",
    "get_isa",
    "get_num_threads",
    "init",
    "io",
    "is_channels_last",
    "memory_stats",
    "models",
    "nn",
    "optim",
    "profile",
    "reference",
    "register_threadpoolctl",
    "regularizers",
    "set_conv_algorithm",
    "set_float32_matmul_precision",
    "set_isa",
    "set_num_threads",
    "show_config",
    "specs",
    "threads",
    "train",
    "tune",
]

_SUBMODULES = frozenset(
    [
        "compat",
        "data",
        "functional",
        "init",
        "io",
        "models",
        "nn",
        "optim",
        "reference",
        "regularizers",
        "specs",
        "train",
        "tune",
    ]
)


def __getattr__(name: str) -> object:
    """Import a submodule when it is first used: `import fastnn` itself stays light."""
    if name == "profile":
        return import_module("fastnn.profiler").profile
    if name in _SUBMODULES:
        return import_module(f"fastnn.{name}")
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


if "threadpoolctl" in sys.modules:
    register_threadpoolctl()
