"""ReLUs that never fire: no gradient passes them, so they may never come back."""

from dataclasses import dataclass

import numpy as np

from ..nn import Module, ReLU, Residual, forward_hooks
from ..nn.hooks import preserved
from .predict import Inputs, batches


@dataclass(frozen=True)
class DeadRow:
    """One ReLU layer, or residual block that ends in one.

    Attributes
    ----------
    name : str
    fired : bool ndarray (units,)
        Whether the unit was above 0 anywhere.
    active : float
        Share of all values that were above 0.
    """

    name: str
    fired: np.ndarray
    active: float

    @property
    def dead(self) -> int:
        """Units that never fired."""
        return int(np.count_nonzero(~self.fired))

    @property
    def share(self) -> float:
        """``dead`` over all units."""
        return self.dead / len(self.fired)


@dataclass(frozen=True)
class DeadUnits:
    """Result of :func:`dead_units`; printing it gives a table.

    Attributes
    ----------
    rows : tuple of DeadRow
        In the order in which they ran.
    """

    rows: tuple[DeadRow, ...]

    @property
    def share(self) -> float:
        """Dead units over all units of all layers."""
        units = sum(len(row.fired) for row in self.rows)
        return sum(row.dead for row in self.rows) / units if units else 0.0

    def __str__(self) -> str:
        width = max([len(row.name) for row in self.rows] + [5])
        lines = [f"{'layer':{width}}  units   dead           values above 0"]
        for row in self.rows:
            lines.append(
                f"{row.name:{width}}  {len(row.fired):5}  {row.dead:5} ({100 * row.share:5.1f} %)"
                f"  {100 * row.active:12.1f} %"
            )
        return "\n".join(lines)


def dead_units(model: Module, data: Inputs, *, batch_size: int = 256) -> DeadUnits:
    """Count the ReLU units that are 0 for every sample, per layer.

    A unit is a feature of (N, C) or a channel of (N, C, H, W). Many dead units come from too high
    a learning rate or a bad start; a fifth is common, half is a fault. The model runs in eval mode
    and is left as it was.

    Parameters
    ----------
    model : Module
    data : ndarray (N, ...) or Loader
        Ready for the model; a whole data set, since a rare unit is not dead.
    batch_size : int

    Raises
    ------
    ValueError
        ``data`` is empty.

    References
    ----------
    Lu et al., "Dying ReLU and initialization: theory and numerical examples", Communications in
    Computational Physics 28(5), 2020.
    """
    fired: dict[str, np.ndarray] = {}
    positive: dict[str, int] = {}
    values: dict[str, int] = {}

    def look(name: str, layer: Module, x: np.ndarray, y: np.ndarray) -> None:
        if isinstance(layer, ReLU) or (isinstance(layer, Residual) and layer.activation == "relu"):
            above = y > 0
            units = above.any(axis=(0, *range(2, y.ndim)))
            fired[name] = units | fired.get(name, np.zeros_like(units))
            positive[name] = positive.get(name, 0) + int(np.count_nonzero(above))
            values[name] = values.get(name, 0) + y.size

    seen = 0
    with preserved(model), forward_hooks(model, look):
        model.eval()
        for batch in batches(data, batch_size):
            model(batch)
            seen += len(batch)
    if not seen:
        raise ValueError("dead_units: data must not be empty, got no sample")
    return DeadUnits(tuple(DeadRow(n, fired[n], positive[n] / values[n]) for n in fired))
