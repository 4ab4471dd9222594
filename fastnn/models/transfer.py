"""Transfer learning: load, cut off or replace the head, freeze, train the backbone slowly.

The head is the last layer with parameters; it must be a ``Linear``.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from ..io import StrPath, load_safetensors
from ..nn import Linear, LoadResult, Module, Parameter, Sequential
from ..optim import param_groups

M = TypeVar("M", bound=Module)


def find_head(model: Module, function: str = "find_head") -> tuple[str, Linear]:
    """Name and layer of the model's head.

    Raises
    ------
    ValueError
        The last layer with parameters is no ``Linear``; the message starts with ``function``.
    """
    name, last = "", model
    for key, module in model.named_modules():
        if any(isinstance(value, Parameter) for value in vars(module).values()):
            name, last = key, module
    if not isinstance(last, Linear):
        raise ValueError(
            f"{function}: model must end in a Linear layer, the last layer of this "
            f"{type(model).__name__} with parameters is {name or 'itself'}, a {type(last).__name__}"
        )
    return name, last


def load_pretrained(
    model: Module,
    source: StrPath | Mapping[str, Any],
    *,
    reinit_head: bool = False,
    strict: bool = True,
) -> LoadResult:
    """Load a checkpoint, such as torchvision's or timm's, into a model of the same layout.

    Old checkpoints without ``num_batches_tracked`` load too; the model's counts stay.

    Parameters
    ----------
    model : Module
    source : path of a safetensors file, or mapping of str to array
    reinit_head : bool
        True: the head keeps its fresh weights, whatever the file has. For another task.
    strict : bool
        False: keys that are missing or unexpected are returned, not raised.

    Raises
    ------
    ValueError
        A shape differs; if it is the head's, the message says how to go on. Nothing is written.
    KeyError
        Keys are missing or unexpected (``strict=True``).
    """
    given = source if isinstance(source, Mapping) else load_safetensors(source)
    own = model.state_dict()
    name, head = find_head(model, "load_pretrained")
    keys = [f"{name}.{key}" if name else key for key in head.state_dict()]
    kept = {k: v for k, v in own.items() if k.endswith("num_batches_tracked") and k not in given}
    if reinit_head:
        kept |= {key: own[key] for key in keys}
    state = {**given, **kept}
    for key in keys:
        wanted, got = own[key].shape, np.shape(state[key]) if key in state else own[key].shape
        if wanted != got and wanted[1:] == got[1:]:
            raise ValueError(
                f"load_pretrained: {key} must be of shape {wanted}, got {got}: the model has "
                f"{wanted[0]} classes, the checkpoint {got[0]}. Build the model with "
                f"num_classes={got[0]}, or pass reinit_head=True to load all but the head"
            )
    return model.load_state_dict(state, strict)


def reset_head(model: M, num_classes: int, *, seed: int = 0) -> M:
    """Give ``model`` a fresh head for ``num_classes`` classes, in place; returns the model.

    Weights are drawn as by the layer itself; the new head trains, even where the old one was
    frozen. Make the optimizer afterwards: the head has new parameters.

    Raises
    ------
    ValueError
        ``num_classes`` is below 1, or the model does not end in a ``Linear``.
    """
    if num_classes < 1:
        raise ValueError(f"reset_head: num_classes must be at least 1, got {num_classes}")
    _, head = find_head(model, "reset_head")
    old = head.weight.data
    head.weight = Parameter(np.empty((num_classes, old.shape[1]), old.dtype))
    head.bias = None if head.bias is None else Parameter(np.empty(num_classes, old.dtype))
    head.reset_parameters(seed)
    return model


def feature_extractor(model: Sequential) -> Sequential:
    """The model up to its head: ``feature_extractor(model)(x)`` is what the head is given.

    The layers are the model's own, not copies: its weights, its modes, its names. Call ``eval()``
    for features that dropout and batch statistics leave alone.

    Raises
    ------
    ValueError
        The model does not end in a ``Linear``.
    TypeError
        The head does not stand in a chain of ``Sequential``.
    """
    _, head = find_head(model, "feature_extractor")
    return _before(model, head)


def _before(container: Module, head: Linear) -> Sequential:
    if not isinstance(container, Sequential):
        raise TypeError(
            "feature_extractor: the head must stand in a Sequential (of Sequentials), "
            f"got a {type(container).__name__} around it"
        )
    kept: dict[str, Module] = {}
    for name, child in container.named_children():
        if child is head:
            break
        if any(module is head for module in child.modules()):
            kept[name] = _before(child, head)
            break
        kept[name] = child
    result = Sequential(kept)
    result.training = container.training
    return result


def freeze_until(model: M, name: str, *, statistics: bool = False) -> M:
    """Freeze all layers before the one called ``name``; it and what follows train.

    Parameters
    ----------
    model : Module
    name : str
        Prefix of ``state_dict`` keys, whole parts of it: ``"layer4"``, ``"features.10"``, ``"fc"``.
    statistics : bool
        True: the frozen BatchNorm layers also keep their running statistics and normalise by
        them. False: they adapt to the new data, their weights frozen.

    Raises
    ------
    KeyError
        No layer has that name.
    """
    names = [key for key, _ in model.named_modules()]
    if not name or name not in names:
        children = ", ".join(key for key, _ in model.named_children())
        raise KeyError(f"freeze_until: no layer is called {name!r}; this model has {children}, ...")
    model.unfreeze()
    for key, module in model.named_modules():
        if key == name:
            break
        if key and not name.startswith(f"{key}."):
            module.freeze(statistics=statistics)
    return model


def discriminative_groups(model: Module, *, backbone: float = 0.1) -> list[dict[str, Any]]:
    """Parameter groups by which the head learns at the optimizer's rate, the rest at a fraction.

    ``optim.Adam(discriminative_groups(model), lr=1e-3)`` fine-tunes at 1e-4 what was trained
    before. Biases and the parameters of norms are exempt from weight decay; for other exceptions,
    and for one factor a layer, call :func:`fastnn.optim.param_groups` with ``lr_mult``.

    Parameters
    ----------
    model : Module
    backbone : float
        Factor of the layers before the head.

    Raises
    ------
    ValueError
        The model does not end in a ``Linear``.

    References
    ----------
    Howard and Ruder, "Universal language model fine-tuning for text classification", ACL 2018,
    section 3.2; 1/10 for the backbone is the advice of CS231n, "Transfer learning".
    """
    name, _ = find_head(model, "discriminative_groups")
    return param_groups(model, lr_mult={"": backbone, name: 1.0})
