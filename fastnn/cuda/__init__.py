"""CUDA: fastnn's ops on the arrays of CuPy and PyTorch.

Hand an op of :mod:`fastnn.functional` CUDA arrays and it runs on their device, on the current
stream of the library they come from; the result is an array of that library, in memory that it
allocated. fastnn has no array class and no allocator of its own for the GPU.
"""

from ._loading import Availability, is_available, show_config

__all__ = ["Availability", "is_available", "show_config"]
