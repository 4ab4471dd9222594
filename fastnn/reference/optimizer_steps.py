"""Optimizer updates, in place. Formulas and sources: ``fastnn.functional.optimizer_steps``."""

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["adagrad_step_", "adam_step_", "rmsprop_step_", "sgd_step_"]

Arrays = np.ndarray | Sequence[np.ndarray]


def together(params: Arrays, *roles: Arrays | None) -> Iterator[tuple[np.ndarray, ...]]:
    """Each parameter with its gradient and state; a role that is None repeats the parameter."""
    lists = [params if role is None else role for role in (params, *roles)]
    return zip(*([a] if isinstance(a, np.ndarray) else a for a in lists), strict=True)


def gradient(
    w: np.ndarray, grad: np.ndarray, weight_decay: float, l1: float, grad_scale: float
) -> np.ndarray:
    """g = grad_scale * grad + weight_decay * w + l1 * sign(w)."""
    return grad_scale * grad + weight_decay * w + l1 * np.sign(w)


def sgd_step_(
    params: Arrays,
    grads: Arrays,
    momentum_buffers: Arrays | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    grad_scale: float = 1.0,
) -> None:
    """v = momentum v + (1 - dampening) g; w -= lr (g + momentum v if nesterov else v)."""
    for w, grad, v in together(params, grads, momentum_buffers):
        g = gradient(w, grad, weight_decay, l1, grad_scale)
        if momentum > 0:
            v[...] = momentum * v + (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        w -= lr * g


def adagrad_step_(
    params: Arrays,
    grads: Arrays,
    state_sums: Arrays,
    *,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    grad_scale: float = 1.0,
) -> None:
    """s += g^2; w -= lr g / (sqrt(s) + eps); Duchi et al. 2011, figure 1."""
    for w, grad, s in together(params, grads, state_sums):
        g = gradient(w, grad, weight_decay, l1, grad_scale)
        s += g * g
        w -= lr * g / (np.sqrt(s) + eps)


def rmsprop_step_(
    params: Arrays,
    grads: Arrays,
    square_avgs: Arrays,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    momentum_buffers: Arrays | None = None,
    centered: bool = False,
    grad_avgs: Arrays | None = None,
    l1: float = 0.0,
    grad_scale: float = 1.0,
) -> None:
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps); Hinton, lecture 6.5."""
    for w, grad, s, v, m in together(params, grads, square_avgs, momentum_buffers, grad_avgs):
        g = gradient(w, grad, weight_decay, l1, grad_scale)
        s[...] = alpha * s + (1 - alpha) * g * g
        variance = s
        if centered:
            m[...] = alpha * m + (1 - alpha) * g
            variance = np.maximum(s - m * m, 0)  # rounding may push it below 0
        update = g / (np.sqrt(variance) + eps)
        if momentum > 0:
            v[...] = momentum * v + update
            update = v
        w -= lr * update


def adam_step_(
    params: Arrays,
    grads: Arrays,
    exp_avgs: Arrays,
    exp_avg_sqs: Arrays,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    amsgrad: bool = False,
    max_exp_avg_sqs: Arrays | None = None,
    l1: float = 0.0,
    grad_scale: float = 1.0,
) -> None:
    """w -= lr mhat / (sqrt(vhat) + eps); Kingma and Ba 2015, algorithm 1; AdamW if decoupled."""
    b1, b2 = betas
    for w, grad, m, v, vmax in together(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs):
        g = gradient(w, grad, 0.0 if decoupled else weight_decay, l1, grad_scale)
        if decoupled:
            w *= 1 - lr * weight_decay
        m[...] = b1 * m + (1 - b1) * g
        v[...] = b2 * v + (1 - b2) * g * g
        if amsgrad:
            vmax[...] = np.maximum(vmax, v)
        s = vmax if amsgrad else v
        w -= lr * (m / (1 - b1**step)) / (np.sqrt(s / (1 - b2**step)) + eps)
