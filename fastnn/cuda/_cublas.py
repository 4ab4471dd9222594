"""Where cuBLASLt is: in the ``nvidia`` wheels that PyTorch and CuPy bring, or with the system."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

__all__ = ["candidates", "in_wheels"]

# The wheels' packages and what lies in their lib folder; the newest first.
WHEELS = (("nvidia.cu13", "libcublasLt.so.13"), ("nvidia.cublas", "libcublasLt.so.12"))


def in_wheels(wheels: Iterable[tuple[str, str]]) -> list[str]:
    """Where the wheels' packages have these libraries; nothing is opened here."""
    found = []
    for package, name in wheels:
        try:
            spec = find_spec(package)
        except ModuleNotFoundError:  # no wheel of the family
            continue
        folders = (spec and spec.submodule_search_locations) or ()
        found += [str(path) for folder in folders if (path := Path(folder) / "lib" / name).exists()]
    return found


def candidates() -> list[str]:
    """Paths to try, best first."""
    return in_wheels(WHEELS) + [name for _, name in WHEELS]
