"""The first check of a new network: is its loss that of knowing nothing?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..nn import BCEWithLogitsLoss, CrossEntropyLoss, Module, MultiClassHingeLoss
from ..nn.hooks import preserved

Loss = Callable[[np.ndarray, np.ndarray], tuple[Any, np.ndarray]]


@dataclass(frozen=True)
class InitialLoss:
    """Result of :func:`check_initial_loss`; ``print`` it.

    Attributes
    ----------
    loss : float
        Of the model as it is.
    expected : float
        Of outputs that are all 0.
    formula : str
        Where ``expected`` comes from.
    output_std : float
        Standard deviation of the model's outputs: a cross entropy is about its square / 2 too high.
    factor : float
        How far apart the two may be.
    """

    loss: float
    expected: float
    formula: str
    output_std: float
    factor: float

    @property
    def ok(self) -> bool:
        """Whether the loss is within the factor of what is expected."""
        return self.expected / self.factor <= self.loss <= self.expected * self.factor

    def __str__(self) -> str:
        text = f"initial loss {self.loss:.4g}, expected {self.formula} = {self.expected:.4g}: "
        if self.ok:
            return text + "ok"
        if not math.isfinite(self.loss):
            return text + "WRONG, not finite: look for NaN or infinity in x and in the weights"
        if self.loss > self.expected:
            return text + (
                f"TOO HIGH; the outputs have a standard deviation of {self.output_std:.3g}: "
                "standardise x, or start the last layer with smaller weights"
            )
        return text + "TOO LOW: is the model trained already, or are the labels part of x?"


def check_initial_loss(
    model: Module,
    x: np.ndarray,
    y: np.ndarray,
    loss: Loss | None = None,
    *,
    factor: float = 2.0,
) -> InitialLoss:
    """Compare the loss before training with that of outputs which are all 0.

    That is log C for the cross entropy of C classes, (C - 1) * margin for the hinge, log 2 for
    binary cross entropy, mean(y^2) for squares: a network that knows nothing yet should not be
    confident. The model runs in training mode and is left as it was.

    Parameters
    ----------
    model : Module
        Just initialised.
    x, y : ndarray
        A batch of a few hundred samples.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: :class:`fastnn.nn.CrossEntropyLoss`.
    factor : float above 1
        How far apart the two may be. Kaiming's start gives outputs of a standard deviation between
        1 and 2, hence a cross entropy that is 0.5 to 1.5 too high.

    Raises
    ------
    ValueError
        ``factor`` is not above 1, the loss is no single number, or that of zeros is not above 0,
        so that there is nothing to compare with.
    """
    if not factor > 1:
        raise ValueError(f"check_initial_loss: factor must be above 1, got {factor}")
    criterion: Loss = CrossEntropyLoss() if loss is None else loss
    with preserved(model), np.errstate(all="ignore"):
        outputs = model.train()(x)
        measured, expected = (criterion(o, y)[0] for o in (outputs, np.zeros_like(outputs)))
    if np.ndim(measured):
        raise ValueError(
            f"check_initial_loss: loss must be a single number, got shape {np.shape(measured)}"
        )
    if not expected > 0:
        raise ValueError(
            "check_initial_loss: loss must be above 0 for outputs that are all 0, "
            f"got {float(expected)}"
        )
    std = float(np.std(outputs, dtype=np.float64))
    formula = _formula(criterion, outputs.shape[-1])
    return InitialLoss(float(measured), float(expected), formula, std, factor)


def _formula(loss: Loss, classes: int) -> str:
    if type(loss) is CrossEntropyLoss:
        return f"log {classes}"
    if type(loss) is MultiClassHingeLoss:
        return f"{classes - 1} * {loss.margin:g}"
    if type(loss) is BCEWithLogitsLoss and loss.weight is None and loss.pos_weight is None:
        return "log 2"
    return "the loss of zeros"
