"""The networks whose whole steps are timed, by fastnn and by PyTorch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import fastnn
from fastnn import functional as F
from fastnn import models, nn, optim

from . import peers
from .peers import torch
from .timing import Call


class Network(NamedTuple):
    """A model, the shape of one sample, and the batch."""

    make: Callable[[], nn.Sequential]
    shape: tuple[int, ...]
    batch: int


NETWORKS: dict[str, Network] = {
    "LeNet-5": Network(models.lenet5, (1, 28, 28), 64),
    "ResNet-20": Network(lambda: models.resnet(20), (3, 32, 32), 128),
    "VGG-like": Network(models.vgg_small, (3, 32, 32), 64),
    "dropout MLP": Network(lambda: models.mlp([784, 512, 512, 10], 0.5), (784,), 128),
    "MobileNet": Network(models.mobilenet_small, (3, 32, 32), 128),
    "ResNet-18": Network(lambda: models.resnet18(10), (3, 64, 64), 32),
}

MODES = {"NCHW": "torch NCHW", "channels_last": "torch channels_last", "compile": "torch compile"}
KINDS = ("train", "infer")


def batch(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Random images and classes."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((network.batch, *network.shape), dtype=np.float32)
    return fastnn.channels_last(x), rng.integers(0, 10, network.batch)


def ours(network: Network, what: str) -> Call:
    """A training step with Adam, or an inference by the fused model."""
    model, (x, target) = network.make(), batch(network)
    if what == "infer":
        fused = model.eval().fuse()
        return lambda: fused(x)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        _, dlogits = F.softmax_cross_entropy(model(x), target)
        optimizer.zero_grad()
        model.backward(dlogits, input_grad=False)
        optimizer.step()

    return step


def theirs(network: Network, what: str, mode: str) -> Call:
    """The same by PyTorch, with its fused Adam."""
    model, (x, target) = twin(network.make()), batch(network)
    model = model.to(peers.DEVICE)
    arrays = peers.tensors({"x": np.ascontiguousarray(x), "target": target}, False)
    inputs, classes = arrays["x"], arrays["target"]
    if mode != "NCHW" and inputs.ndim == 4:
        model = model.to(memory_format=torch().channels_last)
        inputs = inputs.contiguous(memory_format=torch().channels_last)
    optimizer = torch().optim.Adam(model.parameters(), lr=1e-3, fused=True)
    run = model.eval() if what == "infer" else model
    if mode == "compile":
        run = torch().compile(model)

    def step() -> None:
        loss = torch().nn.functional.cross_entropy(run(inputs), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def infer() -> object:
        with torch().inference_mode():
            return run(inputs)

    return infer if what == "infer" else step


def twin(module: nn.Module) -> Any:
    """The same network of torch.nn modules, with the same parameters."""
    made = modules(module)
    # The order is the same; the names are not: modules() numbers what fastnn.models names.
    state = (torch().from_numpy(v) for v in module.state_dict().values())
    made.load_state_dict(dict(zip(made.state_dict(), state, strict=True)))
    return made


def modules(module: nn.Module) -> Any:
    kinds = torch().nn
    if isinstance(module, nn.Sequential):
        return kinds.Sequential(*(modules(m) for m in module))
    if isinstance(module, nn.Residual):
        shortcut = modules(module.shortcut) if module.shortcut else kinds.Identity()
        return residual()(modules(module.body), shortcut)
    if isinstance(module, nn.Conv2d):
        out, fan_in, kh, kw = module.weight.shape
        return kinds.Conv2d(
            fan_in * module.groups,
            out,
            (kh, kw),
            module.stride,
            module.padding,
            groups=module.groups,
            bias=module.bias is not None,
        )
    if isinstance(module, nn.Linear):
        out, fan_in = module.weight.shape
        return kinds.Linear(fan_in, out)
    if isinstance(module, nn.BatchNorm2d):
        return kinds.BatchNorm2d(module.weight.shape[0])
    if isinstance(module, nn.MaxPool2d):
        return kinds.MaxPool2d(module.kernel_size, module.stride, module.padding)
    if isinstance(module, nn.Dropout):
        return kinds.Dropout(module.p)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return kinds.AdaptiveAvgPool2d(module.output_size)
    return {"ReLU": kinds.ReLU, "Flatten": kinds.Flatten}[type(module).__name__]()


def residual() -> Any:
    """relu(body(x) + shortcut(x)) as a torch module."""

    class Residual(torch().nn.Module):
        def __init__(self, body: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            return torch().nn.functional.relu(self.body(x) + self.shortcut(x))

    return Residual


def check(network: Network) -> None:
    """Hold the logits of the fused model to those of its twin.

    Raises
    ------
    ValueError
        They are further apart than roundings explain: 1e-3 of the largest.
    """
    model, (x, _) = network.make().eval(), batch(network)
    expected = twin(model).eval()(torch().from_numpy(np.ascontiguousarray(x))).detach().numpy()
    for name, got in (("forward", model(x)), ("fused", model.fuse()(x))):
        error = float(np.abs(got - expected).max() / np.abs(expected).max())
        if not error < 1e-3:
            raise ValueError(f"{name}: logits differ from PyTorch's by {error:.2g} of the largest")
