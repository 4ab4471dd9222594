"""Accuracy against time: ResNet-20 on CIFAR-10, by fastnn and by PyTorch, epochs taking turns.

Where the CPU multiplies bfloat16, fastnn trains a second time with operands rounded to it.
All start from the same weights and see the same batches, flipped and cropped by fastnn's loader,
whose time counts for all. SGD with Nesterov momentum 0.9, weight decay 2e-4 on the weights, one
cycle up to a rate of 0.2. After each epoch the test images are classified; the clocks stand still
meanwhile, and while another contender trains.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastnn
from fastnn import _core, data, models, optim

from . import UsageError, networks, peers
from .accuracy import Predict, Step, contender
from .contenders import OURS
from .progress import Progress
from .session import positive, use_threads

BATCH, LR, MOMENTUM, DECAY = 128, 0.2, 0.9, 2e-4
ROUNDED = f"{OURS}, bfloat16"
GOALS = (0.85, 0.88, 0.9, 0.91)


class Curve(NamedTuple):
    """Seconds of training and test accuracy after each epoch."""

    seconds: list[float]
    accuracy: list[float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, required=True, help="CIFAR-10's binary files")
    parser.add_argument("--epochs", type=positive, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--modes", nargs="+", choices=("NCHW", "channels_last"), default=["NCHW", "channels_last"]
    )
    parser.add_argument("--out", type=Path, default=Path("runs/curves"), help="folder for results")
    parser.add_argument("--threads", type=positive, help="threads for fastnn and PyTorch")


def main(args: argparse.Namespace) -> int:
    if peers.torch() is None:
        raise UsageError("curves compares with PyTorch, which is not installed")
    use_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    contenders = {OURS: ours(args.seed)}
    if _core.has_bfloat16_dot():
        contenders[ROUNDED] = rounded(args.seed)
    contenders |= {networks.MODES[mode]: theirs(args.seed, mode) for mode in args.modes}
    curves = race(contenders, data.load_cifar10(args.root), args.epochs, args.seed)
    for name, curve in curves.items():
        print(f"{name:20} {curve.seconds[-1] / 60:.1f} min, {100 * curve.accuracy[-1]:.2f} %")
    for goal in GOALS:
        print_times_to(goal, curves)
    results = {name: curve._asdict() for name, curve in curves.items()}
    (args.out / "curves.json").write_text(json.dumps(results))
    plot(curves, args.out / "curves.png")
    print(f"written: {args.out / 'curves.json'} and curves.png")
    return 0


def race(
    contenders: dict[str, tuple[Step, Predict]], sets: data.Split, epochs: int, seed: int
) -> dict[str, Curve]:
    """Train all of them, an epoch each in turn."""
    x, y, x_test, y_test = sets
    normalize = data.Standardize().fit(x)
    augment = [data.RandomCrop(padding=4), data.RandomHorizontalFlip()]
    options: dict[str, Any] = {"normalize": normalize, "augment": augment, "drop_last": True}
    loaders = {name: data.Loader(x, y, BATCH, seed=seed, **options) for name in contenders}
    test = data.Loader(x_test, y_test, 500, normalize=normalize)
    curves = {name: Curve([], []) for name in contenders}
    with Progress(epochs * len(contenders)) as progress:
        for epoch in range(epochs):
            for name, (step, predict) in contenders.items():
                progress.doing(f"{name}, epoch {epoch + 1}")
                loader, curve = loaders[name], curves[name]
                rate = optim.schedules.one_cycle(LR, epochs * len(loader), pct_start=0.25)
                start = time.perf_counter()
                for number, (images, labels) in enumerate(loader):
                    step(images, labels, rate(epoch * len(loader) + number))
                taken = time.perf_counter() - start
                right = sum(int((predict(a).argmax(1) == b).sum()) for a, b in test.in_order())
                curve.seconds.append(taken + (curve.seconds[-1] if curve.seconds else 0))
                curve.accuracy.append(right / len(x_test))
                progress.done()
                accuracy = 100 * curve.accuracy[-1]
                progress.say(f"{name:20} epoch {epoch + 1:2}: {taken:6.1f} s, {accuracy:.2f} %")
    return curves


def print_times_to(goal: float, curves: dict[str, Curve]) -> None:
    reached = {}
    for name, curve in curves.items():
        above = np.flatnonzero(np.array(curve.accuracy) >= goal)
        if len(above):
            reached[name] = curve.seconds[above[0]]
    for name, seconds in reached.items():
        share = f", {seconds / reached[OURS]:.2f}x fastnn's" if OURS in reached else ""
        print(f"{100 * goal:.0f} %: {name:20} {seconds / 60:.1f} min{share}")


def plot(curves: dict[str, Curve], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot(np.array(curve.seconds) / 60, 100 * np.array(curve.accuracy), ".-", label=name)
    axes.set(xlabel="minutes of training", ylabel="test accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def ours(seed: int) -> tuple[Step, Predict]:
    model = models.resnet20(seed=seed)
    groups = optim.param_groups(model, weight_decay=DECAY)
    return contender(model, lambda rate: optim.SGD(groups, rate, MOMENTUM, nesterov=True))


def rounded(seed: int) -> tuple[Step, Predict]:
    """`ours`, its products and convolutions in the precision "medium"."""
    step, predict = ours(seed)

    @contextmanager
    def medium() -> Iterator[None]:
        before = fastnn.get_float32_matmul_precision()
        fastnn.set_float32_matmul_precision("medium")
        try:
            yield
        finally:
            fastnn.set_float32_matmul_precision(before)

    return medium()(step), medium()(predict)


def theirs(seed: int, mode: str) -> tuple[Step, Predict]:
    torch = peers.torch()
    model = networks.twin(models.resnet20(seed=seed))
    layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
    model = model.to(memory_format=layout)
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=LR, momentum=MOMENTUM, nesterov=True, fused=True)

    def inputs(x: np.ndarray) -> Any:
        return torch.from_numpy(x).contiguous(memory_format=layout)

    def step(x: np.ndarray, y: np.ndarray, lr: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr
        scores = model.train()(inputs(x))
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def predict(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(model.eval()(inputs(x)).numpy())

    return step, predict
