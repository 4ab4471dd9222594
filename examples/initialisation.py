"""Which networks learn at all: initialisers compared on deep networks, by training them.

First a plain stack of 3 x 3 convolutions without normalisation, on the bundled digits: with small
random weights it stays at chance, as its signal dies on the way; with the rules of Xavier and
Kaiming, orthogonal weights, LSUV and the data-dependent start it differs in how fast it learns.
Then residual networks: without normalisation Kaiming's rule makes the signal grow with every block
and Fixup tames it; with BatchNorm, blocks may start as the identity (zero-initialised gamma).
"""

import argparse
from pathlib import Path

import numpy as np

from fastnn import data, init, nn, optim
from fastnn.train import Trainer, activation_statistics, plot_history


def plain(depth, width):
    layers = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()]
    for _ in range(depth - 2):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10))


def residual(depth, width, norm):
    block = nn.pre_activation_block if norm else nn.fixup_block
    stem = nn.Conv2d(1, width, 3, padding=1)
    last = [nn.BatchNorm2d(width)] if norm else []
    head = [nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10)]
    return nn.Sequential(stem, *(block(width, width) for _ in range(depth // 2 - 1)), *last, *head)


def starts(depth, width, x):
    """Name of each start, its network and learning rate, in the two groups of the pictures."""
    rules = {
        "std 0.01": lambda m: init.initialize_(m, init.normal, std=0.01),
        "Xavier": lambda m: init.initialize_(m, init.xavier_normal),
        "Kaiming": lambda m: init.initialize_(m, init.kaiming_normal),
        "orthogonal": lambda m: init.initialize_(m, init.orthogonal, gain=2**0.5),
        "LSUV": lambda m: init.lsuv_(m, x),
        "data-dependent": lambda m: init.data_dependent_(m, x),
    }
    yield "plain", {name: rule(plain(depth, width)) for name, rule in rules.items()}
    yield (
        "residual",
        {
            "no norm, Kaiming": rules["Kaiming"](residual(depth, width, norm=False)),
            "no norm, Fixup": init.fixup_(residual(depth, width, norm=False)),
            "BatchNorm": rules["Kaiming"](residual(depth, width, norm=True)),
            "BatchNorm, zero gamma": init.zero_init_residual_(
                rules["Kaiming"](residual(depth, width, norm=True))
            ),
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one epoch of a smaller network")
    parser.add_argument("--depth", type=int, default=30, help="layers with weights")
    parser.add_argument("--width", type=int, default=16, help="channels")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--out", type=Path, default=Path("runs/initialisation"))
    options = parser.parse_args()
    depth, width, epochs = options.depth, options.width, options.epochs
    if options.quick:
        depth, width, epochs = 16, 8, 1
    options.out.mkdir(parents=True, exist_ok=True)

    x, y = data.load_digits()
    x = ((x - x.mean()) / x.std()).astype(np.float32)
    x_train, y_train, x_test, y_test = x[:1400], y[:1400], x[1400:], y[1400:]
    for group, models in starts(depth, width, x_train[:256]):
        print(f"{group} network of {depth} layers with weights")
        print(f"{'start':22} std of the logits    first loss    last   test accuracy")
        histories = {}
        for name, model in models.items():
            spread = activation_statistics(model, x_train[:256]).layers[-1].std
            optimizer = optim.SGD(model.parameters(), lr=options.lr, momentum=0.9)
            trainer = Trainer(model, optimizer, max_norm=1.0)
            run = trainer.fit((x_train, y_train), epochs, validation=(x_test, y_test))
            histories[name] = run
            first, last, accuracy = run.steps[0], run["loss"][-1], run["val_accuracy"][-1]
            print(f"{name:22}{spread:18.3g}{first:14.3g}{last:8.3g}{accuracy:16.1%}")
        path = options.out / f"{group}.png"
        plot_history(histories, path)
        print(f"{path}\n")


if __name__ == "__main__":
    main()
