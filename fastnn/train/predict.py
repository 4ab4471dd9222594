"""Probabilities of a trained model, averaged over views of the input if there are several.

What the layers do at test time, in ``eval`` mode:

- Dropout, DropConnect and stochastic depth are the identity. They are *inverted*: training divides
  by the probability of keeping, so that the expected output is that of the layer without dropping.
  The papers' form scales at test time instead: :class:`fastnn.nn.VanillaDropout`.
- BatchNorm normalises with its running statistics: a sample's output does not depend on the batch
  that it comes in.
- Fractional max pooling still draws its windows.

:func:`mc_dropout` keeps dropout random on purpose.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from .. import functional as F
from ..data import Loader
from ..data.crops import View
from ..nn import Module
from .trainer import evaluating

Inputs = np.ndarray | Loader


def batches(data: Inputs, batch_size: int) -> Iterator[np.ndarray]:
    """The samples in order, without augmentation; a Loader has its own batches."""
    if batch_size < 1:
        raise ValueError(f"predict: batch_size must be positive, got {batch_size}")
    if isinstance(data, Loader):
        yield from (x for x, _ in data.in_order())
    else:
        yield from (data[i : i + batch_size] for i in range(0, len(data), batch_size))


def predict_proba(
    model: Module,
    data: Inputs,
    *,
    views: Sequence[View] | None = None,
    batch_size: int = 256,
) -> np.ndarray:
    """Class probabilities: softmax of the model's outputs, in eval mode and in order.

    With ``views`` this is test-time augmentation: p(x) = (1 / V) * sum over v of
    softmax(model(view_v(x))).

    Parameters
    ----------
    model : Module
        Its outputs (N, C) are logits.
    data : ndarray (N, ...) or Loader
        Ready for the model, or a loader that makes it so.
    views : sequence of callable (batch) -> batch, optional
        Such as ``fastnn.data.ten_crop_views(size)``. None: the batch as it is; add
        ``lambda x: x`` where that shall count too.
    batch_size : int
        For an array.

    Returns
    -------
    ndarray (N, C), the dtype of the outputs

    Raises
    ------
    ValueError
        There are no samples or no views, or the outputs are not (N, C), one row a sample.

    References
    ----------
    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012,
    section 4.1: ten crops averaged.
    """
    seen = [lambda x: x] if views is None else list(views)
    if not seen:
        raise ValueError("predict_proba: views must hold at least one callable, got none")
    with evaluating(model):
        parts = [_mean_over_views(model, x, seen) for x in batches(data, batch_size)]
    if not parts:
        raise ValueError("predict_proba: data must hold samples, got none")
    return np.concatenate(parts)


def _mean_over_views(model: Module, x: np.ndarray, views: Sequence[View]) -> np.ndarray:
    total: np.ndarray | None = None
    for view in views:
        logits = model(view(x))
        if logits.ndim != 2 or len(logits) != len(x):
            raise ValueError(
                f"predict_proba: model must give ({len(x)}, C) for a batch of {len(x)}, "
                f"got {logits.shape}"
            )
        probabilities = F.softmax(logits)
        total = probabilities if total is None else total + probabilities
    assert total is not None
    return total / len(views)
