"""What L2, L1 and elastic net do to the weights of a linear classifier of digits.

A softmax regression learns 100 images by heart. L2 shrinks all weights; L1 drives most of them to
zero and so picks pixels; elastic net does some of both. The accuracy hardly changes, the number of
pixels that it takes does. The bias is exempt. Each strength is the one of a grid that is best on a
validation set; a picture shows the weights of three classes.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastnn import data, nn, optim, train
from fastnn.optim import schedules
from fastnn.regularizers import L1, L2, ElasticNet, Regularizer

PENALTIES = {
    "none": [Regularizer()],
    "L2": [L2(s) for s in (1e-3, 3e-3, 1e-2, 3e-2, 0.1)],
    "L1": [L1(s) for s in (1e-3, 2e-3, 4e-3, 8e-3)],
    "elastic net": [ElasticNet(s, 3 * s) for s in (1e-3, 2e-3, 4e-3, 8e-3)],
}
SHOWN = (0, 3, 8)
ZERO = 1e-2
"""Weights below this share of the largest count as zero."""


def fit(penalty, x, y, epochs):
    """The classifier trained on all samples at once."""
    model = nn.Sequential(nn.Linear(64, 10, nonlinearity="linear", seed=0))
    groups = optim.param_groups(model, regularizer=penalty)
    optimizer = optim.SGD(groups, schedules.cosine(0.3, epochs), momentum=0.9)
    trainer = train.Trainer(model, optimizer)
    for _ in range(epochs):
        trainer.step(x, y)
    return trainer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="300 steps a fit, not 3000")
    parser.add_argument("--samples", type=int, default=100, help="training images")
    parser.add_argument("--out", type=Path, default=Path("runs/regularization"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    steps = 300 if options.quick else 3000
    images, y = data.load_digits()
    x = (images.reshape(len(images), -1) / 16 - 0.5).astype(np.float32)
    parts = np.split(np.random.default_rng(0).permutation(len(x)), [options.samples, 600])
    training, validation, test = ((x[part], y[part]) for part in parts)

    figure = Figure(figsize=(9, 6.5), layout="constrained")
    grid = figure.subplots(len(SHOWN), len(PENALTIES))
    print(f"{options.samples} images, {steps} steps")
    print(f"{'penalty':12} {'strength':>20}  training  test accuracy  weights near 0")
    for column, (name, penalties) in enumerate(PENALTIES.items()):
        trainers = {p: fit(p, *training, steps) for p in penalties}
        chosen = max(penalties, key=lambda p: trainers[p].evaluate(validation)["accuracy"])
        trainer = trainers[chosen]
        scores = [100 * trainer.evaluate(part)["accuracy"] for part in (training, test)]
        weight = next(trainer.model.parameters()).data
        largest = np.abs(weight).max()
        share = 100 * np.mean(np.abs(weight) < ZERO * largest)
        strength = f"l1 = {chosen.l1:g}, l2 = {chosen.l2:g}"
        print(f"{name:12} {strength:>20}  {scores[0]:6.1f} %  {scores[1]:11.1f} %  {share:12.1f} %")
        for row, label in enumerate(SHOWN):
            axes = grid[row, column]
            limits = {"vmin": -largest, "vmax": largest, "cmap": "RdBu_r"}
            axes.imshow(weight[label].reshape(8, 8), **limits)
            axes.set(xticks=[], yticks=[])
            axes.set_ylabel(f"digit {label}" if column == 0 else "")
        grid[0, column].set_title(f"{name}\n{share:.0f} % near 0", fontsize=11)
    figure.savefig(options.out / "weights.png", dpi=120)
    print(options.out / "weights.png")


if __name__ == "__main__":
    main()
