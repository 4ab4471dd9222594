"""What one can do with models once they are trained: better answers, and honest doubts.

Few training images, so that there is something to gain. Compared on the test images: one network;
five networks whose probabilities are averaged; five snapshots of one run with a cyclic learning
rate; the average of one run's weights (SWA and EMA); one network that sees each image shifted a
little; one network with Monte-Carlo dropout; one network with its temperature adjusted. For each:
how often it errs, its cross-entropy, and its calibration error: how far its confidence is from its
accuracy. Two pictures: the reliability diagrams, and what Monte-Carlo dropout doubts.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastnn import data, models, nn, optim, train
from fastnn.optim import schedules

LR = 0.1
BATCH = 32


def load(options):
    """Few training images, some to fit the temperature on, many to test on."""
    if options.root:
        images = data.load_mnist(options.root)
        x, y = images.x_train, images.y_train
        parts = data.train_val_test_split(x, y, val_size=1000, test_size=len(x) - 1000 - options.n)
        parts = parts._replace(x_test=images.x_test, y_test=images.y_test)
    else:
        x, y = data.load_digits()
        parts = data.train_val_test_split(x, y, val_size=300, test_size=len(x) - 300 - options.n)
    return parts, data.Standardize().fit(parts.x_train)


def fit(model, loader, epochs, rate, callbacks=()):
    optimizer = optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4)
    trainer = train.Trainer(model, optimizer, progress="off")
    trainer.fit(loader, epochs, callbacks=callbacks)
    return model


class Average(train.Callback):
    """Takes the weights into the averages: SWA after late epochs, EMA after every step."""

    def __init__(self, model, start):
        self.start = start
        self.swa, self.ema = optim.AveragedModel(model), optim.EMA(model, 0.98)

    def on_batch_end(self, trainer, logs):
        self.ema.update_parameters(trainer.model)

    def on_epoch_end(self, trainer, logs):
        if logs["epoch"] > self.start:
            self.swa.update_parameters(trainer.model)


def shifts():
    """The image, and the image moved by a pixel in each direction."""
    moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    return [lambda x, move=move: np.roll(x, move, (2, 3)) for move in moves]


def show_vanilla_dropout(model, x):
    """The papers' dropout, scaled at test time, is the inverted one with other weights."""
    *body, drop, head = model
    keep = 1 - drop.p
    vanilla = nn.Linear(head.weight.shape[1], head.weight.shape[0])
    vanilla.load_state_dict(head.state_dict())
    vanilla.weight.data /= keep
    other = nn.Sequential(*body, nn.VanillaDropout(drop.p), vanilla).eval()
    gap = np.abs(other(x) - model.eval()(x)).max()
    print(f"vanilla dropout at test time: scores times {keep:g}, weights over {keep:g};")
    print(f"largest difference to inverted dropout {gap:.1e}\n")


