"""Networks of matrix products."""

from collections.abc import Iterator

from fastnn import models

from .layers import Item, dense, loss, parameters, pointwise, update


def mlp() -> Iterator[Item]:
    """784 - 512 - 512 - 10 with ReLU and dropout, at batch 128; a single row; 2048 wide."""
    n = 128
    yield dense(n, 784, 512, activation="relu")
    yield dense(n, 512, 512, activation="relu")
    yield dense(n, 512, 10)
    yield dense(1, 784, 512, activation="relu")
    yield dense(n, 2048, 2048, activation="relu")
    yield pointwise("dropout", n, 512, seed=1)
    yield loss(n, 10)
    model = models.mlp([784, 512, 512, 10])
    yield update("sgd_step_", parameters(model))
    yield update("adam_step_", parameters(model))


def transformer_mlp() -> Iterator[Item]:
    """Feed-forward blocks of GPT-2 small (768) and of a model of width 256, 512 tokens."""
    rows = 512
    for width in (768, 256):
        yield dense(rows, width, 4 * width)
        yield dense(rows, 4 * width, width)
        yield dense(rows, width, 3 * width)
        yield pointwise("add", rows, width, arrays=("x", "other"))
        yield pointwise("dropout", rows, 4 * width, seed=1, p=0.1)
        yield pointwise("relu", rows, 4 * width)
    yield loss(rows, 50257)
    shapes: list[tuple[int, ...]] = [(3072, 768), (768, 3072), (3072,), (768,)] * 4
    yield update("adam_step_", shapes)
