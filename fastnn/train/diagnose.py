"""Where a number that is not finite came from."""

import copy
from collections.abc import Callable

import numpy as np

from ..nn import Module
from ..nn.fusable import fusion_enabled, set_fusion


def find_bad_output(model: Module, x: np.ndarray) -> str:
    """Name of what is first not finite when ``x`` goes through a copy of the model, layer by layer.

    The copy leaves the model's random streams and running statistics alone. Layers run one by one,
    as fusion would hide the output of a layer whose successor it applies.
    """
    bad = np.size(x) - np.count_nonzero(np.isfinite(x))
    if bad:
        return f"{bad} of the {np.size(x)} values of the batch x are not finite"
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.data).all():
            return f"the parameter {name} is not finite"
    clone = copy.deepcopy(model)
    found: list[str] = []
    for name, module in clone.named_modules():
        label = f"{name or 'the model'} ({type(module).__name__})"
        vars(module)["forward"] = _watched(module.forward, label, found)
    fused = fusion_enabled()
    set_fusion(False)
    try:
        clone(x)
    finally:
        set_fusion(fused)
    if found:
        return f"the first layer whose output is not finite is {found[0]}"
    return "every layer's output is finite: look at the targets and the loss"


def _watched(
    forward: Callable[[np.ndarray], np.ndarray], label: str, found: list[str]
) -> Callable[[np.ndarray], np.ndarray]:
    def call(x: np.ndarray) -> np.ndarray:
        y = forward(x)
        if not np.isfinite(y).all():
            found.append(label)
        return y

    return call


def find_bad_gradient(model: Module) -> str:
    """Name of the parameter whose gradient was first not finite on the way back."""
    parameters = [(n, p.grad) for n, p in model.named_parameters() if p.grad is not None]
    for name, grad in reversed(parameters):
        if not np.isfinite(grad).all():
            return f"the first gradient that is not finite is that of {name}"
    return f"no gradient is infinite, but their norm is; {largest_gradient(model)}"


def largest_gradient(model: Module) -> str:
    """Name of the parameter with the largest gradient."""
    norms = {
        name: float(np.linalg.norm(np.ravel(parameter.grad).astype(np.float64)))
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    if not norms:
        return "no parameter has a gradient"
    name = max(norms, key=lambda name: norms[name])
    return f"the largest gradient is that of {name}, of norm {norms[name]:.3g}"