def plot_doubts(groups, path):
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, max(g.max() for g in groups.values()), 31)
    for name, values in groups.items():
        weights = np.full(len(values), 100 / max(1, len(values)))
        label = f"{name}: {len(values)}, mean {values.mean():.3f}"
        axes.hist(values, edges, weights=weights, histtype="step", linewidth=1.8, label=label)
    axes.set(xlabel="mutual information (nats)", ylabel="share of the group (%)", yscale="log")
    axes.set_title("What Monte-Carlo dropout doubts")
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    parser.add_argument("--root", type=Path, help="folder of MNIST's files; else small digits")
    parser.add_argument("--n", type=int, default=200, help="training images")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/ensembles"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts, scale = load(options)
    x_val, x_test, y_val, y_test = (
        scale(parts.x_val),
        scale(parts.x_test),
        parts.y_val,
        parts.y_test,
    )
    members = options.members
    epochs = members * (2 if options.quick else 16)

    def loader(seed):
        x, y, move = parts.x_train, parts.y_train, [data.RandomCrop(padding=1)]
        return data.Loader(x, y, BATCH, seed=seed, normalize=scale, augment=move)

    def build(seed):
        return (models.mnist_cnn if options.root else models.digits_cnn)(seed=seed)

    total = epochs * len(loader(0))
    nets = [
        fit(build(seed), loader(seed), epochs, schedules.cosine(LR, total))
        for seed in range(members)
    ]
    cyclic = build(0)
    rate = schedules.cosine_restarts(LR, total // members)
    optimizer = optim.SGD(cyclic.parameters(), rate, momentum=0.9, weight_decay=5e-4)
    trainer = train.Trainer(cyclic, optimizer, progress="off")
    taken = train.snapshots(trainer, loader(0), cycles=members, epochs=epochs // members)

    averaged = build(0)
    average = Average(averaged, start=epochs // 2)
    high = schedules.cosine(LR, total // 2, final=LR / 2)
    fit(averaged, loader(0), epochs, high, [average])
    optim.update_bn(loader(0), average.swa)

    single, several = nets[0], train.Ensemble(nets)
    show_vanilla_dropout(single, x_test[:100])
    mc = train.mc_dropout(single, x_test, samples=30)
    outputs = train.Trainer(single, optim.SGD(single.parameters(), LR)).predict
    temperature = train.fit_temperature(outputs(x_val), y_val)
    scores = outputs(x_test) / np.float32(temperature)

    results = {
        "one network": (1, train.predict_proba(single, x_test)),
        f"ensemble of {members}": (members, several.predict_proba(x_test)),
        f"{members} snapshots": (1, train.Ensemble(taken).predict_proba(x_test)),
        "its last 3": (1, train.Ensemble(taken[-3:]).predict_proba(x_test)),
        "its last": (1, train.predict_proba(taken[-1], x_test)),
        "SWA": (1, train.predict_proba(average.swa, x_test)),
        "EMA": (1, train.predict_proba(average.ema, x_test)),
        "that run's last weights": (1, train.predict_proba(averaged, x_test)),
        "shifted views": (1, train.predict_proba(single, x_test, views=shifts())),
        "MC dropout": (1, mc.mean),
        f"temperature {temperature:.2f}": (1, nn.Softmax()(scores)),
    }
    print(f"{options.n} training images, {len(x_test)} test images, {epochs} epochs a training")
    print(f"{'':24}{'trainings':>9}{'error':>9}{'cross-entropy':>15}{'ECE':>8}")
    for name, (cost, p) in results.items():
        error = 100 * (1 - train.accuracy(p, y_test))
        entropy = -np.log(p[np.arange(len(p)), y_test] + 1e-12).mean()
        ece = 100 * train.expected_calibration_error(p, y_test)
        print(f"{name:24}{cost:9}{error:8.2f}%{entropy:15.4f}{ece:7.2f}%")
    errors = [100 * (1 - train.accuracy(p, y_test)) for p in several.member_proba(x_test)]
    print(f"the ensemble's members alone: {', '.join(f'{e:.2f}' for e in errors)} % errors")

    shown = [
        "one network",
        f"ensemble of {members}",
        "MC dropout",
        f"temperature {temperature:.2f}",
    ]
    diagrams = {name: train.reliability(results[name][1], y_test) for name in shown}
    train.plot_reliability(diagrams, options.out / "calibration.png")
    right = mc.mean.argmax(1) == y_test
    noise = np.random.default_rng(0).standard_normal((500, *x_test.shape[1:])).astype(np.float32)
    doubts = {
        "right": mc.mutual_information[right],
        "wrong": mc.mutual_information[~right],
        "noise, no digit": train.mc_dropout(single, noise, samples=30).mutual_information,
    }
    plot_doubts(doubts, options.out / "doubts.png")
    print(f"\n{options.out / 'calibration.png'}\n{options.out / 'doubts.png'}")


if __name__ == "__main__":
    main()
