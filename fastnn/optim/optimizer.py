"""``Optimizer``: parameter groups, learning rate, step, state."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import functional as F
from ..cuda._arrays import Place, assign, clip_, to_host
from ..nn import Parameter
from ..regularizers import Regularizer
from .flat import FlatGroup

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
    another; the parameters become views. A step is one kernel call a group. Parameters that are
    frozen or have no gradient are left alone, state included; freezing and unfreezing between two
    steps is fine. Adam's bias correction counts the updates of each parameter, as PyTorch does.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        A dict is a group: ``params`` and any hyper-parameters that differ from the defaults.
    defaults : dict
        Hyper-parameters by name. Each may be a schedule, a function of the number of steps done,
        instead of a value; above all ``lr``. Added to them: ``l1`` = 0, and ``lr_mult`` = 1, which
        multiplies ``lr``.
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
        No parameters, a parameter twice, dtypes that differ within a group, a hyper-parameter that
        is negative or not finite, or an L2 term where the rule's weight decay is decoupled from
        the gradient.
    TypeError
        A group has a hyper-parameter that this rule does not know, or something that is no
        Parameter.
    """

    decoupled = False
    counts_updates = False
    """Whether the rule needs to know how many updates a parameter has had."""

    def __init__(
        self, params: Params, defaults: dict[str, Any], regularizer: Regularizer | None = None
    ) -> None:
        self.defaults: dict[str, Any] = {**defaults, "l1": 0.0, "lr_mult": 1.0}
        self.regularizer = regularizer
        self.param_groups: list[dict[str, Any]] = []
        self.steps = 0
        self._flats: list[FlatGroup] = []
        given = list(params)
        self._add([g for g in given if isinstance(g, dict)] or [{"params": given}])

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters from now on, such as a backbone that is thawed.

        Parameters
        ----------
        group : dict
            ``params`` and any hyper-parameters that differ from the defaults.

        Raises
        ------
        ValueError, TypeError
            As from the constructor, and if a parameter is in another group already.
        """
        self._add([group])

    def _add(self, groups: Iterable[Mapping[str, Any]]) -> None:
        made = [self._complete(group) for group in groups]
        members = [p for group in [*self.param_groups, *made] for p in group["params"]]
        if len({id(p) for p in members}) != len(members):
            raise ValueError(f"{type(self).__name__}: a parameter appears twice")
        for group in made:
            self._flats.append(FlatGroup(group["params"], self._initial(group)))
            self.param_groups.append(group)

    def _complete(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The group with all hyper-parameters, checked."""
        rule = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            got = str(list(group)) if isinstance(group, Mapping) else type(group).__name__
            raise TypeError(f"{rule}: a group must be a dict with params, got {got}")
        unknown = group.keys() - self.defaults.keys() - {"params", "regularizer"}
        if unknown:
            known = sorted(self.defaults)
            raise TypeError(f"{rule}: unknown {sorted(unknown)}, not in {known}")
        params = group["params"]
        params = [params] if isinstance(params, Parameter) else list(params)
        for parameter in params:
            if not isinstance(parameter, Parameter):
                kind = type(parameter).__name__
                raise TypeError(
                    f"{rule}: params must be Parameters (model.parameters()), got {kind}"
                )
        if not params:
            raise ValueError(f"{rule}: a group has no parameters")
        made = {**self.defaults, **group, "params": params}
        penalty = made.pop("regularizer", self.regularizer)
        for name, value in made.items():
            if isinstance(value, str):
                raise TypeError(f"{rule}: {name} must be a number or a schedule, got {value!r}")
            if isinstance(value, int | float) and not 0 <= value < math.inf:
                raise ValueError(f"{rule}: {name} must be at least 0 and finite, got {value}")
        if penalty is not None:
            if penalty.l2 and self.decoupled:
                raise ValueError(
                    f"{rule}: regularizer must have no L2 term, because "
                    f"weight_decay is decoupled here, got l2 = {penalty.l2}"
                )
            made["l1"] += penalty.l1
            made["weight_decay"] += penalty.l2
        return made

    def _initial(self, group: dict[str, Any]) -> dict[str, float]:
        """Roles besides parameters and gradients that the rule keeps, and what they start from."""
        raise NotImplementedError

    def _update(
        self,
        step: int,
        group: dict[str, Any],
        params: Role,
        grads: Role,
        state: State,
        common: Common,
    ) -> None:
        """Call the kernel; ``step`` counts the parameters' updates, this one included."""
        raise NotImplementedError

    @property
    def place(self) -> Place | None:
        """Where the parameters are: None on the CPU."""
        return self._flats[0].place

    def learning_rate(self, group: int = 0) -> float:
        """Learning rate of the next step, ``lr_mult`` included."""
        now = self._current(self.param_groups[group])
        return float(now["lr"] * now["lr_mult"])

    def _current(self, group: dict[str, Any]) -> dict[str, Any]:
        """The group's values for the next step: schedules are evaluated."""
        return {name: v(self.steps) if callable(v) else v for name, v in group.items()}

    def step(
        self,
        *,
        grad_scale: float = 1.0,
        max_norm: float | None = None,
        max_value: float | None = None,
    ) -> float | None:
        """Update all parameters that have a gradient and are not frozen.

        Parameters
        ----------
        grad_scale : float
            Multiplies every gradient, inside the update: 1 / (loss scale), or 1 / (number of
            accumulated batches).
        max_norm : float > 0, optional
            Clips the scaled gradients by their global norm: multiplies them by
            min(1, max_norm / norm) (Pascanu et al. 2013, algorithm 1). If the norm is not finite,
            nothing is updated and the step does not count.
        max_value : float > 0, optional
            Clips each value of the scaled gradients to [-max_value, max_value], in place and
            before their norm is taken.

        Returns
        -------
        norm : float, or None without ``max_norm``
            Global norm of the scaled gradients, before clipping by it.

        Raises
        ------
        RuntimeError
            A parameter's ``data`` is no longer in the flat buffer.
        ValueError
            A hyper-parameter is negative or not finite.
        """
        for name, value in (("max_norm", max_norm), ("max_value", max_value)):
            if value is not None and not value > 0:
                raise ValueError(f"step: {name} must be above 0, got {value}")
        groups = [self._current(group) for group in self.param_groups]
        active = [flat.active() for flat in self._flats]
        norm = None
        if max_norm is not None or max_value is not None:
            grads = [
                flat.chosen(flat.grad, flat.grad_views, indices)
                for flat, indices in zip(self._flats, active, strict=True)
            ]
            if max_value is not None and grad_scale:
                _clip(grads, max_value / abs(grad_scale))
            if max_norm is not None:
                norm = abs(grad_scale) * math.hypot(*map(F.global_norm, grads))
                if not math.isfinite(norm):
                    return norm
                grad_scale *= min(1.0, max_norm / norm) if norm > 0 else 1.0
        self.steps += 1
        for group, flat, indices in zip(groups, self._flats, active, strict=True):
            for index in indices:
                flat.counts[index] += 1
            if indices:
                self._step_group(group, flat, indices, grad_scale)
        return norm

    def _step_group(
        self, group: dict[str, Any], flat: FlatGroup, indices: list[int], grad_scale: float
    ) -> None:
        common = {name: group[name] for name in ("weight_decay", "l1")}
        common |= {"lr": group["lr"] * group["lr_mult"], "grad_scale": grad_scale}
        for part in flat.by_count(indices) if self.counts_updates else [indices]:
            self._update(
                flat.counts[part[0]],
                group,
                flat.chosen(flat.data, flat.data_views, part),
                flat.chosen(flat.grad, flat.grad_views, part),
                {
                    name: flat.chosen(array, flat.state_views[name], part)
                    for name, array in flat.state.items()
                },
                common,
            )

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for flat in self._flats:
            for parameter in flat.params:
                parameter.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Copy of the state: ``step``, ``param_groups`` and ``state``.

        ``state`` maps the index of a parameter, counted over all groups, to ``step``, the number
        of its updates, and its arrays by role, each of the parameter's shape. Schedules are code,
        not state: None stands in their place.
        """
        groups, state, index = [], {}, 0
        for group, flat in zip(self.param_groups, self._flats, strict=True):
            hyper = {name: None if callable(v) else v for name, v in group.items()}
            groups.append({**hyper, "params": list(range(index, index + len(flat.params)))})
            for i in range(len(flat.params)):
                roles = flat.state_views.items()
                state[index + i] = {
                    name: np.array(to_host(views[i]), order="C") for name, views in roles
                }
                state[index + i]["step"] = np.array(flat.counts[i])
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
            group.update({n: v for n, v in saved.items() if n != "params" and v is not None})
            for i in range(len(flat.params)):
                flat.counts[i] = int(state["state"][index + i]["step"])
                for name, views in flat.state_views.items():
                    assign(views[i], state["state"][index + i][name])
            index += len(flat.params)


def _clip(roles: Iterable[Role], bound: float) -> None:
    """Clip every value to [-bound, bound], in place."""
    for role in roles:
        for array in role if isinstance(role, list) else [role]:
            clip_(array, bound)
