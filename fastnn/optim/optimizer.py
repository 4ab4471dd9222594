"""``Optimizer``: parameter groups, learning rate, step, state."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..nn import Parameter
from .flat import FlatGroup
from .schedules import Schedule

Params = Iterable[Parameter] | Iterable[dict[str, Any]]
"""Parameters, or groups: ``{"params": [...], "lr": ..., ...}``."""

Role = np.ndarray | list[np.ndarray]
"""One flat array of a whole group, or a list of arrays."""


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

    Attributes
    ----------
    param_groups : list of dict
        Hyper-parameters and ``params``; values may be changed between steps.
    steps : int
        Steps done.

    Raises
    ------
    ValueError
        No parameters, a parameter twice, or dtypes that differ within a group.
    TypeError
        A group has a hyper-parameter that this rule does not know.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        given = list(params)
        groups = [item for item in given if isinstance(item, dict)] or [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        for group in groups:
            unknown = group.keys() - defaults.keys() - {"params"}
            if unknown:
                known = sorted(defaults)
                raise TypeError(f"{type(self).__name__}: unknown {sorted(unknown)}, not in {known}")
            self.param_groups.append({**defaults, **group, "params": list(group["params"])})
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
        self, group: dict[str, Any], lr: float, params: Role, grads: Role, state: dict[str, Role]
    ) -> None:
        """Call the kernel. ``self.steps`` already counts this step."""
        raise NotImplementedError

    def learning_rate(self, group: int = 0) -> float:
        """Learning rate of the next step."""
        lr: float | Schedule = self.param_groups[group]["lr"]
        return lr(self.steps) if callable(lr) else lr

    def step(self) -> None:
        """Update all parameters that have a gradient.

        Raises
        ------
        RuntimeError
            A parameter's ``data`` is no longer in the flat buffer.
        ValueError
            A hyper-parameter is negative or not finite.
        """
        rates = [self.learning_rate(i) for i in range(len(self.param_groups))]
        active = [flat.active() for flat in self._flats]
        self.steps += 1
        for group, flat, lr, chosen in zip(
            self.param_groups, self._flats, rates, active, strict=True
        ):
            if len(chosen) == len(flat.params):
                self._update(group, lr, flat.data, flat.grad, dict(flat.state))
            elif chosen:
                state: dict[str, Role] = {
                    name: [views[i] for i in chosen] for name, views in flat.state_views.items()
                }
                params = [flat.data_views[i] for i in chosen]
                self._update(group, lr, params, [flat.grad_views[i] for i in chosen], state)

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
