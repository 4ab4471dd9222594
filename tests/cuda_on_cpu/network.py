"""A small network with a layer of every kind (others in its middle), and images for it."""

import numpy as np

from fastnn import nn


def network(*middle: nn.Module, seed: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False, seed=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *middle,
        nn.Flatten(),
        nn.Dropout(0.25, seed=seed),
        nn.Linear(4 * 4 * 4, 10, seed=3),
    )


def images(number: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((number, 8, 8, 2), np.float32).transpose(0, 3, 1, 2)
    return x, rng.integers(0, 10, number)
