"""Losses summed over the elements. Formulas: ``fastnn.functional.elementwise_losses``."""

import numpy as np

__all__ = ["binary_cross_entropy_with_logits", "huber_loss", "l1_loss", "mse_loss"]

Result = tuple[float | np.ndarray, np.ndarray]


def reduced(loss: np.ndarray, dx: np.ndarray, reduction: str) -> Result:
    """The loss and its gradient, summed or averaged as ``reduction`` says."""
    if reduction == "none":
        return np.asarray(loss), np.asarray(dx)
    divisor = loss.size if reduction == "mean" else 1
    return float(loss.sum() / divisor), np.asarray(dx / divisor)


def mse_loss(x: np.ndarray, target: np.ndarray, reduction: str = "mean") -> Result:
    """(x - target)^2; dx = 2 (x - target)."""
    d = x - target
    return reduced(d**2, 2 * d, reduction)


def l1_loss(x: np.ndarray, target: np.ndarray, reduction: str = "mean") -> Result:
    """|x - target|; dx = sign(x - target)."""
    d = x - target
    return reduced(np.abs(d), np.sign(d), reduction)


def huber_loss(
    x: np.ndarray, target: np.ndarray, delta: float = 1.0, reduction: str = "mean"
) -> Result:
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = x - target; Huber 1964."""
    d = x - target
    far = np.abs(d) > delta
    loss = np.where(far, delta * (np.abs(d) - delta / 2), d**2 / 2)
    return reduced(loss, np.clip(d, -delta, delta), reduction)


def binary_cross_entropy_with_logits(
    logits: np.ndarray,
    target: np.ndarray,
    pos_weight: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    reduction: str = "mean",
) -> Result:
    """-w (p t log s + (1 - t) log(1 - s)), s = sigmoid(logits), p = pos_weight, w = weight."""
    w = np.ones_like(logits) if weight is None else weight
    p = np.ones_like(logits) if pos_weight is None else pos_weight
    e = np.exp(-np.abs(logits))
    s, rest = np.where(logits < 0, e, 1) / (1 + e), np.where(logits < 0, 1, e) / (1 + e)
    minus_log_s = np.maximum(-logits, 0) + np.log1p(e)
    minus_log_rest = np.maximum(logits, 0) + np.log1p(e)
    loss = w * ((1 - target) * minus_log_rest + p * target * minus_log_s)
    return reduced(loss, w * ((1 - target) * s - p * target * rest), reduction)
