"""Batches a second, and what they cost a training step, against PyTorch's DataLoader.

CIFAR-10's training set in shape: 50,000 random images of 32 x 32, batches of 128, flip, padding by
4 and random crop, normalisation, cutout of 8. PyTorch has the same transforms, image by image on
tensors. The contenders take turns; each first uses up what its workers had ready at its start.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

import fastnn
from fastnn import data, functional, optim

from . import UsageError, networks, peers
from . import session as common
from .table import Column, Table, ratio, seconds
from .timing import Call, Timing, summary

IMAGES, BATCH = 50_000, 128
REST = 0.5  # seconds in which the queues of the contender before fill
READY = 5  # batches at most that are made ahead
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
NETWORK = "ResNet-20"
COLUMNS = (
    Column("", 36, left=True),
    Column("a batch", 9),
    Column("images/s", 10),
    Column("against the first", 17),
)

POLICY: dict[str, dict[str, int]] = {
    "prefetch 0": {"prefetch": 0},
    "prefetch 2": {"prefetch": 2},
    "prefetch 2, 1 worker": {"prefetch": 2, "workers": 1},
    "prefetch 2, 2 workers": {"prefetch": 2, "workers": 2},
}

Batches = Callable[[], Iterable[Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--budget", type=common.seconds, default=20.0, help="seconds a table")
    parser.add_argument("--images", type=common.positive, default=IMAGES, help=argparse.SUPPRESS)
    parser.add_argument("--no-policy", action="store_true", help="leave out AutoAugment by Pillow")
    parser.add_argument("--threads", type=common.positive, help="threads for fastnn and PyTorch")


def main(args: argparse.Namespace) -> int:
    if args.images < BATCH:
        raise UsageError(f"--images must be at least {BATCH}, got {args.images}")
    common.use_threads(args.threads)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (args.images, 32, 32, 3), dtype=np.uint8).transpose(0, 3, 1, 2)
    y = rng.integers(0, 10, args.images)
    loaders = {"fastnn": loader(x, y), "fastnn, prefetch 2": loader(x, y, prefetch=2)}
    if peers.torch() is not None:
        for workers in (0, 2):
            loaders[f"DataLoader, {workers} workers"] = torch_loader(x, y, workers)
    print(f"Batches of {BATCH} alone, {fastnn.get_num_threads()} threads")
    report({name: taking(batches) for name, batches in loaders.items()}, 20, args.budget)
    print(f"\nTraining steps of {NETWORK}")
    report(steps(loaders), 3, args.budget)
    if not args.no_policy:
        policy = {
            f"fastnn, {name}": loader(x, y, [data.AutoAugment()], **options)
            for name, options in POLICY.items()
        }
        print("\nAutoAugment, image by image in Python, before the fused pass")
        report({name: taking(batches) for name, batches in policy.items()}, 5, args.budget)
        print(f"\nTraining steps of {NETWORK} with it")
        report(steps(policy), 3, args.budget)
    return 0


def report(contenders: dict[str, Call], count: int, budget: float) -> None:
    """Race them, and print a line for each."""
    table = Table(COLUMNS)
    print(table.header())
    timings = race(contenders, count, budget)
    first = next(iter(timings.values())).median
    for name, timing in timings.items():
        cells = (seconds(timing.median), f"{BATCH / timing.median:,.0f}")
        print(table.line((name, *cells, ratio(timing.median / first))), flush=True)


def race(contenders: dict[str, Call], count: int, budget: float) -> dict[str, Timing]:
    """Seconds of a call, in turns of ``count`` calls.

    ``timing.interleave`` waits for threads that spin, but cannot see processes, nor threads that
    take turns on Python's lock.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    start = time.perf_counter()
    while time.perf_counter() - start < budget:
        for name, call in contenders.items():
            time.sleep(REST)
            for _ in range(READY):
                call()
            begin = time.perf_counter()
            for _ in range(count):
                call()
            taken[name].append((time.perf_counter() - begin) / count)
    return {name: summary(values) for name, values in taken.items()}


def loader(x: np.ndarray, y: np.ndarray, first: Iterable[Any] = (), **options: Any) -> Batches:
    fused = [
        data.RandomHorizontalFlip(),
        data.RandomCrop(32, padding=4),
        data.Normalize(MEAN, STD),
        data.Cutout(8),
    ]
    made = data.Loader(x, y, BATCH, augment=[*first, *fused], drop_last=True, **options)
    return lambda: made


def torch_loader(x: np.ndarray, y: np.ndarray, workers: int) -> Batches:
    """The same transforms, each image by tensor operations in ``__getitem__``."""
    torch = peers.torch()
    import torch.utils.data as loading

    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    images, classes = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y)

    class Images(loading.Dataset):
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, i: int) -> tuple[Any, Any]:
            image = torch.nn.functional.pad(images[i], (4, 4, 4, 4))
            top, left, row, column = torch.randint(0, 1 << 30, (4,)).tolist()
            image = image[:, top % 9 : top % 9 + 32, left % 9 : left % 9 + 32]
            if torch.rand(()) < 0.5:
                image = image.flip(2)
            image = (image.float() / 255 - mean) / std
            row, column = row % 32, column % 32
            image[:, max(row - 4, 0) : row + 4, max(column - 4, 0) : column + 4] = 0
            return image, classes[i]

    made = loading.DataLoader(
        Images(), BATCH, shuffle=True, num_workers=workers, drop_last=True,
        persistent_workers=workers > 0,
    )  # fmt: skip
    return lambda: made


def endless(batches: Batches) -> Iterator[Any]:
    """Epoch after epoch."""
    while True:
        yield from batches()


def taking(batches: Batches) -> Call:
    """A call that takes a batch."""
    source = endless(batches)
    return lambda: next(source)


def steps(loaders: dict[str, Batches]) -> dict[str, Call]:
    """Training steps on one batch again and again, and on those of each loader."""
    network = networks.NETWORKS[NETWORK]
    found: dict[str, Call] = {"fastnn, one batch again and again": networks.ours(network, "train")}
    if any(name.startswith("DataLoader") for name in loaders):
        found["PyTorch, one batch again and again"] = networks.theirs(network, "train", "NCHW")
    for name, batches in loaders.items():
        make = ours_on if name.startswith("fastnn") else theirs_on
        found[f"step, {name}"] = make(network, endless(batches))
    return found


def ours_on(network: networks.Network, batches: Iterator[Any]) -> Call:
    model = network.make()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        x, target = next(batches)
        _, dlogits = functional.softmax_cross_entropy(model(x), target)
        optimizer.zero_grad()
        model.backward(dlogits, input_grad=False)
        optimizer.step()

    return step


def theirs_on(network: networks.Network, batches: Iterator[Any]) -> Call:
    torch = peers.torch()
    model = networks.twin(network.make())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        x, target = next(batches)
        loss = torch.nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
