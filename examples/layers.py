"""A tasting of layers: one small network, and in one place of it every layer of a kind in turn.

Norms, pools, noise, blocks and losses in a CNN for the bundled digits; everything else stays the
same. Prints test accuracy and seconds, and at last a summary of the network with branches.
"""

import argparse
import json
import time
from pathlib import Path

from fastnn import data, models, nn, optim, train
from fastnn.optim import schedules

WIDTH = 24


def linear(fan_in, fan_out):
    return nn.Linear(fan_in, fan_out, nonlinearity="linear")


def unit(norm, fan_in, size):
    return [nn.Conv2d(fan_in, WIDTH, 3, padding=1), norm(WIDTH, size), nn.ReLU()]


def network(norm=lambda c, size: nn.BatchNorm2d(c), pool=None, block=None, noise=None, head=None):
    """conv, norm, ReLU, pool, block, noise, head; what is not given is the usual."""
    return nn.Sequential(
        *unit(norm, 1, 8),
        pool or nn.MaxPool2d(2),
        *(block or unit(norm, WIDTH, 4)),
        nn.Flatten(),
        noise or nn.Identity(),
        head or linear(WIDTH * 4 * 4, 10),
    ).reset_parameters(0)


def residual(*last):
    body = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), *last)
    return [nn.Residual(body)]


def inception():
    """1 x 1, 3 x 3 and 5 x 5 convolutions side by side."""
    branches = (nn.Conv2d(WIDTH, WIDTH // 3, k, padding=k // 2) for k in (1, 3, 5))
    return [nn.Concat(*branches), nn.BatchNorm2d(WIDTH), nn.ReLU()]


def selu():
    """No norm at all: SELU keeps mean and variance, and alpha dropout lets it."""
    hidden = (nn.Linear(fan_in, 128, nonlinearity="selu") for fan_in in (64, 128))
    first, second = hidden
    layers = [nn.Flatten(), first, nn.SELU(), nn.AlphaDropout(0.1), second, nn.SELU()]
    return nn.Sequential(*layers, linear(128, 10)).reset_parameters(0)


VARIANTS = {
    "norm": {
        "BatchNorm2d": network,
        "LayerNorm": lambda: network(lambda c, size: nn.LayerNorm((c, size, size))),
        "GroupNorm": lambda: network(lambda c, size: nn.GroupNorm(4, c)),
        "InstanceNorm2d": lambda: network(lambda c, size: nn.InstanceNorm2d(c, affine=True)),
        "none": lambda: network(lambda c, size: nn.Identity()),
        "none, SELU and AlphaDropout": selu,
    },
    "pool": {
        "MaxPool2d": network,
        "AvgPool2d": lambda: network(pool=nn.AvgPool2d(2)),
        "FractionalMaxPool2d": lambda: network(pool=nn.FractionalMaxPool2d(2, output_size=4)),
        "convolution, stride 2": lambda: network(pool=nn.Conv2d(WIDTH, WIDTH, 2, 2)),
    },
    "noise": {
        "none": network,
        "Dropout": lambda: network(noise=nn.Dropout(0.4)),
        "DropConnect": lambda: network(head=nn.DropConnect(WIDTH * 16, 10, p=0.4)),
    },
    "block": {
        "convolution": network,
        "Residual": lambda: network(block=residual()),
        "Residual, StochasticDepth": lambda: network(block=residual(nn.StochasticDepth(0.2))),
        "Residual, Dropout2d": lambda: network(block=residual(nn.Dropout2d(0.2))),
        "pre_activation_block": lambda: network(block=[nn.pre_activation_block(WIDTH, WIDTH)]),
        "bottleneck": lambda: network(block=[models.bottleneck(WIDTH, WIDTH)]),
        "Concat": lambda: network(block=inception()),
    },
    "loss": {
        "CrossEntropyLoss": network,
        "MultiClassHingeLoss": network,
    },
}


def learn(model, loss, sets, epochs):
    """Test accuracy, and seconds of training."""
    x, x_test, y, y_test = sets
    loader = data.Loader(x, y, 64, normalize=data.Standardize().fit(x))
    rate = schedules.cosine(0.004, epochs * len(loader))
    trainer = train.Trainer(model, optim.Adam(model.parameters(), rate), loss, progress="off")
    start = time.perf_counter()
    trainer.fit(loader, epochs)
    seconds = time.perf_counter() - start
    return trainer.evaluate((loader.normalize(x_test), y_test))["accuracy"], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two epochs")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("runs/layers"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    epochs = 2 if options.quick else options.epochs
    x, y = data.load_digits()
    sets = data.train_test_split(x, y, test_size=600, seed=0)
    results = {}
    for kind, variants in VARIANTS.items():
        for name, build in variants.items():
            loss = getattr(nn, name)() if kind == "loss" else None
            accuracy, seconds = learn(build(), loss, sets, epochs)
            results[f"{kind}: {name}"] = accuracy
            print(f"{kind:6} {name:28} {100 * accuracy:6.2f} %  {seconds:5.2f} s")
    (options.out / "accuracy.json").write_text(json.dumps(results, indent=1))
    print(network(block=inception()).summary((1, 1, 8, 8)))


if __name__ == "__main__":
    main()
