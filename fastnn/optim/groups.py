"""Parameter groups of a model: what is exempt from weight decay, and who learns how fast."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..nn import BatchNorm, GroupNorm, InstanceNorm2d, LayerNorm, Module
from ..regularizers import Regularizer

NORMS = (BatchNorm, GroupNorm, InstanceNorm2d, LayerNorm)


def param_groups(
    model: Module,
    weight_decay: float | None = None,
    *,
    regularizer: Regularizer | None = None,
    no_decay_norm_and_bias: bool = True,
    no_weight_decay: Sequence[str] = (),
    lr_mult: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Groups for an optimizer: ``optim.AdamW(param_groups(model, 0.05), lr=1e-3)``.

    Frozen parameters are included, so that thawing them later trains them; until then their state
    takes no memory but address space.

    Parameters
    ----------
    model : Module
    weight_decay : float, optional
        Of the parameters that are not exempt; None: the optimizer's own.
    regularizer : Regularizer, optional
        L1, L2 or both for the parameters that are not exempt.
    no_decay_norm_and_bias : bool
        Exempt biases, the parameters of norm layers and everything else that is one-dimensional,
        from weight decay and from the regulariser.
    no_weight_decay : sequence of str
        Names, as in ``model.named_parameters()``, that are exempt too.
    lr_mult : mapping of str to float, optional
        Multiplies the learning rate of all parameters below a name: ``{"": 0.1, "head": 1}`` is a
        tenth for all but the head (discriminative learning rates; Howard and Ruder, "ULMFiT",
        ACL 2018, section 3.2). The longest name counts.

    Returns
    -------
    groups : list of dict
        Those that are not empty, with ``params``, ``lr_mult``, and ``weight_decay`` and
        ``regularizer`` where they differ from the optimizer's.

    Raises
    ------
    ValueError
        A name in ``no_weight_decay`` or ``lr_mult`` is none of the model's.

    References
    ----------
    He et al., "Bag of tricks for image classification", CVPR 2019, section 3.1 (no bias decay).
    """
    factors = {"": 1.0, **(lr_mult or {})}
    parameters, modules = dict(model.named_parameters()), dict(model.named_modules())
    known = {"", *parameters, *modules}
    for argument, names in (("no_weight_decay", no_weight_decay), ("lr_mult", factors)):
        for name in names:
            if name not in known:
                raise ValueError(
                    f"param_groups: {argument} must hold names of the model's parameters or "
                    f"layers, got {name!r}; the parameters are {', '.join(parameters)}"
                )
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for path, parameter in parameters.items():
        prefix, _, name = path.rpartition(".")
        flat = isinstance(modules[prefix], NORMS) or name == "bias" or parameter.data.ndim <= 1
        exempt = (no_decay_norm_and_bias and flat) or path in no_weight_decay
        places = [p for p in factors if p == "" or path == p or path.startswith(f"{p}.")]
        factor = factors[max(places, key=len)]
        group = groups.setdefault((factor, exempt), {"params": [], "lr_mult": factor})
        group["params"].append(parameter)
        if exempt:
            group |= {"weight_decay": 0.0, "regularizer": Regularizer()}
        elif weight_decay is not None:
            group["weight_decay"] = weight_decay
        if regularizer is not None and not exempt:
            group["regularizer"] = regularizer
    return list(groups.values())
