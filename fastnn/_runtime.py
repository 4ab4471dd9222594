"""Threads, memory and instruction sets: the switches and gauges of the running library."""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fastnn import _core


def get_num_threads() -> int:
    """Return how many threads a kernel may use.

    The first of: the last `set_num_threads`, the environment variables ``FASTNN_NUM_THREADS`` and
    ``OMP_NUM_THREADS``, the CPUs of the affinity mask limited by the cgroup quota.
    """
    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Let kernels use up to `n` threads.

    Results do not depend on it in any bit.

    Raises
    ------
    TypeError, ValueError
        If `n` is not a positive integer.
    """
    _core.set_num_threads(n)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use up to `n` threads inside a ``with`` block."""
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)


def available_isas() -> list[str]:
    """Return the instruction sets that this machine can run, slowest first."""
    return _core.available_isas()


def get_isa() -> str:
    """Return the instruction set whose kernels run now."""
    return _core.get_isa()


def set_isa(isa: str) -> None:
    """Run the kernels of one of `available_isas()`; ``FASTNN_ISA`` does it at import.

    Raises
    ------
    ValueError
        If this machine cannot run `isa`.
    """
    _core.set_isa(isa)


def get_conv_algorithm() -> str:
    """Return the algorithm of convolutions that name none."""
    return _core.get_conv_algorithm()


def set_conv_algorithm(algorithm: str) -> None:
    """Let convolutions that name no algorithm use this one; ``FASTNN_CONV_ALGORITHM`` at import.

    Parameters
    ----------
    algorithm : "auto", "direct" or "winograd"
        "auto", the default, takes Winograd's where it is faster; "winograd" takes it wherever it
        can be used. What it computes and how it rounds: ``fastnn.functional.conv2d``.

    Raises
    ------
    ValueError
        If `algorithm` is none of these.
    """
    _core.set_conv_algorithm(algorithm)


def get_float32_matmul_precision() -> str:
    """Return the precision of products and convolutions of float32 arrays."""
    return _core.get_float32_matmul_precision()


def set_float32_matmul_precision(precision: str) -> None:
    """Let products and convolutions of float32 arrays round their operands, where that is faster.

    ``FASTNN_FLOAT32_MATMUL_PRECISION`` does it at import. Names and meaning are PyTorch's.

    Parameters
    ----------
    precision : "highest", "high" or "medium"
        "highest", the default, and "high" compute in float32. "medium" may round the operands of
        `linear`, `matmul`, `conv2d`, `conv_transpose2d` and their gradients to bfloat16, which
        keeps 8 bits: each operand gets a relative error of at most 2^-8 / 2 (and those below
        2^-126 count as zero). Their products are exact and are summed in float32; inputs, weights,
        outputs and gradients stay float32 arrays.

    Raises
    ------
    ValueError
        If `precision` is none of these.

    Notes
    -----
    "medium" needs the kernels of ``avx512`` on a CPU with AVX512-BF16 (`show_config` says so), and
    is taken for shapes that gain by it: elsewhere, in float64, in grouped convolutions that share
    vectors and depthwise ones, and where Winograd's algorithm is faster, it changes nothing.
    Which shapes these are depends on nothing but the shapes.
    """
    _core.set_float32_matmul_precision(precision)


def memory_stats() -> dict[str, int]:
    """Return the memory pool's counters.

    Returns
    -------
    dict
        ``in_use_bytes`` (held by arrays now), ``peak_bytes`` (most ever held at once),
        ``cached_bytes`` (kept for reuse), ``allocations`` (requests so far) and
        ``system_allocations`` (those that the operating system had to serve).
    """
    return _core.memory_stats()


def empty_cache() -> None:
    """Give the memory pool's unused blocks back to the operating system."""
    _core.empty_cache()


def _bfloat16() -> str:
    has = "multiplies" if _core.has_bfloat16_dot() else "does not multiply"
    return f'products; "medium": this CPU {has} bfloat16'


def config() -> dict[str, str]:
    """Return what `show_config` prints."""
    import numpy

    import fastnn

    return {
        "fastnn": fastnn.__version__,
        "build": _core.build,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "isa": f"{get_isa()} (available: {', '.join(available_isas())})",
        "threads": str(get_num_threads()),
        "conv2d": get_conv_algorithm(),
        "float32": f"{get_float32_matmul_precision()} ({_bfloat16()})",
    }


def show_config() -> None:
    """Print versions, build, instruction sets and threads."""
    for name, value in config().items():
        print(f"{name:9} {value}")


def register_threadpoolctl() -> None:
    """Let threadpoolctl see and limit fastnn's threads.

    Done at import when threadpoolctl is already imported; call it when it is imported later.

    Raises
    ------
    ImportError
        If threadpoolctl is not installed.
    """
    import threadpoolctl

    class FastnnController(threadpoolctl.LibController):  # type: ignore[misc]
        """Finds the extension module among the loaded libraries and calls its C functions."""

        user_api = "fastnn"
        internal_api = "fastnn"
        filename_prefixes = ("_core.",)
        check_symbols = ("fastnn_get_num_threads", "fastnn_set_num_threads")

        def get_num_threads(self) -> int:
            return int(self.dynlib.fastnn_get_num_threads())

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.fastnn_set_num_threads(num_threads)

        def get_version(self) -> str:
            return str(sys.modules["fastnn"].__version__)

        def set_additional_attributes(self) -> None:
            self.isa = get_isa()

    threadpoolctl.register(FastnnController)
