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
VERSION = 1


def save_run(
    path: str | os.PathLike[str], model: Module, optimizer: Optimizer, run: Mapping[str, Any]
) -> None:
    """Write model, optimizer, random streams and ``run``, which must be JSON but for ``steps``.

    Floats survive JSON exactly; the step losses are an array because they are many.
    """
    state = optimizer.state_dict()
    tensors = {f"model.{name}": array for name, array in model.state_dict().items()}
    for index, roles in state["state"].items():
        tensors.update({f"optimizer.{index}.{name}": array for name, array in roles.items()})
    tensors["steps"] = np.array(run["steps"], np.float64)
    document = {
        "version": VERSION,
        "rng": model.rng_state(),
        "optimizer": {"step": state["step"], "param_groups": state["param_groups"]},
        "run": {name: value for name, value in run.items() if name != "steps"},
    }
    save_safetensors(tensors, path, metadata={KEY: json.dumps(document)})


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
    weights = {n.removeprefix("model."): a for n, a in tensors.items() if n.startswith("model.")}
    state: dict[int, dict[str, np.ndarray]] = {}
    for name, array in tensors.items():
        if name.startswith("optimizer."):
            _, index, role = name.split(".")
            state.setdefault(int(index), {})[role] = array
    model.load_state_dict(weights)
    optimizer.load_state_dict({**document["optimizer"], "state": state})
    model.load_rng_state({name: (int(s), int(o)) for name, (s, o) in document["rng"].items()})
    return {**document["run"], "steps": tensors["steps"].tolist()}
