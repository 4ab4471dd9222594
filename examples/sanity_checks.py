"""The checks to make before and during training, in the lectures' order, on a small CNN.

Gradients, initial loss, overfitting of a handful of samples, learning-rate range test, size of the
updates, dead units. Each is made twice: on a network that is right, and on one with the mistake
that the check is there to find.
"""

import argparse
from pathlib import Path

import numpy as np

from fastnn import data, nn, optim, train


def network(activation=nn.ReLU, size=8):
    """Two convolutions and a linear layer, for images of size x size pixels."""
    features = 32 * (size // 4) ** 2
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(features, 10, nonlinearity="linear"),
    ).reset_parameters(0)


class LeakyMistake(nn.ReLU):
    """A ReLU whose backward lets a little through where the forward did not."""

    def backward(self, dy, *, input_grad=True):
        dx = super().backward(dy, input_grad=input_grad)
        return None if dx is None else dx + np.float64(0.01) * dy


def title(text):
    print(f"\n{text}\n{'-' * len(text)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="train for 2 epochs, not 10")
    parser.add_argument("--root", type=Path, help="folder of MNIST's files; else the digits")
    parser.add_argument("--out", type=Path, default=Path("runs/sanity_checks"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    raw, y = data.load_mnist(options.root)[:2] if options.root else data.load_digits()
    x = data.Standardize().fit(raw)(raw)
    size = x.shape[-1]
    model = network(size=size)

    title("1. Is the backward the derivative of the forward?")
    print(train.gradient_check(model, x[:8], y[:8], coordinates=8))
    print("\nWith a ReLU whose backward is wrong:")
    print(train.gradient_check(network(LeakyMistake, size), x[:8], y[:8], coordinates=8))

    title("2. Does it start out knowing nothing?")
    print(train.check_initial_loss(model, x[:500], y[:500]))
    print("With pixels that were not standardised:")
    print(train.check_initial_loss(model, raw[:500].astype(np.float32), y[:500]))

    title("3. Can it learn 16 samples by heart?")
    print(train.overfit_small_batch(model, x, y))
    frozen = network(size=size)
    frozen[0].freeze()
    print("With the first layer frozen, labels at random and 20 steps:")
    noise = np.random.default_rng(0).permutation(y)
    print(train.overfit_small_batch(frozen, x, noise, steps=20))

    title("4. Which learning rate?")
    optimizer = optim.SGD(model.parameters(), momentum=0.9)
    found = train.find_lr(model, optimizer, (x, y))
    print(found)
    found.plot(options.out / "find_lr.png")
    print(options.out / "find_lr.png")

    title("5. Are the updates a thousandth of the weights?")
    optimizer.param_groups[0]["lr"] = found.suggestion
    trainer = train.Trainer(model, optimizer)
    history = trainer.fit((x, y), 2 if options.quick else 10, batch_size=32)
    print(f"after training at {found.suggestion:.1e}, to an accuracy of", end=" ")
    print(f"{100 * history['accuracy'][-1]:.1f} %:")
    print(train.update_ratios(model, optimizer, x[:32], y[:32]))

    title("6. Are all ReLUs alive?")
    print(train.dead_units(model, x))
    wild = network(size=size)
    for images, labels in [(x[:256], y[:256])] * 3:
        outputs = wild(images)
        wild.zero_grad()
        wild.backward(nn.CrossEntropyLoss()(outputs, labels)[1])
        for parameter in wild.parameters():
            parameter.data -= 2 * parameter.grad
    print("After three steps at a learning rate of 2:")
    print(train.dead_units(wild, x))


if __name__ == "__main__":
    main()
