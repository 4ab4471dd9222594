"""Where cuBLASLt is: in the ``nvidia`` wheels that PyTorch and CuPy bring, or with the system."""

from importlib.util import find_spec
from pathlib import Path

__all__ = ["candidates"]

# The wheels' packages and what lies in their lib folder; the newest first.
WHEELS = (("nvidia.cu13", "libcublasLt.so.13"), ("nvidia.cublas", "libcublasLt.so.12"))


def candidates() -> list[str]:
    """Paths to try, best first; nothing is opened here."""
    found = []
    for package, name in WHEELS:
        try:
            spec = find_spec(package)
        except ModuleNotFoundError:  # no wheel of the family
            continue
        folders = (spec and spec.submodule_search_locations) or ()
        found += [str(path) for folder in folders if (path := Path(folder) / "lib" / name).exists()]
    return found + [name for _, name in WHEELS]
