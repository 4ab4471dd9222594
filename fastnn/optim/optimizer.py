"""``Optimizer``: parameter groups, learning rate, step, state."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import functional as F
from ..nn import Parameter
from ..regularizers import Regularizer
from .flat import FlatGroup
from .schedules import Schedule

Params = Iterable[Parameter] | Iterable[dict[str, Any]]
"""Parameters, or groups: ``{"params": [...], "lr": ..., ...}``."""

Role = np.ndarray | list[np.ndarray]
"""One flat array of a whole group, or a list of arrays."""

State = Mapping[str, Role]
"""The rule's own arrays by name."""

Common = Mapping[str, float]
"""Arguments that every rule's kernel takes: ``lr``, ``weight_decay``, ``l1``, ``grad_scale``."""


class Optimizer:
    """Base of the update rules.

    On construction the parameters of a group move into one flat buffer and their gradients into
    another; the parameters become views. A step is one kernel call a group. Parameters without a
    gradient (frozen, or not reached by backward) are left alone, as in PyTorch; the step number is
    the optimizer's, common to all.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        A dict is a group: ``params`` and any hyper-parameters that differ from the defaults.
    defaults : dict
        Hyper-parameters by name; ``lr`` is a float or a schedule, a function of the number of
        steps done.
    regularizer : Regularizer, optional
        Adds its ``l1`` and ``l2`` to the group's ``l1`` and ``weight_decay``; a group may have its
        own under that name.

    Attributes
    ----------
    param_groups : list of dict
        Hyper-parameters and ``params``; values may be changed between steps.
    steps : int
        Steps done.

    Raises
    ------
    ValueError
        No parameters, a parameter twice, dtypes that differ within a group, or an L2 term where
        the rule's weight decay is decoupled from the gradient.
    TypeError
        A group has a hyper-parameter that this rule does not know.
    """

    decoupled = False

    def __init__(
        self, params: Params, defaults: dict[str, Any], regularizer: Regularizer | None = None
    ) -> None:
        defaults = {**defaults, "l1": 0.0}
        given = list(params)
        groups = [item for item in given if isinstance(item, dict)] or [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        for group in groups:
            unknown = group.keys() - defaults.keys() - {"params", "regularizer"}
            if unknown:
                known = sorted(defaults)
                raise TypeError(f"{type(self).__name__}: unknown {sorted(unknown)}, not in {known}")
            made = {**defaults, **group, "params": list(group["params"])}
            penalty = made.pop("regularizer", regularizer)
            if penalty is not None:
                if penalty.l2 and self.decoupled:
                    raise ValueError(
                        f"{type(self).__name__}: regularizer must have no L2 term, because "
                        f"weight_decay is decoupled here, got l2 = {penalty.l2}"
                    )
                made["l1"] += penalty.l1
                made["weight_decay"] += penalty.l2
            self.param_groups.append(made)
        members = [p for group in self.param_groups for p in group["params"]]
        if not all(group["params"] for group in self.param_groups):
            raise ValueError(f"{type(self).__name__}: a group has no parameters")
        if len({id(p) for p in members}) != len(members):
            raise ValueError(f"{type(self).__name__}: a parameter appears twice")
        self.steps = 0
        self._flats = [FlatGroup(g["params"], self._state_names(g)) for g in self.param_groups]

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Roles besides parameters and gradients that the rule keeps for this group."""
        raise NotImplementedError

    def _update(
        self, group: dict[str, Any], params: Role, grads: Role, state: State, common: Common
    ) -> None:
        """Call the kernel. ``self.steps`` already counts this step."""
        raise NotImplementedError

    def learning_rate(self, group: int = 0) -> float:
        """Learning rate of the next step."""
        lr: float | Schedule = self.param_groups[group]["lr"]
        return lr(self.steps) if callable(lr) else lr

    def step(self, *, grad_scale: float = 1.0, max_norm: float | None = None) -> float | None:
        """Update all parameters that have a gradient.

        Parameters
        ----------
        grad_scale : float
            Multiplies every gradient, inside the update: 1 / (loss scale), or 1 / (number of
            accumulated batches).
        max_norm : float > 0, optional
            Clips the scaled gradients by their global norm: multiplies them by
            min(1, max_norm / norm) (Pascanu et al. 2013, algorithm 1). If the norm is not finite,
            nothing is updated and the step does not count.

        Returns
        -------
        norm : float, or None without ``max_norm``
            Global norm of the scaled gradients, before clipping.

        Raises
        ------
        RuntimeError
            A parameter's ``data`` is no longer in the flat buffer.
        ValueError
            A hyper-parameter is negative or not finite.
        """
        rates = [self.learning_rate(i) for i in range(len(self.param_groups))]
        active = [flat.active() for flat in self._flats]
        norm = None
        if max_norm is not None:
            if not max_norm > 0:
                raise ValueError(f"step: max_norm must be above 0, got {max_norm}")
            norm = abs(grad_scale) * math.hypot(
                *(
                    F.global_norm(flat.chosen(flat.grad, flat.grad_views, indices))
                    for flat, indices in zip(self._flats, active, strict=True)
                )
            )
            if not math.isfinite(norm):
                return norm
            grad_scale *= min(1.0, max_norm / norm) if norm > 0 else 1.0
        self.steps += 1
        for group, flat, lr, indices in zip(
            self.param_groups, self._flats, rates, active, strict=True
        ):
            if indices:
                common = {"lr": lr, "grad_scale": grad_scale}
                common |= {name: group[name] for name in ("weight_decay", "l1")}
                state = {
                    name: flat.chosen(array, flat.state_views[name], indices)
                    for name, array in flat.state.items()
                }
                params = flat.chosen(flat.data, flat.data_views, indices)
                grads = flat.chosen(flat.grad, flat.grad_views, indices)
                self._update(group, params, grads, state, common)
        return norm

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for flat in self._flats:
            for parameter in flat.params:
                parameter.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Copy of the state: ``step``, ``param_groups`` and ``state``.

        ``state`` maps the index of a parameter, counted over all groups, to its arrays by role,
        each of the parameter's shape. Schedules are code, not state: their ``lr`` is None.
        """
        groups, state, index = [], {}, 0
        for group, flat in zip(self.param_groups, self._flats, strict=True):
            hyper = {name: value for name, value in group.items() if name != "params"}
            if callable(hyper["lr"]):
                hyper["lr"] = None
            groups.append({**hyper, "params": list(range(index, index + len(flat.params)))})
            for i in range(len(flat.params)):
                roles = flat.state_views.items()
                state[index + i] = {name: np.array(views[i], order="C") for name, views in roles}
            index += len(flat.params)
        return {"step": self.steps, "param_groups": groups, "state": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`; nothing is written if it does not fit.

        Raises
        ------
        ValueError
            Groups, parameters, roles or shapes are not this optimizer's.
        """
        own = self.state_dict()
        mine = [group["params"] for group in own["param_groups"]]
        given = [list(group["params"]) for group in state["param_groups"]]
        if mine != given:
            raise ValueError(f"load_state_dict: param_groups must hold {mine}, got {given}")
        for index, roles in own["state"].items():
            arrays = state["state"].get(index, {})
            shapes = {name: np.shape(array) for name, array in arrays.items()}
            wanted = {name: array.shape for name, array in roles.items()}
            if shapes != wanted:
                raise ValueError(
                    f"load_state_dict: state of parameter {index} must be {wanted}, got {shapes}"
                )
        self.steps = int(state["step"])
        index = 0
        for group, flat, saved in zip(
            self.param_groups, self._flats, state["param_groups"], strict=True
        ):
            hyper = {name: value for name, value in saved.items() if name != "params"}
            if hyper.get("lr") is None:
                hyper.pop("lr", None)
            group.update(hyper)
            for i in range(len(flat.params)):
                for name, views in flat.state_views.items():
                    np.copyto(views[i], state["state"][index + i][name])
            index += len(flat.params)
