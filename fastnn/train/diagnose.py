"""Where a number that is not finite came from."""

import numpy as np

from ..cuda._arrays import to_host
from ..nn import Module, forward_hooks
from ..nn.hooks import preserved


def find_bad_output(model: Module, x: np.ndarray) -> str:
    """Say what is first not finite when ``x`` goes through the model, layer by layer.

    Random layers draw anew; the model's random streams and running statistics stay as they were.
    """
    bad = np.size(x) - np.count_nonzero(np.isfinite(x))
    if bad:
        return f"{bad} of the {np.size(x)} values of the batch x are not finite"
    for name, parameter in model.named_parameters():
        if not np.isfinite(to_host(parameter.data)).all():
            return f"the parameter {name} is not finite"
    found: list[str] = []

    def look(name: str, layer: Module, x: np.ndarray, y: np.ndarray) -> None:
        if not np.isfinite(to_host(y)).all():
            found.append(f"{name or 'the model'} ({type(layer).__name__})")

    with preserved(model), forward_hooks(model, look):
        model.forward(x)
    if found:
        return f"the first layer whose output is not finite is {found[0]}"
    return "every layer's output is finite: look at the targets and the loss"


def find_bad_gradient(model: Module) -> str:
    """Name of the parameter whose gradient was first not finite on the way back."""
    parameters = [(n, p.grad) for n, p in model.named_parameters() if p.grad is not None]
    for name, grad in reversed(parameters):
        if not np.isfinite(to_host(grad)).all():
            return f"the first gradient that is not finite is that of {name}"
    return f"no gradient is infinite, but their norm is; {largest_gradient(model)}"


def largest_gradient(model: Module) -> str:
    """Name of the parameter with the largest gradient."""
    norms = {
        name: float(np.linalg.norm(np.ravel(to_host(parameter.grad)).astype(np.float64)))
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    if not norms:
        return "no parameter has a gradient"
    name = max(norms, key=lambda name: norms[name])
    return f"the largest gradient is that of {name}, of norm {norms[name]:.3g}"
