"""Softmax cross entropy. Formulas and sources: ``fastnn.functional.softmax_cross_entropy``."""

import numpy as np

__all__ = ["softmax_cross_entropy"]


def softmax_cross_entropy(
    logits: np.ndarray,
    target: np.ndarray,
    *,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
) -> tuple[float | np.ndarray, np.ndarray]:
    """loss[n] = -sum_c weight[c] q[n, c] log softmax(logits[n])[c], and its gradient.

    logits (N, C); q = (1 - label_smoothing) * target + label_smoothing / C, target being
    classes (N,) or distributions (N, C). "mean" divides by N, or for classes by the sum of the
    weights of the classes met.
    """
    n, c = logits.shape
    w = np.ones(c, logits.dtype) if weight is None else weight
    counted, total = np.ones(n, bool), n
    if target.ndim == 1:
        counted = target != ignore_index
        classes = np.where(counted, target, 0)
        total = w[classes][counted].sum()
        target = (classes[:, None] == np.arange(c)).astype(logits.dtype)
    q = w * ((1 - label_smoothing) * target + label_smoothing / c) * counted[:, None]
    shifted = logits - logits.max(1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -np.where(q == 0, 0, q * log_softmax).sum(1)  # 0 * log 0 = 0
    dlogits = np.exp(log_softmax) * q.sum(1, keepdims=True) - q
    dlogits[~counted] = 0  # whatever the logits are
    if reduction == "none":
        return loss, dlogits
    divisor = total if reduction == "mean" else 1
    return float(loss.sum() / divisor), dlogits / divisor
