"""Optimizer updates, in place, over one array or a list of arrays.

All arrays of a call share one dtype, float32 or float64; each entry of a role has the shape of
the parameter beside it. Parameters and state must be writable and must not overlap.

``grad`` in the formulas is grad_scale * grads + l1 * sign(w): ``grad_scale`` undoes a loss scale or
clips by the global norm (Pascanu et al. 2013, algorithm 1), ``l1`` adds the gradient of
l1 * sum(abs(w)), with sign(0) = 0.
"""

from .. import _core
from ._types import Arrays

__all__ = ["adagrad_step_", "adam_step_", "rmsprop_step_", "sgd_step_"]


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
    """One step of stochastic gradient descent, in place.

    g = grad + weight_decay * w; v = momentum * v + (1 - dampening) * g;
    w -= lr * (g + momentum * v if nesterov else v). Without momentum, w -= lr * g.

    Parameters
    ----------
    params : ndarray or list of ndarray, float32 or float64
        Updated in place.
    grads : like ``params``, only read
    momentum_buffers : like ``params``, or None without momentum
        v, updated in place; starts as zeros.
    lr, momentum, weight_decay, l1 : float >= 0
    dampening : float
    nesterov : bool
        Needs momentum > 0 and dampening 0.
    grad_scale : float

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        The lists, shapes or options do not fit, or an array that is updated is read-only or
        overlaps another.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in
    deep learning", ICML 2013, in the form used by PyTorch.
    """
    _core.sgd_step_(
        params,
        grads,
        momentum_buffers,
        lr,
        momentum,
        dampening,
        nesterov,
        weight_decay,
        l1,
        grad_scale,
    )


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
    """One step of AdaGrad, in place.

    g = grad + weight_decay * w; s += g^2; w -= lr * g / (sqrt(s) + eps).

    Parameters
    ----------
    params : ndarray or list of ndarray, float32 or float64
        Updated in place.
    grads : like ``params``, only read
    state_sums : like ``params``
        s, updated in place; starts as zeros.
    lr, eps, weight_decay, l1 : float >= 0
    grad_scale : float

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        The lists, shapes or options do not fit, or an array that is updated is read-only or
        overlaps another.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011, figure 1 (diagonal).
    """
    _core.adagrad_step_(params, grads, state_sums, lr, eps, weight_decay, l1, grad_scale)


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
    """One step of RMSprop, in place.

    g = grad + weight_decay * w; s = alpha * s + (1 - alpha) * g^2; if centered,
    m = alpha * m + (1 - alpha) * g and d = max(s - m^2, 0), else d = s;
    u = g / (sqrt(d) + eps). With momentum, v = momentum * v + u and w -= lr * v; without,
    w -= lr * u.

    Parameters
    ----------
    params : ndarray or list of ndarray, float32 or float64
        Updated in place.
    grads : like ``params``, only read
    square_avgs : like ``params``
        s, updated in place; starts as zeros.
    lr, eps, weight_decay, momentum, l1 : float >= 0
    alpha : float in [0, 1]
    momentum_buffers : like ``params``, or None without momentum
        v, updated in place; starts as zeros.
    centered : bool
    grad_avgs : like ``params``, or None if not centered
        m, updated in place; starts as zeros.
    grad_scale : float

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        The lists, shapes or options do not fit, or an array that is updated is read-only or
        overlaps another.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: rmsprop", Coursera, 2012; centered: Graves, "Generating
    sequences with recurrent neural networks", arXiv 1308.0850, equations 38-45.
    """
    _core.rmsprop_step_(
        params,
        grads,
        square_avgs,
        lr,
        alpha,
        eps,
        weight_decay,
        momentum,
        momentum_buffers,
        centered,
        grad_avgs,
        l1,
        grad_scale,
    )


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
    """One step of Adam, in place; with ``decoupled`` weight decay, of AdamW.

    g = grad + weight_decay * w (decoupled: g = grad and first w *= 1 - lr * weight_decay);
    m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2; s = v, or with amsgrad
    s = smax = max(smax, v); w -= lr * (m / (1 - b1^step)) / (sqrt(s / (1 - b2^step)) + eps).

    Parameters
    ----------
    params : ndarray or list of ndarray, float32 or float64
        Updated in place.
    grads : like ``params``, only read
    exp_avgs, exp_avg_sqs : like ``params``
        m and v, updated in place; start as zeros.
    step : int >= 1
        Number of this step, counted from 1.
    lr, eps, weight_decay, l1 : float >= 0
    betas : (b1, b2), each in [0, 1)
    decoupled : bool
    amsgrad : bool
    max_exp_avg_sqs : like ``params``, or None without amsgrad
        smax, updated in place; starts as zeros.
    grad_scale : float

    Raises
    ------
    TypeError
        An array is not float32 or float64, or the dtypes differ.
    ValueError
        The lists, shapes or options do not fit, or an array that is updated is read-only or
        overlaps another.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1;
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2;
    Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """
    _core.adam_step_(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        step,
        lr,
        betas,
        eps,
        weight_decay,
        decoupled,
        amsgrad,
        max_exp_avg_sqs,
        l1,
        grad_scale,
    )
