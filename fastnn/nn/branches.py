"""Containers with branches: Residual and Concat."""

from collections.abc import Iterator

import numpy as np

from .. import functional as F
from ..cuda._arrays import joined
from .fusable import Fusable, check_distinct, fusion_enabled
from .module import Module

ACTIVATIONS = ("relu", "leaky_relu", "elu", "sigmoid", "tanh")
_BACKWARD_FROM_OUTPUT = ("sigmoid", "tanh")


def _add(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    return None if a is None or b is None else F.add(a, b)


class Residual(Fusable):
    """y = activation(body(x) + shortcut(x)).

    Where the body ends in BatchNorm, that layer does the sum and the activation in its own pass.

    Parameters
    ----------
    body : Module
    shortcut : Module, optional
        None: the identity.
    activation : str or None
        "relu", "leaky_relu", "elu", "sigmoid" or "tanh".

    Raises
    ------
    ValueError
        The activation is unknown, or a layer appears twice.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016, equations 1 and 2.
    """

    def __init__(
        self, body: Module, shortcut: Module | None = None, activation: str | None = "relu"
    ) -> None:
        if activation is not None and activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(
                f"Residual: activation must be None or one of {known}, got {activation!r}"
            )
        self.body, self.shortcut, self.activation = body, shortcut, activation
        check_distinct("Residual", [m for m in (body, shortcut) if m is not None])

    def takes_activation(self) -> bool:
        return self.activation is None and super().takes_activation()

    def forward_fused(
        self, x: np.ndarray, activation: str | None = None, residual: np.ndarray | None = None
    ) -> np.ndarray:
        activation = activation or self.activation
        side = x if self.shortcut is None else self.shortcut.forward(x)
        body = self.body
        if fusion_enabled() and isinstance(body, Fusable) and body.takes_residual():
            self._saved = (True, None, None) if self.training else None
            return body.forward_fused(x, activation, side)
        z = F.add(body.forward(x), side)
        y: np.ndarray = z if activation is None else getattr(F, activation)(z)
        kept = y if activation in _BACKWARD_FROM_OUTPUT else z
        self._saved = (False, activation, kept) if self.training else None
        return y

    def backward_fused(
        self, dy: np.ndarray, input_grad: bool = True
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        fused, activation, kept = self._take()
        side: np.ndarray | None = dy
        if fused and isinstance(self.body, Fusable):
            dx, side = self.body.backward_fused(dy, input_grad)
        else:
            if activation is not None:
                side = dy = getattr(F, f"{activation}_backward")(dy, kept)
            dx = self.body.backward(dy, input_grad=input_grad)
        if self.shortcut is not None and side is not None:
            side = self.shortcut.backward(side, input_grad=input_grad)
        return _add(dx, side) if input_grad else None, None

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class Concat(Module):
    """The outputs of several branches on the same input, joined on axis 1.

    Parameters
    ----------
    *branches : Module
        Named "0", "1", ... in the ``state_dict``.

    Raises
    ------
    ValueError
        There is no branch, or a layer appears twice.
    """

    def __init__(self, *branches: Module) -> None:
        if not branches:
            raise ValueError("Concat: needs at least one branch")
        self._branches = {str(index): branch for index, branch in enumerate(branches)}
        check_distinct("Concat", branches)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        yield from self._branches.items()

    def forward(self, x: np.ndarray) -> np.ndarray:
        outputs = [branch.forward(x) for branch in self._branches.values()]
        self._saved = [y.shape[1] for y in outputs] if self.training else None
        y: np.ndarray = joined(outputs)
        return y

    def backward(self, dy: np.ndarray, *, input_grad: bool = True) -> np.ndarray | None:
        start, dx = 0, None
        for branch, width in zip(self._branches.values(), self._take(), strict=True):
            part = branch.backward(dy[:, start : start + width], input_grad=input_grad)
            dx = part if start == 0 else _add(dx, part)
            start += width
        return dx
