"""The second check: a network that works can learn a handful of samples by heart."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..nn import CrossEntropyLoss, Module, Parameter
from ..optim import Adam, Optimizer
from .initial_loss import Loss
from .metrics import accuracy
from .update import update

ENOUGH = 0.01
"""Share of the first loss at which targets that are no classes count as learned."""


@dataclass(frozen=True)
class Overfit:
    """Result of :func:`overfit_small_batch`; ``print`` it.

    Attributes
    ----------
    ok : bool
        Whether the samples were learned by heart.
    steps : int
        Steps that were made.
    samples : int
    losses : tuple of float
        Before every step, and at the end.
    accuracy : float or None
        At the end; None where the targets are no classes.
    reason : str
        Why it failed, as far as can be told; empty if it did not.
    """

    ok: bool
    steps: int
    samples: int
    losses: tuple[float, ...]
    accuracy: float | None
    reason: str

    def __str__(self) -> str:
        text = f"{self.samples} samples in {self.steps} steps, "
        text += f"loss {self.losses[0]:.4g} to {self.losses[-1]:.4g}"
        text += "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.0f} %"
        return f"{text}: ok" if self.ok else f"{text}: FAILED; {self.reason}"


def overfit_small_batch(
    model: Module,
    x: np.ndarray,
    y: np.ndarray,
    loss: Loss | None = None,
    *,
    optimizer: Callable[[Iterable[Parameter]], Optimizer] | None = None,
    samples: int = 16,
    steps: int = 500,
    seed: int = 0,
) -> Overfit:
    """Train a copy of the model on a few samples until all of them are right.

    Dropout and its relatives are switched off in the copy. Classes are right when the accuracy, in
    training mode, is 100 %; other targets when the loss has fallen to a hundredth.

    Parameters
    ----------
    model : Module
        It is left as it was.
    x, y : ndarray
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: :class:`fastnn.nn.CrossEntropyLoss`.
    optimizer : callable (parameters) -> Optimizer, optional
        None: Adam with its defaults, without weight decay.
    samples : int
        Drawn at random from ``x``, if it has more.
    steps : int
        At most.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        ``x`` and ``y`` differ in length or are empty, or ``samples`` or ``steps`` is below 1.
    """
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            "overfit_small_batch: x and y must be of one length > 0, "
            f"got {len(x)} and {len(y)} samples"
        )
    for name, value in (("samples", samples), ("steps", steps)):
        if value < 1:
            raise ValueError(f"overfit_small_batch: {name} must be at least 1, got {value}")
    chosen = np.random.default_rng(seed).permutation(len(x))[:samples]
    x, y = x[chosen], y[chosen]
    criterion: Loss = CrossEntropyLoss() if loss is None else loss
    clone = copy.deepcopy(model).train()
    for module in clone.modules():
        if module.rng is not None and hasattr(module, "p"):
            module.p = 0.0
    rule = (Adam if optimizer is None else optimizer)(clone.parameters())
    classes = y.dtype.kind in "iu" and y.ndim == 1
    losses: list[float] = []
    for step in range(steps + 1):
        outputs = clone(x)
        losses.append(float(criterion(outputs, y)[0]))
        share = accuracy(outputs, y) if classes else None
        done = share == 1 if classes else losses[-1] <= ENOUGH * losses[0]
        if done or step == steps:
            break
        try:
            update(clone, rule, criterion, [(x, y)])
        except FloatingPointError as error:
            return Overfit(False, step, len(x), tuple(losses), share, str(error))
    reason = "" if done else _reason(clone, x, y, losses, classes)
    return Overfit(done, step, len(x), tuple(losses), share, reason)


def _reason(model: Module, x: np.ndarray, y: np.ndarray, losses: list[float], classes: bool) -> str:
    idle = [n for n, p in model.named_parameters() if not (p.grad is not None and p.grad.any())]
    if idle:
        return f"no gradient reaches {', '.join(idle)}: frozen, dead, or cut off in a backward"
    rows = x.reshape(len(x), -1)
    for i in range(len(x) if classes else 0):
        for j in range(i):
            if y[i] != y[j] and np.array_equal(rows[i], rows[j]):
                return f"equal samples have different labels, {y[j]} and {y[i]}"
    if losses[-1] > 0.9 * losses[0]:
        return "the loss hardly fell: try other learning rates (find_lr), then gradient_check"
    return "the loss fell, but not far enough: allow more steps or a higher learning rate"
