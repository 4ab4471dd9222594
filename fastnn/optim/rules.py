"""The update rules: SGD, AdaGrad, RMSprop, Adam, AdamW, with PyTorch's algorithms and defaults."""

from typing import Any

from .. import functional as F
from ..regularizers import Regularizer
from .optimizer import Common, Optimizer, Params, Role, State
from .schedules import Schedule


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum * v + (1 - dampening) * g; w -= lr * v.

    With ``nesterov`` the step is g + momentum * v. Momentum buffers start as zeros.

    Parameters
    ----------
    params : iterable of Parameter, or of group dicts
    lr : float or schedule
    momentum, dampening : float
    weight_decay : float
        L2: adds weight_decay * w to the gradient.
    nesterov : bool
    regularizer : Regularizer, optional
        See :mod:`fastnn.regularizers`.

    References
    ----------
    Sutskever et al., "On the importance of initialization and momentum in deep learning",
    ICML 2013, in PyTorch's form.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Schedule = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
            regularizer,
        )

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"momentum_buffers": 0.0} if group["momentum"] else {}

    def _update(
        self,
        step: int,
        group: dict[str, Any],
        params: Role,
        grads: Role,
        state: State,
        common: Common,
    ) -> None:
        F.sgd_step_(
            params,
            grads,
            state.get("momentum_buffers"),
            momentum=group["momentum"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            **common,
        )


class AdaGrad(Optimizer):
    """AdaGrad: s += g^2; w -= lr * g / (sqrt(s) + eps).

    Parameters
    ----------
    params : iterable of Parameter, or of group dicts
    lr : float or schedule
    weight_decay : float
        L2.
    initial_accumulator_value : float
        Start of s.
    eps : float
    regularizer : Regularizer, optional
        See :mod:`fastnn.regularizers`.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods", JMLR 12, 2011, figure 1.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Schedule = 1e-2,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
            },
            regularizer,
        )

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        return {"state_sums": group["initial_accumulator_value"]}

    def _update(
        self,
        step: int,
        group: dict[str, Any],
        params: Role,
        grads: Role,
        state: State,
        common: Common,
    ) -> None:
        F.adagrad_step_(
            params,
            grads,
            state["state_sums"],
            eps=group["eps"],
            **common,
        )


class RMSprop(Optimizer):
    """RMSprop: s = alpha * s + (1 - alpha) * g^2; w -= lr * g / (sqrt(s) + eps).

    With ``momentum`` the quotient goes through v = momentum * v + quotient; ``centered`` divides
    by sqrt(s - mean(g)^2) + eps.

    Parameters
    ----------
    params : iterable of Parameter, or of group dicts
    lr : float or schedule
    alpha, eps : float
    weight_decay : float
        L2.
    momentum : float
    centered : bool
    regularizer : Regularizer, optional
        See :mod:`fastnn.regularizers`.

    References
    ----------
    Tieleman and Hinton, "Neural networks for machine learning", lecture 6e, 2012;
    Graves, arXiv:1308.0850, equations 38-41 (centered).
    """

    def __init__(
        self,
        params: Params,
        lr: float | Schedule = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
            },
            regularizer,
        )

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        roles = {"square_avgs": True, "momentum_buffers": group["momentum"]}
        roles["grad_avgs"] = group["centered"]
        return {name: 0.0 for name, wanted in roles.items() if wanted}

    def _update(
        self,
        step: int,
        group: dict[str, Any],
        params: Role,
        grads: Role,
        state: State,
        common: Common,
    ) -> None:
        F.rmsprop_step_(
            params,
            grads,
            state["square_avgs"],
            alpha=group["alpha"],
            eps=group["eps"],
            momentum=group["momentum"],
            momentum_buffers=state.get("momentum_buffers"),
            centered=group["centered"],
            grad_avgs=state.get("grad_avgs"),
            **common,
        )


class Adam(Optimizer):
    """Adam: w -= lr * m_hat / (sqrt(v_hat) + eps), moments with bias correction.

    Parameters
    ----------
    params : iterable of Parameter, or of group dicts
    lr : float or schedule
    betas : (float, float)
        Decay of the mean and of the mean square of the gradient.
    eps : float
        Outside the square root.
    weight_decay : float
        L2: adds weight_decay * w to the gradient.
    amsgrad : bool
        Divide by the largest v_hat so far.
    regularizer : Regularizer, optional
        See :mod:`fastnn.regularizers`.

    References
    ----------
    Kingma and Ba, "Adam", ICLR 2015, algorithm 1; Reddi, Kale and Kumar, "On the convergence of
    Adam and beyond", ICLR 2018 (amsgrad).
    """

    counts_updates = True

    def __init__(
        self,
        params: Params,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
            },
            regularizer,
        )

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        roles = {"exp_avgs": 0.0, "exp_avg_sqs": 0.0}
        return roles | ({"max_exp_avg_sqs": 0.0} if group["amsgrad"] else {})

    def _update(
        self,
        step: int,
        group: dict[str, Any],
        params: Role,
        grads: Role,
        state: State,
        common: Common,
    ) -> None:
        F.adam_step_(
            params,
            grads,
            state["exp_avgs"],
            state["exp_avg_sqs"],
            step=step,
            betas=tuple(group["betas"]),
            eps=group["eps"],
            decoupled=self.decoupled,
            amsgrad=group["amsgrad"],
            max_exp_avg_sqs=state.get("max_exp_avg_sqs"),
            **common,
        )


class AdamW(Adam):
    """:class:`Adam` with decoupled weight decay: w -= lr * weight_decay * w before the step.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2 in
    PyTorch's form (the decay is multiplied by the learning rate).
    """

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        regularizer: Regularizer | None = None,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, regularizer=regularizer)
