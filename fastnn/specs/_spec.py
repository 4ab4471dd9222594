"""The record that describes one public op, and small helpers to write it."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, Any]
"""Argument name -> ndarray, or list of ndarrays for the roles of an optimizer."""

Options = dict[str, Any]
"""Argument name -> anything that is no array."""

Namespace = Any
"""``fastnn.functional`` or ``fastnn.reference``: same names, same signatures."""

Make = Callable[[np.random.Generator, np.dtype[Any]], tuple[Arrays, Options]]


@dataclass(frozen=True, eq=False)
class Case:
    """One set of arguments. ``make(rng, dtype)`` draws it."""

    label: str
    make: Make
    smooth: bool = True  # differentiable at this point: the numerical gradient check applies
    kernel: bool = True  # has values to compute: a kernel must run

    def arguments(self, op: str, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        """The arguments, the same in every run."""
        seed = zlib.crc32(f"{op} {self.label}".encode())
        return self.make(np.random.default_rng(seed), dtype)


class Cost(NamedTuple):
    """Work of one call: ``bytes`` counts each input read once, each output written once."""

    flops: float
    bytes: float


class Error(NamedTuple):
    """A call that must raise. ``call`` gets the namespace; ``match`` is a regex."""

    label: str
    call: Callable[[Namespace], object]
    type: type[Exception] | tuple[type[Exception], ...]
    match: str


@dataclass(frozen=True, eq=False)
class Spec:
    """One public op with its backward.

    ``forward(ns, arrays, options)`` returns the named outputs and what the backward needs to be
    handed. ``backward(ns, arrays, options, dy, outputs, saved)`` returns the gradients by argument
    name; ``dy`` belongs to the output ``primary``. Bounds are formulas: the absolute error that
    rounding allows each value of each output, for machine epsilon ``eps``, evaluated in float64;
    None demands the bits of the reference run in the same dtype.
    """

    name: str
    cases: tuple[Case, ...]
    forward: Callable[[Namespace, Arrays, Options], tuple[Arrays, Any]]
    cost: Callable[[Arrays, Options, Arrays], Cost]
    bound: Callable[[Arrays, Options, float], Arrays] | None = None
    backward: Callable[..., Arrays] | None = None
    backward_bound: Callable[[Arrays, Options, np.ndarray, Arrays, float], Arrays] | None = None
    backward_cost: Callable[[Arrays, Options, Arrays], Cost] | None = None
    differentiable: tuple[str, ...] = ()
    primary: str = "y"  # the output that dy belongs to
    loss: bool = False  # the gradient is that of sum(loss), there is no dy
    writes: tuple[str, ...] = ()  # arguments updated in place
    needs: bool = False  # the backward takes needs=
    layout: str = "channels_last"  # of the outputs; "c"; "own": either one, as the input
    returns_input: bool = False  # may hand back an input that is already right
    also: tuple[str, ...] = ()  # further public names that this spec covers
    errors: tuple[Error, ...] = ()
    large: tuple[Case, ...] = ()  # enough work to be split over threads
    bench: tuple[Case, ...] = ()

    @property
    def covers(self) -> tuple[str, ...]:
        """The public names that this spec describes."""
        if self.backward is None or self.loss:
            return (self.name, *self.also)
        return (self.name, f"{self.name}_backward", *self.also)


def normal(
    label: str, shapes: Mapping[str, tuple[int, ...]], smooth: bool = True, **options: Any
) -> Case:
    """A case of standard normal arrays of the given shapes."""

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> tuple[Arrays, Options]:
        draw = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        return {name: np.asarray(value, dtype) for name, value in draw.items()}, dict(options)

    kernel = all(0 not in shape for shape in shapes.values())
    return Case(label, make, smooth, kernel)


def nbytes(*values: Any) -> int:
    """Bytes of all arrays among the values, lists taken apart."""
    total = 0
    for value in values:
        if isinstance(value, (list, tuple)):
            total += nbytes(*value)
        elif isinstance(value, np.ndarray):
            total += value.nbytes
    return total


def each(f: Callable[[Any], Any], value: Any) -> Any:
    """f of an array, or of each array in a list; anything else as it is."""
    if isinstance(value, list):
        return [each(f, item) for item in value]
    return f(value) if isinstance(value, (np.ndarray, np.generic)) else value


def rounding(length: float, eps: float) -> float:
    """Allowed relative error of a sum of ``length`` products, relative to the sum of magnitudes.

    Rounding errors of a sum add up like a random walk: sqrt(length) * eps / 2 times a small
    factor bounds them with high probability (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019,
    theorem 2.4, lambda = 2); 2 * eps is for what stands around the sum.
    """
    return eps * (2 + float(np.sqrt(length)))


def f32(*shape: int) -> np.ndarray:
    """Ones of a shape, for error cases."""
    return np.ones(shape, np.float32)
