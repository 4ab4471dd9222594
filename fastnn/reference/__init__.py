"""The NumPy truth: every public op again, as plain readable mathematics.

Same names and signatures as ``fastnn.functional``. A reference works in the dtype it is given
(float64 is the truth the kernels are held to), validates little and never imports the compiled
core.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the functions found below


__all__: list[str] = []
for _info in pkgutil.iter_modules(__path__):
    _module = import_module(f"{__name__}.{_info.name}")
    for _name in _module.__all__ if not _info.name.startswith("_") else ():
        globals()[_name] = getattr(_module, _name)
        __all__.append(_name)
