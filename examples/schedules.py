"""All learning-rate schedules in one picture, and what some of them do for the same network.

Schedules are functions of the number of steps done. Falling ones, those that rise and fall, and
those made of others each get a panel; then the digits are learned with the same peak rate under a
constant rate, steps, cosine and one cycle.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from fastnn import data, models, optim, train
from fastnn.optim import schedules

TOTAL = 1000


def panels():
    """The schedules by panel, all with a peak of 0.1."""
    falling = {
        "constant": schedules.constant(0.1),
        "step": schedules.step(0.1, 300, gamma=0.4),
        "multistep": schedules.multistep(0.1, [500, 750], gamma=0.3),
        "exponential": schedules.exponential(0.1, 0.997),
        "inverse_time": schedules.inverse_time(0.1, 0.01),
        "linear": schedules.linear(0.1, TOTAL),
        "polynomial, power 2": schedules.polynomial(0.1, TOTAL, power=2),
        "cosine": schedules.cosine(0.1, TOTAL),
        "inverse_sqrt": schedules.inverse_sqrt(0.1),
    }
    cycles = {
        "cosine_restarts": schedules.cosine_restarts(0.1, 140, mult=2),
        "cyclic, triangular2": schedules.cyclic(0.01, 0.1, 125, mode="triangular2"),
        "one_cycle": schedules.one_cycle(0.1, TOTAL),
        "one_cycle, three phases": schedules.one_cycle(0.1, TOTAL, three_phase=True),
        "noam, times 32": schedules.noam(512, 200, factor=32),
    }
    composed = {
        "warmup(cosine)": schedules.warmup(schedules.cosine(0.1, TOTAL), 100),
        "warmup(step)": schedules.warmup(schedules.step(0.1, 300, gamma=0.4), 100),
        "join(linear, constant, cosine)": schedules.join(
            [schedules.linear(0, 150, final=0.1), 0.1, schedules.cosine(0.1, 400)], [150, 600]
        ),
        "scale_for_batch_size(..., 128)": schedules.scale_for_batch_size(
            schedules.cosine(0.1, TOTAL), 128
        ),
    }
    return {"falling": falling, "rising and falling": cycles, "made of others": composed}


def race(epochs, seeds):
    """Test accuracy of the digits under four schedules with the same peak."""
    images, labels = data.load_digits()
    x, x_test, y, y_test = data.train_test_split(images, labels, test_size=0.5, seed=0)
    normalize = data.Standardize().fit(x)
    total = epochs * len(data.Loader(x, y, 32, normalize=normalize))
    peak = 0.1
    rates = {
        "constant": schedules.constant(peak),
        "multistep": schedules.multistep(peak, [total // 2, 3 * total // 4]),
        "cosine": schedules.warmup(schedules.cosine(peak, total), max(1, total // 20)),
        "one_cycle": schedules.one_cycle(peak, total),
    }
    for name, rate in rates.items():
        accuracies = []
        for seed in range(seeds):
            model = models.digits_cnn(seed=seed)
            momentum = schedules.one_cycle_momentum(total) if name == "one_cycle" else 0.9
            rule = optim.SGD(model.parameters(), rate, momentum=momentum, weight_decay=5e-4)
            trainer = train.Trainer(model, rule)
            trainer.fit(data.Loader(x, y, 32, seed=seed, normalize=normalize), epochs)
            accuracies.append(trainer.evaluate((normalize(x_test), y_test))["accuracy"])
        values = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
        print(f"{name:10} mean {100 * sum(accuracies) / seeds:.2f} %  ({values})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 epochs and 1 seed, not 15 and 5")
    parser.add_argument("--out", type=Path, default=Path("runs/schedules"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(15, 6), layout="constrained")
    for axes, (title, named) in zip(figure.subplots(1, 3), panels().items(), strict=True):
        for name, rate in named.items():
            axes.plot([rate(t) for t in range(TOTAL)], label=name, linewidth=1.4)
        axes.set(title=title, xlabel="step", ylabel="learning rate")
        axes.grid(alpha=0.3)
        axes.legend(
            loc="upper center", fontsize=9, bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False
        )
    figure.savefig(options.out / "schedules.png", dpi=120)
    momentum = schedules.one_cycle_momentum(TOTAL)
    schedules.plot(momentum, TOTAL, options.out / "momentum.png", ylabel="momentum of one_cycle")
    print(options.out / "schedules.png", options.out / "momentum.png")
    epochs, seeds = (2, 1) if options.quick else (15, 5)
    print(f"Digits, half of them for training, {epochs} epochs, peak rate 0.1, test accuracy:")
    race(epochs, seeds)


if __name__ == "__main__":
    main()
