"""The learning-rate range test."""

import copy
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._figure import new_figure
from ..data import Batch, Loader
from ..nn import CrossEntropyLoss, Module
from ..optim import Optimizer
from .initial_loss import Loss
from .update import update
from .update_ratios import check_owner

MEMORY = 0.8
"""Decay of the running mean of losses that says when to stop."""


@dataclass(frozen=True)
class LRRange:
    """Result of :func:`find_lr`; ``print`` it, or :meth:`plot` it.

    Attributes
    ----------
    rates, losses : ndarray (steps,)
        The learning rate of every step and the loss before it.
    smoothed : ndarray (steps,)
        Losses averaged over neighbouring steps, without delay.
    suggestion : float or None
        Where the smoothed loss falls most steeply over log(lr); None if it does not fall.
    diverged : bool
        Whether the test ended because the loss exploded.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float | None
    diverged: bool

    @property
    def minimum(self) -> float:
        """The learning rate of the lowest smoothed loss: an upper bound, already too high."""
        return float(self.rates[int(self.smoothed.argmin())])

    def __str__(self) -> str:
        last = f"{len(self.rates)} steps from lr {self.rates[0]:.1e} to {self.rates[-1]:.1e}"
        end = "the loss exploded" if self.diverged else "the loss did not explode"
        if self.suggestion is None:
            return f"{last}, {end}; it never fell, so there is no suggestion"
        return f"{last}, {end}; lowest at {self.minimum:.1e}, suggested lr {self.suggestion:.1e}"

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Loss over the learning rate as a PNG file.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        """
        figure = new_figure(7, 4.5)
        axes = figure.subplots()
        axes.scatter(self.rates, self.losses, s=9, alpha=0.4, label="step")
        axes.plot(self.rates, self.smoothed, "C1", label="smoothed")
        if self.suggestion is not None:
            label = f"steepest: {self.suggestion:.1e}"
            axes.axvline(self.suggestion, color="C2", linestyle="--", label=label)
        low, high = float(self.smoothed.min()), float(self.smoothed[0])
        room = max(high - low, 0.1 * abs(high))
        axes.set(
            xscale="log",
            ylim=(low - 0.3 * room, high + 0.7 * room),
            xlabel="learning rate",
            ylabel="loss",
            title="Learning-rate range test",
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left")
        figure.savefig(path, dpi=120)


def find_lr(
    model: Module,
    optimizer: Optimizer,
    data: Loader | Batch,
    loss: Loss | None = None,
    *,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    num_iter: int = 100,
    diverge: float = 4.0,
    batch_size: int = 32,
) -> LRRange:
    """Train copies while the learning rate grows exponentially, and see where the loss falls.

    Step i of n has lr = start_lr * (end_lr / start_lr)^(i / (n - 1)), times each group's
    ``lr_mult``. Model, optimizer and loader are left bit for bit as they were.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over its parameters; its own learning rate plays no part.
    data : Loader or (x, y)
        Arrays are shuffled into batches of ``batch_size``.
    loss : callable (outputs, targets) -> (loss, gradient), optional
        None: :class:`fastnn.nn.CrossEntropyLoss`.
    start_lr, end_lr : float
    num_iter : int
        Steps at most; epochs repeat as needed.
    diverge : float
        Stop when the running mean of the losses is above this many times its minimum, or a loss
        or gradient is not finite.
    batch_size : int

    Raises
    ------
    ValueError
        The rates do not increase from above 0, there are fewer than 10 steps, ``diverge`` is not
        above 1, or the optimizer has none of the model's parameters.
    TypeError
        ``data`` is neither.
    FloatingPointError
        The very first loss or gradient is not finite.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
    """
    check_owner("find_lr", model, optimizer)
    if not 0 < start_lr < end_lr < math.inf:
        raise ValueError(
            f"find_lr: start_lr must be above 0 and below end_lr, got {start_lr} and {end_lr}"
        )
    if num_iter < 10:
        raise ValueError(f"find_lr: num_iter must be at least 10, got {num_iter}")
    if not diverge > 1:
        raise ValueError(f"find_lr: diverge must be above 1, got {diverge}")
    pair = isinstance(data, tuple | list) and len(data) == 2
    if not (pair or hasattr(data, "state_dict")):
        kind = type(data).__name__
        raise TypeError(f"find_lr: data must be a Loader or a pair (x, y), got {kind}")
    clone, rule = copy.deepcopy((model, optimizer))
    clone.train()
    criterion: Loss = CrossEntropyLoss() if loss is None else loss
    loader = Loader(*data, batch_size) if isinstance(data, tuple | list) else data
    position = loader.state_dict()
    rates = np.geomspace(start_lr, end_lr, num_iter)
    losses: list[float] = []
    mean, best, diverged = 0.0, math.inf, False
    try:
        for rate, batch in zip(rates, _endless(loader), strict=False):
            for group in rule.param_groups:
                group["lr"] = float(rate)
            try:
                logs, _ = update(clone, rule, criterion, [batch])
            except FloatingPointError:
                if not losses:
                    raise
                diverged = True
                break
            losses.append(float(logs["loss"]))
            mean += (losses[-1] - mean) * (1 - MEMORY)
            unbiased = mean / (1 - MEMORY ** len(losses))
            best = min(best, unbiased)
            if unbiased > diverge * best:
                diverged = True
                break
    finally:
        loader.load_state_dict(position)
    return _judge(rates[: len(losses)], np.array(losses), diverged)


def _endless(loader: Loader) -> Iterator[Batch]:
    while True:
        yield from loader


def _judge(rates: np.ndarray, losses: np.ndarray, diverged: bool) -> LRRange:
    width = len(losses) // 20 if len(losses) >= 40 else min(1, len(losses) // 3)
    window = np.bartlett(2 * width + 3)[1:-1]
    weight = np.convolve(np.ones(len(losses)), window, "same")
    smoothed = np.convolve(losses, window, "same") / weight
    end = int(smoothed.argmin()) + 1
    suggestion = None
    if end > 2:
        slope = np.gradient(smoothed[:end], np.log(rates[:end]))
        if slope.min() < 0:
            suggestion = float(rates[int(slope.argmin())])
    return LRRange(rates, losses, smoothed, suggestion, diverged)
