"""Whole training steps: forward, loss, backward, update, against PyTorch's modes."""

from collections.abc import Callable
from typing import Any

import numpy as np

import fastnn
from fastnn import functional as F
from fastnn import models, nn, optim

from .timing import Timing, interleave

try:
    import torch
except ImportError:
    torch = None

Step = Callable[[], object]

# name: (model, input shape of one sample, batch)
NETWORKS: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...], int]] = {
    "LeNet-5": (models.lenet5, (1, 28, 28), 64),
    "ResNet-20": (lambda: models.resnet(20), (3, 32, 32), 128),
    "ResNet-8": (lambda: models.resnet(8), (3, 32, 32), 128),
    "VGG-like": (models.vgg_small, (3, 32, 32), 64),
    "dropout MLP": (lambda: models.mlp([784, 512, 512, 10], 0.5), (784,), 128),
}


def batch(shape: tuple[int, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, *shape), dtype=np.float32)
    return fastnn.channels_last(x), rng.integers(0, 10, n)


def ours(make: Callable[[], nn.Sequential], shape: tuple[int, ...], n: int) -> Step:
    model, (x, target) = make(), batch(shape, n)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        _, dlogits = F.softmax_cross_entropy(model(x), target)
        optimizer.zero_grad()
        model.backward(dlogits, input_grad=False)
        optimizer.step()

    return step


def twin(module: nn.Module) -> Any:
    """The same network of torch.nn modules."""
    kinds = torch.nn
    if isinstance(module, nn.Sequential):
        return kinds.Sequential(*(twin(m) for m in module))
    if isinstance(module, nn.Residual):
        return TorchResidual(twin(module.body), twin(module.shortcut) if module.shortcut else None)
    if isinstance(module, nn.Conv2d):
        out, fan_in, kh, kw = module.weight.data.shape
        bias = module.bias is not None
        return kinds.Conv2d(
            fan_in * module.groups, out, (kh, kw), module.stride, module.padding, bias=bias
        )
    if isinstance(module, nn.Linear):
        out, fan_in = module.weight.data.shape
        return kinds.Linear(fan_in, out)
    if isinstance(module, nn.BatchNorm2d):
        return kinds.BatchNorm2d(module.weight.data.shape[0])
    if isinstance(module, nn.MaxPool2d):
        return kinds.MaxPool2d(module.kernel_size)
    if isinstance(module, nn.Dropout):
        return kinds.Dropout(module.p)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return kinds.AdaptiveAvgPool2d(module.output_size)
    return {"ReLU": kinds.ReLU, "Flatten": kinds.Flatten}[type(module).__name__]()


if torch is not None:

    class TorchResidual(torch.nn.Module):
        """relu(body(x) + shortcut(x))."""

        def __init__(self, body: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            side = x if self.shortcut is None else self.shortcut(x)
            return torch.nn.functional.relu(self.body(x) + side)


def theirs(make: Callable[[], nn.Sequential], shape: tuple[int, ...], n: int, mode: str) -> Step:
    """A PyTorch step with its fused Adam."""
    model, (x, target) = twin(make()), batch(shape, n)
    inputs, classes = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(target)
    if mode != "NCHW" and inputs.ndim == 4:
        model = model.to(memory_format=torch.channels_last)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    if mode == "compile":
        model = torch.compile(model)

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(model(inputs), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def run(budget: float, compiled: bool, names: list[str]) -> dict[str, dict[str, Timing]]:
    """Time a step of each network: contender -> timing."""
    results = {}
    for name, (make, shape, n) in NETWORKS.items():
        if names and name not in names:
            continue
        contenders = {"fastnn": ours(make, shape, n)}
        if torch is not None:
            torch.set_num_threads(fastnn.get_num_threads())
            for mode in ["NCHW", "channels_last"] + ["compile"] * compiled:
                contenders[mode] = theirs(make, shape, n, mode)
        results[name] = interleave(contenders, budget)
    return results


def report(budget: float, compiled: bool, names: list[str]) -> None:
    """Print images a second and the ratio to each of PyTorch's modes."""
    ratios = []
    for name, timings in run(budget, compiled, names).items():
        n = NETWORKS[name][2]
        mine = timings.pop("fastnn")
        line = f"{name:12} batch {n:4} {mine.median * 1e3:9.2f} ms {n / mine.median:10.0f} images/s"
        for mode, t in timings.items():
            line += f"   {mode} {t.median / mine.median:5.2f}x"
        print(line, flush=True)
        if timings:
            ratios.append(min(t.median for t in timings.values()) / mine.median)
    if ratios:
        print(f"geometric mean against PyTorch's best mode: {np.exp(np.mean(np.log(ratios))):.2f}x")
