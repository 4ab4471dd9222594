"""``cs231n/optim.py``: each rule is ``next_w, config = rule(w, dw, config)``.

``config`` is a dict of hyper-parameters and state; what it lacks is set to the default. Except by
:func:`sgd`, ``w`` is not written to.
"""

from typing import Any

import numpy as np

from ... import functional as F

__all__ = ["adam", "rmsprop", "sgd", "sgd_momentum"]

Config = dict[str, Any]
Update = tuple[np.ndarray, Config]


def _filled(
    config: Config | None, w: np.ndarray, states: tuple[str, ...], **defaults: Any
) -> Config:
    """``config`` with its defaults, and with states of its own to update in place."""
    config = {} if config is None else config
    for name, value in defaults.items():
        config.setdefault(name, value)
    for name in states:
        config[name] = np.array(config[name]) if name in config else np.zeros_like(w)
    return config


def sgd(w: np.ndarray, dw: np.ndarray, config: Config | None = None) -> Update:
    """w -= learning_rate * dw, in place. Config: ``learning_rate`` (1e-2)."""
    config = _filled(config, w, (), learning_rate=1e-2)
    F.sgd_step_(w, dw, lr=config["learning_rate"])
    return w, config


def sgd_momentum(w: np.ndarray, dw: np.ndarray, config: Config | None = None) -> Update:
    """v = momentum * v - learning_rate * dw; next_w = w + v.

    Config: ``learning_rate`` (1e-2), ``momentum`` (0.9), ``velocity`` (zeros).
    """
    config = _filled(config, w, ("velocity",), learning_rate=1e-2, momentum=0.9)
    # The kernel subtracts a velocity that grows with +dw: so it moves -w, by -learning_rate * dw.
    next_w = np.negative(w)
    rate, momentum = config["learning_rate"], config["momentum"]
    F.sgd_step_(next_w, dw, config["velocity"], lr=1.0, momentum=momentum, grad_scale=-rate)
    return np.negative(next_w, out=next_w), config


def rmsprop(w: np.ndarray, dw: np.ndarray, config: Config | None = None) -> Update:
    """cache = decay_rate * cache + (1 - decay_rate) * dw^2;
    next_w = w - learning_rate * dw / (sqrt(cache) + epsilon).

    Config: ``learning_rate`` (1e-2), ``decay_rate`` (0.99), ``epsilon`` (1e-8), ``cache`` (zeros).
    """
    config = _filled(config, w, ("cache",), learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8)
    next_w = w.copy()
    F.rmsprop_step_(
        next_w,
        dw,
        config["cache"],
        lr=config["learning_rate"],
        alpha=config["decay_rate"],
        eps=config["epsilon"],
    )
    return next_w, config


def adam(w: np.ndarray, dw: np.ndarray, config: Config | None = None) -> Update:
    """t += 1; m = beta1 * m + (1 - beta1) * dw; v = beta2 * v + (1 - beta2) * dw^2;
    next_w = w - learning_rate * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).

    Config: ``learning_rate`` (1e-3), ``beta1`` (0.9), ``beta2`` (0.999), ``epsilon`` (1e-8),
    ``m``, ``v`` (zeros), ``t`` (0).
    """
    defaults = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0}
    config = _filled(config, w, ("m", "v"), **defaults)
    config["t"] += 1
    next_w = w.copy()
    F.adam_step_(
        next_w,
        dw,
        config["m"],
        config["v"],
        step=config["t"],
        lr=config["learning_rate"],
        betas=(config["beta1"], config["beta2"]),
        eps=config["epsilon"],
    )
    return next_w, config
