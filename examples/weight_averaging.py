"""Averages of the weights: what EMA and SWA gain over the last weights of a noisy run.

A small CNN learns digits of which three in ten are labelled wrongly, at a constant learning rate,
so that its weights keep jumping around a good place. The averages lie nearer to it. SWA needs the
statistics of BatchNorm anew; the EMA averages them as it goes.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastnn import data, models, optim, train

COLUMNS = ("last weights", "EMA", "SWA")
WRONG = 0.3
"""Share of the training labels that are drawn anew."""
START = 2
"""Epochs before SWA begins."""
LAST = 5
"""Epochs over which the printed figures are means."""


def run(epochs, seed):
    """Test accuracy after every epoch, of the weights themselves and of their averages."""
    images, labels = data.load_digits()
    x, x_test, y, y_test = data.train_test_split(images, labels, test_size=0.5, seed=seed)
    normalize = data.Standardize().fit(x)
    test = normalize(x_test), y_test
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(len(y)) < WRONG, rng.integers(10, size=len(y)), y)
    loader = data.Loader(x, y, 32, seed=seed, normalize=normalize)

    model = models.digits_cnn(seed=seed)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    ema, swa = optim.EMA(model, 0.99), optim.AveragedModel(model)
    averages = [
        train.WeightAveraging(ema, validation=test, prefix="ema_"),
        train.WeightAveraging(
            swa, None, start=START, validation=test, batch_norm=loader, prefix="swa_"
        ),
    ]
    trainer = train.Trainer(model, optimizer)
    history = trainer.fit(loader, epochs, validation=test, callbacks=averages)
    columns = ("val_accuracy", "ema_accuracy", "swa_accuracy")
    return [[100 * row.get(name, np.nan) for name in columns] for row in history.epochs]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 epochs and 1 seed, not 15 and 5")
    parser.add_argument("--out", type=Path, default=Path("runs/weight_averaging"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    epochs, seeds = (3, 1) if options.quick else (15, 5)
    results = np.array([run(epochs, seed) for seed in range(seeds)])
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    print(f"Digits, half of them for training, {epochs} epochs, {seeds} seeds:")
    for column, name in enumerate(COLUMNS):
        curves = results[:, :, column]
        last = np.nanmean(curves[:, -LAST:], axis=1)
        print(f"{name:12} {last.mean():.2f} %, seeds from {last.min():.2f} to {last.max():.2f}")
        axes.plot(np.arange(1, epochs + 1), curves.mean(0), ".-", label=name)
    axes.set(xlabel="epoch", ylabel=f"test accuracy (%), mean of {seeds} seeds")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(options.out / "weight_averaging.png", dpi=120)
    print(f"(means over the last {LAST} epochs) {options.out / 'weight_averaging.png'}")


if __name__ == "__main__":
    main()
