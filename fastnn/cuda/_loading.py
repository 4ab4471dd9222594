"""The library of CUDA kernels: built or not, with a device or not."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from .. import _core
from . import _cudnn
from ._cublas import candidates

__all__ = ["Availability", "is_available", "load", "show_config"]

PATH = Path(_core.__file__).with_name("_cuda.so")


class Availability(NamedTuple):
    """Whether CUDA can be used, and if not, why."""

    available: bool
    reason: str

    def __bool__(self) -> bool:
        return self.available

    def __repr__(self) -> str:
        return "available" if self.available else f"not available: {self.reason}"


def is_available() -> Availability:
    """Whether fastnn's CUDA kernels can run here.

    Returns
    -------
    available : Availability
        True or False in a condition; ``reason`` says why it is False, and so does its repr.

    Examples
    --------
    >>> import fastnn.cuda
    >>> fastnn.cuda.is_available()  # doctest: +SKIP
    not available: fastnn was built without CUDA
    """
    if not PATH.exists():
        hint = "pip install . -C cmake.define.FASTNN_CUDA=ON"
        return Availability(False, f"fastnn was built without CUDA ({hint} builds it in)")
    reason = _core.load_cuda(str(PATH))
    return Availability(not reason, reason)


def load() -> None:
    """Load the kernels; raises RuntimeError with the reason if they cannot be used."""
    _load(PATH)


@cache
def _load(path: Path) -> None:
    found = is_available()
    if not found:
        raise RuntimeError(f"CUDA is {found!r}")
    _core.offer_cublas_lt(candidates())
    _core.offer_cudnn(_cudnn.candidates(), _cudnn.LEAST_WORK)


def show_config() -> None:
    """Print which kernels there are and what ran the convolutions of this process so far.

    Examples
    --------
    >>> import fastnn.cuda
    >>> fastnn.cuda.show_config()  # doctest: +SKIP
    kernels: /usr/lib/python3/site-packages/fastnn/_cuda.so
    cuDNN: 9.28.0 (libcudnn.so.9), 38 convolutions; 0 left to fastnn's own kernels
    """
    found = is_available()
    print(f"kernels: {PATH if found else repr(found)}")
    if found:
        load()
        print(f"cuDNN: {_cudnn.describe_cudnn()}")
