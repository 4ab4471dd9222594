"""How large the updates are beside the weights."""

import copy
import math
from dataclasses import dataclass

import numpy as np

from ..nn import CrossEntropyLoss, Module
from ..optim import Optimizer
from .initial_loss import Loss
from .update import update

HEALTHY = 1e-3
RANGE = 10.0
"""A factor of 10 either way from the healthy ratio is no reason to worry."""


@dataclass(frozen=True)
class UpdateRatios:
    """Result of :func:`update_ratios`; printing it gives a table.

    Attributes
    ----------
    ratios : dict of str to float
        By parameter: norm of its update over its own norm; infinite where the values were all 0,
        0 where nothing moved.
    weights : tuple of str
        The parameters of two axes and more; for biases and norms a high or low ratio says little.
    lr : float
        Learning rate of the step.
    """

    ratios: dict[str, float]
    weights: tuple[str, ...]
    lr: float

    @property
    def ok(self) -> bool:
        """All parameters move, and no ratio of a weight is too high or too low."""
        return all(self._verdict(name) in ("", "ok") for name in self.ratios)

    def _verdict(self, name: str) -> str:
        ratio = self.ratios[name]
        if ratio == 0:
            return "does not move"
        if math.isinf(ratio) or name not in self.weights:
            return ""
        if ratio > HEALTHY * RANGE:
            return "high: lower the learning rate"
        return "low: raise the learning rate" if ratio < HEALTHY / RANGE else "ok"

    def __str__(self) -> str:
        width = max([len(name) for name in self.ratios] + [9])
        lines = [f"{'parameter':{width}}  update / weight at lr {self.lr:g}"]
        for name, ratio in self.ratios.items():
            lines.append(f"{name:{width}}  {ratio:15.1e}  {self._verdict(name)}")
        return "\n".join(line.rstrip() for line in lines)


def update_ratios(
    model: Module, optimizer: Optimizer, x: np.ndarray, y: np.ndarray, loss: Loss | None = None
) -> UpdateRatios:
    """norm(update) / norm(weights) of every trained parameter, for the next step; 1e-3 is healthy.

    The step is made by copies: model and optimizer are left as they were. Ratios of biases, and of
    the first steps of a run, mean little.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over its parameters.
    x, y : ndarray
        A batch.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: :class:`fastnn.nn.CrossEntropyLoss`.

    Raises
    ------
    ValueError
        The optimizer has none of the model's parameters.
    FloatingPointError
        The loss or the gradient is not finite.

    References
    ----------
    Stanford's CS231n, "Ratio of weights:updates".
    """
    check_owner("update_ratios", model, optimizer)
    clone, rule = copy.deepcopy((model, optimizer))
    clone.train()
    lr = rule.learning_rate()
    before = clone.state_dict()
    update(clone, rule, CrossEntropyLoss() if loss is None else loss, [(x, y)])
    ratios = {}
    for name, parameter in clone.named_parameters():
        if parameter.requires_grad:
            old = before[name].astype(np.float64)
            moved, size = np.linalg.norm(parameter.data - old), np.linalg.norm(old)
            ratios[name] = float(moved / size) if size else math.inf if moved else 0.0
    weights = tuple(n for n, p in clone.named_parameters() if n in ratios and p.data.ndim > 1)
    return UpdateRatios(ratios, weights, lr)


def check_owner(function: str, model: Module, optimizer: Optimizer) -> None:
    """Refuse an optimizer over the parameters of another model.

    Raises
    ------
    ValueError
        It has none of the model's.
    """
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(parameter) in trained for parameter in model.parameters()):
        raise ValueError(
            f"{function}: optimizer must be over the model's parameters, has none of them"
        )
