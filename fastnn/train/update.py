"""One step of training on one or several batches."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..cuda._arrays import moved
from ..data import Batch
from ..nn import Module
from ..optim import Optimizer
from .diagnose import find_bad_gradient, find_bad_output

Loss = Callable[[np.ndarray, np.ndarray], tuple[Any, np.ndarray]]


class Result(NamedTuple):
    """A batch that was part of a step; its mean loss is over ``weight``.

    On a CUDA device outputs and loss are still there: nobody has waited for them.
    """

    outputs: np.ndarray
    targets: np.ndarray
    loss: Any
    weight: float


def divisor(loss: Loss, targets: np.ndarray) -> float:
    """What the mean of ``loss`` over these targets divides by: their number unless it tells."""
    own: Callable[[np.ndarray], float] = getattr(loss, "divisor", len)
    return float(own(targets))


def update(
    model: Module,
    optimizer: Optimizer,
    loss: Loss,
    batches: Iterable[Batch],
    max_norm: float | None = None,
    epoch: int = 1,
) -> tuple[dict[str, Any], list[Result]]:
    """One step on the mean over the samples of all batches; nothing happens without a batch.

    Batches move to where the parameters are. On a CUDA device nothing waits for the step: the loss
    is an array of no axis, it is not checked, and without ``max_norm`` the norm is not computed
    (``grad_norm`` is NaN).

    Gradients add up to sum(weight * gradient) / sum(weight): those of one batch of all samples.

    Returns
    -------
    logs : dict
        ``loss``, the ``lr`` that was used, ``grad_norm`` before clipping, ``samples``.
    results : list of Result
        One a batch.

    Raises
    ------
    FloatingPointError
        A loss or the gradient is not finite; no parameter has changed.
    TypeError
        The loss is no number.
    """
    results: list[Result] = []
    place, total = optimizer.place, 0.0
    mean: Any = 0.0
    optimizer.zero_grad()
    for x, y in batches:
        if place is None:
            outputs = model(x)
            value, gradient = loss(outputs, y)
        else:
            outputs = model(moved(x, place))
            value, gradient = loss(outputs, moved(y, place))
        check_number(value)
        if place is None and not math.isfinite(value):
            model.release()
            raise _broken(optimizer, epoch, f"loss is {float(value)}", find_bad_output(model, x))
        if place is None:
            value = float(value)
        results.append(Result(outputs, y, value, divisor(loss, y)))
        weight, first = results[-1].weight, results[0].weight
        total += weight
        mean = value if weight == total else mean + (value - mean) * (weight / total)
        model.backward(
            gradient * (weight / first) if weight != first else gradient, input_grad=False
        )
    if not results:
        return {}, results
    lr = optimizer.learning_rate()
    scale = results[0].weight / total
    if max_norm is None and place is None:
        # With a bound, even an infinite one, the optimizer refuses a gradient that is not finite.
        max_norm = math.inf
    norm = optimizer.step(grad_scale=scale, max_norm=max_norm)
    if norm is None:
        norm = math.nan
    elif not math.isfinite(norm):
        raise _broken(optimizer, epoch, f"norm of the gradient is {norm}", find_bad_gradient(model))
    samples = sum(len(result.outputs) for result in results)
    return {"loss": mean, "lr": lr, "grad_norm": norm, "samples": samples}, results


def check_number(loss: Any) -> None:
    """Refuse a loss that is an array with axes."""
    if np.ndim(loss) != 0:
        raise TypeError(
            f"Trainer: loss must be a number, got an array of shape {np.shape(loss)}; "
            'has it reduction="none"?'
        )


def _broken(optimizer: Optimizer, epoch: int, what: str, why: str) -> FloatingPointError:
    return FloatingPointError(
        f"Trainer: the {what} at step {optimizer.steps} (epoch {epoch}, "
        f"lr {optimizer.learning_rate():g}): {why}; a smaller learning rate or a warm-up usually "
        "helps where the data are finite"
    )
