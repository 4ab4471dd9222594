"""Every activation of fastnn in the same network: how well it learns, and how many units sleep.

A multi-layer perceptron is trained on the bundled digits with each activation, initialised by
Kaiming's rule with that activation's gain; SELU comes with AlphaDropout too, and Maxout with twice
the units. Prints accuracy, time, and the saturated and dead shares after training; draws each
function with its derivative.
"""

import argparse
from pathlib import Path

import numpy as np

from fastnn import data, init, nn, optim
from fastnn.train import Trainer, activation_statistics

ACTIVATIONS = {
    "sigmoid": [nn.Sigmoid],
    "tanh": [nn.Tanh],
    "relu": [nn.ReLU],
    "leaky_relu": [nn.LeakyReLU],
    "prelu": [nn.PReLU],
    "elu": [nn.ELU],
    "selu": [nn.SELU],
    "selu, alpha dropout": [nn.SELU, lambda: nn.AlphaDropout(0.05)],
    "gelu": [nn.GELU],
    "silu": [nn.SiLU],
    "softplus": [nn.Softplus],
    "hardswish": [nn.Hardswish],
    "maxout": [lambda: nn.Maxout(2)],
}


def network(name, width, depth):
    pieces = 2 if name == "maxout" else 1
    layers, features = [nn.Flatten()], 64
    for _ in range(depth):
        layers += [nn.Linear(features, width * pieces), *(make() for make in ACTIVATIONS[name])]
        features = width
    model = nn.Sequential(*layers, nn.Linear(features, 10)).reset_parameters(0)
    gain = "linear" if name == "maxout" else name.split(",")[0]
    return init.initialize_(model, init.kaiming_normal, nonlinearity=gain)


def draw(path):
    from matplotlib.figure import Figure

    names = [name for name in ACTIVATIONS if name != "maxout" and "," not in name]
    figure = Figure(figsize=(12, 5), layout="constrained")
    x = np.linspace(-4, 4, 801).astype(np.float32)[:, None]
    *panels, last = figure.subplots(2, 6).flat
    for axes, name in zip(panels, names, strict=True):
        layer = ACTIVATIONS[name][0]()
        axes.plot(x, layer(x), label="y")
        axes.plot(x, layer.backward(np.ones_like(x)), "--", label="dy/dx")
        axes.set(title=name, ylim=(-1.9, 4))
        axes.grid(alpha=0.25)
    last.axis("off")
    last.legend(handles=axes.get_lines(), loc="upper left")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two epochs")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--depth", type=int, default=4, help="hidden layers")
    parser.add_argument("--width", type=int, default=128, help="units of a hidden layer")
    parser.add_argument("--out", type=Path, default=Path("runs/activation_functions"))
    options = parser.parse_args()
    epochs = 2 if options.quick else options.epochs
    options.out.mkdir(parents=True, exist_ok=True)

    x, y = data.load_digits()
    x = ((x - x.mean()) / x.std()).astype(np.float32)
    train, test = (x[:1400], y[:1400]), (x[1400:], y[1400:])
    print("activation             loss  test accuracy  ms/epoch  saturated   dead")
    for name in ACTIVATIONS:
        model = network(name, options.width, options.depth)
        optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        run = Trainer(model, optimizer).fit(train, epochs, validation=test)
        last = run.epochs[-1]
        seen = activation_statistics(model.eval(), test[0]).layers
        flat = [(s.saturated, s.dead) for s in seen if s.saturated is not None]
        shares = "{:10.1%}{:8.1%}".format(*np.mean(flat, axis=0)) if flat else ""
        scores = f"{last['loss']:8.3f}{last['val_accuracy']:14.1%}{1e3 * last['seconds']:10.0f}"
        print(f"{name:19}{scores}{shares}")
    draw(options.out / "functions.png")
    print(options.out / "functions.png")


if __name__ == "__main__":
    main()
