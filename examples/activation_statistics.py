"""What the scale of the initial weights does to a deep network, before any training.

The lectures' experiment: Gaussian inputs run through six layers, with tanh and with ReLU, whose
weights are drawn with standard deviation 0.01, with 0.05, by Xavier's and by Kaiming's rule. Too
small, and the signal dies; too large, and tanh saturates while ReLU explodes; Xavier's rule keeps
tanh alive, and Kaiming's is the one for ReLU. A table and a picture of the histograms for each.
"""

import argparse
from pathlib import Path

import numpy as np

from fastnn import init, nn
from fastnn.train import activation_statistics, plot_activations

LAYERS = 6
RULES = {
    "std 0.01": (init.normal, {"std": 0.01}),
    "std 0.05": (init.normal, {"std": 0.05}),
    "Xavier": (init.xavier_normal, {}),
    "Kaiming": (init.kaiming_normal, {"nonlinearity": "relu"}),
}


def network(width, activation):
    layers = []
    for _ in range(LAYERS):
        layers += [nn.Linear(width, width, bias=False), activation()]
    return nn.Sequential(*layers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1024 units a layer, not 4096")
    parser.add_argument("--width", type=int, help="units a layer")
    parser.add_argument("--out", type=Path, default=Path("runs/activation_statistics"))
    options = parser.parse_args()
    width = options.width or (1024 if options.quick else 4096)
    options.out.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(0).standard_normal((64, width)).astype(np.float32)

    for activation in (nn.Tanh, nn.ReLU):
        kind = activation.__name__
        model, runs = network(width, activation), {}
        print(f"{kind}, {LAYERS} layers of {width} units: std of the output, share saturated")
        for name, (rule, arguments) in RULES.items():
            init.initialize_(model, rule, seed=1, **arguments)
            runs[name] = activation_statistics(model, x)
            seen = runs[name].activations
            print(f"{name:9}", *(f"{layer.std:8.2g} {layer.saturated:4.0%}" for layer in seen))
        path = options.out / f"{kind.lower()}.png"
        plot_activations(runs, path)
        print(f"{path}\n")
    print(f"ReLU after Kaiming's rule, in full:\n{runs['Kaiming']}")


if __name__ == "__main__":
    main()
