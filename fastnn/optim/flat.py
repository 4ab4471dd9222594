"""Flat buffers: the parameters of a group side by side in one array, their gradients in another."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..cuda._arrays import assign, dtype_of, memory_order, permute, place_of, to_host
from ..cuda._libraries import permuted
from ..nn import Parameter

ALIGNMENT = 64
"""Bytes: every parameter starts on a cache line of its own."""


def aligned_zeros(size: int, dtype: np.dtype) -> np.ndarray:
    """1-D zeros whose first element is aligned."""
    spare = ALIGNMENT // dtype.itemsize
    raw = np.zeros(size + spare, dtype)
    start = -raw.ctypes.data % ALIGNMENT // dtype.itemsize
    return raw[start : start + size]


class FlatGroup:
    """One group's parameters, gradients and optimizer state.

    Parameters
    ----------
    params : sequence of Parameter
        Of one dtype. Their ``data`` and gradients become views of the flat buffers, each with the
        memory order that it had.
    initial : mapping of str to float
        Roles of the update rule and what they start from; each gets a flat buffer.

    Attributes
    ----------
    counts : list of int
        Updates that each parameter has had.

    Raises
    ------
    ValueError
        The parameters' dtypes or devices differ.
    """

    def __init__(self, params: Sequence[Parameter], initial: Mapping[str, float]) -> None:
        dtypes = {dtype_of(parameter.data) for parameter in params}
        if len(dtypes) != 1:
            raise ValueError(f"optimizer: a group's parameters must share a dtype, got {dtypes}")
        places = {place_of(parameter.data) for parameter in params}
        if len(places) != 1:
            raise ValueError("optimizer: a group's parameters must be on one device, got several")
        self.dtype, self.place = dtypes.pop(), places.pop()
        self.params = list(params)
        step = ALIGNMENT // self.dtype.itemsize
        self.starts = [0]
        for parameter in self.params:
            self.starts.append(
                self.starts[-1] + math.ceil(math.prod(parameter.shape) / step) * step
            )
        self.data = self._buffer()
        self.grad = self._buffer()
        self.initial = dict(initial)
        self.state = {name: self._buffer() for name in initial}
        for name, value in initial.items():
            if value:
                self.state[name][...] = value
        self.counts = [0] * len(self.params)
        self.data_views = self.views(self.data)
        self.grad_views = self.views(self.grad)
        self.state_views = {name: self.views(flat) for name, flat in self.state.items()}
        for parameter, data, grad in zip(
            self.params, self.data_views, self.grad_views, strict=True
        ):
            parameter.bind(data, grad)

    def _buffer(self) -> np.ndarray:
        if self.place is None:
            return aligned_zeros(self.starts[-1], self.dtype)
        library, device = self.place
        zeros: np.ndarray = library.zeros(self.starts[-1], self.dtype.str[1:], device)
        return zeros

    def views(self, flat: np.ndarray) -> list[np.ndarray]:
        """The parameters' places in ``flat``, with their shapes and memory orders."""
        result = []
        for parameter, start in zip(self.params, self.starts, strict=False):
            shape, order = parameter.shape, memory_order(parameter.data)
            sizes, back = permuted(shape, order)
            result.append(permute(flat[start : start + math.prod(shape)].reshape(sizes), back))
        return result

    def active(self) -> list[int]:
        """Indices of the parameters that have a gradient and are not frozen.

        Raises
        ------
        RuntimeError
            A parameter's data is no longer in the buffer.
        """
        indices = []
        for index, (parameter, view) in enumerate(zip(self.params, self.data_views, strict=True)):
            if parameter.data is not view:
                raise RuntimeError(
                    "optimizer: a parameter's data was replaced, or moved by a later optimizer; "
                    "write into it (data[...] = ...) or make a new optimizer"
                )
            if parameter.requires_grad and parameter.grad is not None:
                indices.append(index)
        return indices

    def by_count(self, indices: list[int]) -> list[list[int]]:
        """The indices, those with equal counts together."""
        if len({self.counts[index] for index in indices}) == 1:
            return [indices]
        together: dict[int, list[int]] = {}
        for index in indices:
            together.setdefault(self.counts[index], []).append(index)
        return list(together.values())

    def chosen(
        self, flat: np.ndarray, views: list[np.ndarray], indices: list[int]
    ) -> np.ndarray | list[np.ndarray]:
        """The whole buffer if all parameters are meant, else their views."""
        if len(indices) == len(self.params):
            return flat
        return [views[index] for index in indices]

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles make buffers of their own: a copied view would be no view."""
        state = {
            name: [np.array(to_host(v)) for v in views] for name, views in self.state_views.items()
        }
        return {
            "params": self.params,
            "initial": self.initial,
            "counts": self.counts,
            "state": state,
        }

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.__init__(saved["params"], saved["initial"])  # type: ignore[misc]
        self.counts = saved["counts"]
        for name, arrays in saved["state"].items():
            for view, array in zip(self.state_views[name], arrays, strict=True):
                assign(view, array)
