"""A whole run in one safetensors file: enough to go on bit for bit."""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..io import load_safetensors, read_metadata, save_safetensors
from ..nn import Module
from ..optim import Optimizer

KEY = "fastnn.run"
VERSION = 2


def save_run(
    path: str | os.PathLike[str], model: Module, optimizer: Optimizer, run: Mapping[str, Any]
) -> None:
    """Write model, optimizer, random streams and ``run``, by name JSON values or arrays.

    Floats survive JSON exactly.

    Raises
    ------
    TypeError
        A value of ``run`` is neither an array nor JSON.
    """
    state = optimizer.state_dict()
    tensors = {f"model.{name}": array for name, array in model.state_dict().items()}
    for index, roles in state["state"].items():
        tensors.update({f"optimizer.{index}.{name}": array for name, array in roles.items()})
    arrays = {name: value for name, value in run.items() if isinstance(value, np.ndarray)}
    tensors.update({f"run.{name}": array for name, array in arrays.items()})
    document = {
        "version": VERSION,
        "rng": model.rng_state(),
        "optimizer": {"step": state["step"], "param_groups": state["param_groups"]},
        "run": {name: value for name, value in run.items() if name not in arrays},
    }
    save_safetensors(tensors, path, metadata={KEY: json.dumps(document, default=_number)})


def _number(value: Any) -> Any:
    """A NumPy number as JSON knows it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"save_run: run must hold arrays and JSON values, got {type(value).__name__}")


def part(named: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What has this prefix, without it."""
    return {n.removeprefix(prefix): a for n, a in named.items() if n.startswith(prefix)}


def load_run(path: str | os.PathLike[str], model: Module, optimizer: Optimizer) -> dict[str, Any]:
    """Restore model, optimizer and random streams; return ``run``.

    Raises
    ------
    ValueError
        The file is no such checkpoint, or of another version, model or optimizer.
    KeyError
        The model's keys are others.
    """
    document = json.loads(read_metadata(path).get(KEY, "{}"))
    if document.get("version") != VERSION:
        raise ValueError(
            f"{os.fspath(path)} is no checkpoint of a run, version {VERSION}: "
            f"got version {document.get('version')}"
        )
    tensors = load_safetensors(path)
    state: dict[int, dict[str, np.ndarray]] = {}
    for name, array in part(tensors, "optimizer.").items():
        index, role = name.split(".")
        state.setdefault(int(index), {})[role] = array
    model.load_state_dict(part(tensors, "model."))
    optimizer.load_state_dict({**document["optimizer"], "state": state})
    model.load_rng_state({name: (int(s), int(o)) for name, (s, o) in document["rng"].items()})
    return {**document["run"], **part(tensors, "run.")}
