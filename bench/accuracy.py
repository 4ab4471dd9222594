"""Time to a fixed accuracy: LeNet-5 on MNIST, by fastnn and by PyTorch.

Both see the same batches of 64 in the same order, start from the same parameters, and take Adam
steps with the same rate, cut to a tenth after two epochs. Every quarter of an epoch the test images
are classified; the clock stands still meanwhile.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastnn
from fastnn import data, functional, models, nn, optim

from . import networks, peers, record
from .contenders import OURS
from .progress import Progress
from .table import ratio, seconds
from .timing import Timing, summary

TARGET = 0.99
BATCH, EPOCHS, LR = 64, 12, 2e-3
SEEDS = (0, 1, 2)

Step = Callable[[np.ndarray, np.ndarray, float], None]
Predict = Callable[[np.ndarray], np.ndarray]


def measure(result: record.Result, root: Path) -> None:
    """Train with each contender and each seed, and add the times to the result."""
    x, y, x_test, y_test = data.load_mnist(root)
    normalize = data.Standardize().fit(x)
    test = (np.ascontiguousarray(normalize(x_test)), y_test)
    contenders = {OURS: ours}
    if peers.torch() is not None:
        contenders[networks.MODES["NCHW"]] = theirs
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    with Progress(len(SEEDS) * len(contenders)) as progress:
        for seed in SEEDS:
            for name, make in contenders.items():
                progress.doing(f"{name}, seed {seed}")
                loader = data.Loader(x, y, BATCH, seed=seed, normalize=normalize)
                elapsed, steps = until(*make(seed), loader, test)
                progress.done()
                if elapsed is None:
                    progress.say(f"{name}, seed {seed}: not reached in {EPOCHS} epochs")
                    message = f"{100 * TARGET:g} % not reached in {EPOCHS} epochs"
                    result.failures.append({"op": name, "case": f"seed {seed}", "message": message})
                    continue
                taken[name].append(elapsed)
                progress.say(f"{name}, seed {seed}: {seconds(elapsed)}, {steps} steps")
    timings: dict[str, Timing] = {name: summary(v) for name, v in taken.items() if v}
    if OURS not in timings:
        return
    for name, timing in timings.items():
        times = ratio(timing.median / timings[OURS].median)
        print(f"{name}: {seconds(timing.median)} to {100 * TARGET:g} % ({times})")
    what = f"accuracy {100 * TARGET:g} %"
    threads = fastnn.get_num_threads()
    result.steps.append(record.Step("LeNet-5", what, BATCH, False, threads, timings))


def until(
    step: Step, predict: Predict, loader: data.Loader, test: tuple[np.ndarray, np.ndarray]
) -> tuple[float | None, int]:
    """Seconds of training and number of steps until the target is reached; None if it is not."""
    elapsed, steps, every = 0.0, 0, len(loader) // 4
    for epoch in range(EPOCHS):
        start = time.perf_counter()
        for x, y in loader:
            step(x, y, LR if epoch < 2 else LR / 10)
            steps += 1
            if steps % every == 0:
                elapsed += time.perf_counter() - start
                images, classes = test
                right = sum(
                    int((predict(images[i : i + 500]).argmax(1) == classes[i : i + 500]).sum())
                    for i in range(0, len(images), 500)
                )
                if right >= TARGET * len(images):
                    return elapsed, steps
                start = time.perf_counter()
        elapsed += time.perf_counter() - start
    return None, steps


def ours(seed: int) -> tuple[Step, Predict]:
    model = models.lenet5(seed=seed)
    return contender(model, lambda rate: optim.Adam(model.parameters(), rate))


def contender(
    model: nn.Module, make: Callable[[optim.schedules.Schedule], optim.Optimizer]
) -> tuple[Step, Predict]:
    """A step at a given rate, and a prediction; ``make`` gives the optimizer for a schedule."""
    rate = [0.0]
    optimizer = make(lambda _: rate[0])

    def step(x: np.ndarray, y: np.ndarray, lr: float) -> None:
        rate[0] = lr
        _, gradient = functional.softmax_cross_entropy(model.train()(x), y)
        optimizer.zero_grad()
        model.backward(gradient, input_grad=False)
        optimizer.step()

    def predict(x: np.ndarray) -> np.ndarray:
        return model.eval()(x)

    return step, predict


def theirs(seed: int) -> tuple[Step, Predict]:
    torch = peers.torch()
    model = networks.twin(models.lenet5(seed=seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)

    def step(x: np.ndarray, y: np.ndarray, lr: float) -> None:
        optimizer.param_groups[0]["lr"] = lr
        inputs, classes = torch.from_numpy(x), torch.from_numpy(y.astype(np.int64))
        loss = torch.nn.functional.cross_entropy(model(inputs), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def predict(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(x)).numpy())

    return step, predict
