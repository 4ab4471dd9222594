"""Which layer an op runs for: the ``self`` of the method that called it.

Only frames of methods are looked into, since a look keeps a function's arrays until it ends.
"""

from types import FrameType
from typing import Any

from fastnn.nn import Module

HELPERS = 3
"""Functions between an op and the layer that it runs for: a layer may call a helper."""


def find_owner(frame: FrameType | None) -> tuple[Any, bool]:
    """The layer, else the class, for which an op runs; None outside; and whether in a backward."""
    for _ in range(HELPERS):
        if frame is None:
            break
        if is_method(frame):
            found, name = frame.f_locals.get("self"), frame.f_code.co_name
            return found if isinstance(found, Module) else type(found), name.startswith("backward")
        frame = frame.f_back
    return None, False


def find_root(frame: FrameType | None, module: Module) -> Module:
    """The outermost layer on the way to this one."""
    root = module
    while frame is not None:
        if is_method(frame) and isinstance(found := frame.f_locals.get("self"), Module):
            root = found
        frame = frame.f_back
    return root


def is_method(frame: FrameType) -> bool:
    """Whether a function's first argument is called ``self``."""
    code = frame.f_code
    return code.co_argcount > 0 and code.co_varnames[0] == "self"
