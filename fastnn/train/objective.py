"""What a gradient check differentiates: a model with its loss, or a bare op with its backward."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import functional
from ..nn import Module, Parameter


class Objective(NamedTuple):
    """``values()`` evaluates the objective, which is the sum of what it returns.

    ``arrays`` maps names to the arrays it depends on, which may be written to, and to their
    gradients.
    """

    values: Callable[[], np.ndarray]
    arrays: dict[str, tuple[np.ndarray, np.ndarray]]


def float64_copy(model: Module) -> Module:
    """Deep copy of ``model`` whose parameters and float buffers are float64.

    Memory orders, modes, random streams, frozen parameters and parameters that layers share stay
    as they are. The copy shares no memory with ``model``.
    """
    clone = copy.deepcopy(model)
    wide: dict[int, Parameter] = {}
    for module in clone.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, Parameter):
                if id(value) not in wide:
                    data = value.data.astype(np.float64, order="K")
                    wide[id(value)] = Parameter(data, value.requires_grad)
                setattr(module, name, wide[id(value)])
        for name in module._buffers:
            buffer = getattr(module, name)
            if buffer.dtype.kind == "f":
                setattr(module, name, buffer.astype(np.float64))
    return clone


def _wide(array: Any) -> Any:
    """A float64 copy of a float array; anything else as it is."""
    if isinstance(array, np.ndarray) and array.dtype.kind == "f":
        return array.astype(np.float64, order="K")
    return array


def of_model(
    model: Module,
    x: np.ndarray,
    y: np.ndarray | None,
    loss: Callable[..., tuple[Any, np.ndarray]] | None,
    rng: np.random.Generator,
) -> Objective:
    """The loss of a float64 copy of the model, or its outputs times random numbers."""
    clone, data, target = float64_copy(model).train(), _wide(x), _wide(y)
    streams = clone.rng_state()
    criterion = functional.softmax_cross_entropy if loss is None else loss

    def forward() -> np.ndarray:
        clone.load_rng_state(streams)
        return clone(data)

    outputs = forward()
    dy = rng.standard_normal(outputs.shape) if target is None else criterion(outputs, target)[1]
    dx = clone.backward(dy)

    def values() -> np.ndarray:
        outputs = forward()
        clone.release()
        result = dy * outputs if target is None else criterion(outputs, target)[0]
        return np.asarray(result, np.float64).reshape(-1)

    arrays = {
        name: (p.data, np.zeros(p.shape) if p.grad is None else p.grad)
        for name, p in clone.named_parameters()
        if p.requires_grad
    }
    if dx is not None and data.dtype.kind == "f":
        arrays["x"] = (data, dx)
    return Objective(values, arrays)


def of_function(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    backward: Callable[..., Any] | None,
    options: Mapping[str, Any],
    rng: np.random.Generator,
) -> Objective:
    """The outputs of an op times random numbers, or a loss."""
    names = _names(function, len(inputs))
    arrays = {name: _wide(array) for name, array in zip(names, inputs, strict=True)}
    result = function(*arrays.values(), **options)
    first = result[0] if isinstance(result, tuple) else result
    is_loss = isinstance(result, tuple) and isinstance(result[1], np.ndarray)
    dy = np.ones(()) if is_loss else rng.standard_normal(np.shape(first))
    floats = [n for n, a in arrays.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    if is_loss:
        floats, gradients = floats[:1], (result[1],)
    else:
        found = _backward(function, backward, dy, result, arrays, options)
        gradients = found if isinstance(found, tuple) else (found,)
    if len(gradients) != len(floats):
        raise ValueError(
            "gradient_check: backward must return a gradient, or None, for each of the float "
            f"arrays {', '.join(floats)}, got {len(gradients)}"
        )

    def values() -> np.ndarray:
        moved = function(*arrays.values(), **options)
        moved = moved[0] if isinstance(moved, tuple) else moved
        return np.asarray(dy * moved, np.float64).reshape(-1)

    pairs = zip(floats, gradients, strict=True)
    return Objective(values, {n: (arrays[n], np.asarray(g)) for n, g in pairs if g is not None})


def _backward(
    function: Callable[..., Any],
    backward: Callable[..., Any] | None,
    dy: np.ndarray,
    result: Any,
    arrays: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Any:
    """The gradients, from a backward that is called by the conventions of the library."""
    given = list(arrays.values())
    if backward is None:
        name = f"{getattr(function, '__name__', function)}_backward"
        backward = getattr(functional, name, None)
        if backward is None:
            raise TypeError(
                f"gradient_check: backward must be given, as fastnn.functional has no {name}"
            )
        known = inspect.signature(backward).parameters
        given = [array for name, array in arrays.items() if name in known]  # a bias is not
        options = {name: value for name, value in options.items() if name in known}
    second = list(inspect.signature(backward).parameters)[1:2]
    if isinstance(result, tuple):
        given = [result[1]]
    elif second == ["y"]:
        given = [result]
    elif second == ["x_shape"]:
        given = [np.shape(next(iter(arrays.values())))]
    return backward(dy, *given, **options)


def _names(function: Callable[..., Any], count: int) -> list[str]:
    """Names of the function's first arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[:count]
    except ValueError:  # of a builtin
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return named if len(named) == count else [f"array {i}" for i in range(count)]
