"""A race of the update rules: down a ravine in two dimensions, and on handwritten digits.

The ravine is steep across and gentle along: SGD must be slow enough not to bounce, and crawls;
momentum rolls. It lies askew, since AdaGrad, RMSProp and Adam, which rescale each axis, would level
it if it lay along one. Every rule runs with the best learning rate of a grid, for the ravine and
for the digits separately, so that none loses for a badly chosen one. AdamW is missing from the
ravine: without weight decay it is Adam.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fastnn import data, models, nn, optim, train

RULES = {
    "SGD": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "Nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": (optim.AdaGrad, {}),
    "RMSProp": (optim.RMSprop, {}),
    "Adam": (optim.Adam, {}),
    "AMSGrad": (optim.Adam, {"amsgrad": True}),
    "AdamW": (optim.AdamW, {}),
}
TURN = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
CURVATURE = TURN @ np.diag([0.05, 2.0]) @ TURN.T
START = TURN @ [-7.0, 2.0]


def ravine(x, y):
    along, across = TURN.T @ np.stack([np.ravel(x), np.ravel(y)])
    return np.reshape((0.05 * along**2 + 2 * across**2) / 2, np.shape(x))


def descend(rule, arguments, lr, steps):
    """Every point on the way down the ravine."""
    point = nn.Parameter(START.copy())
    optimizer, path = rule([point], lr, **arguments), [START]
    for _ in range(steps):
        point.zero_grad()
        point.add_grad(CURVATURE @ point.data)
        optimizer.step()
        path.append(point.data.copy())
    return np.array(path)


def learn(rule, arguments, lr, split, epochs):
    """Losses of all steps, their end, and the test accuracy."""
    x, x_test, y, y_test = split
    model = models.mlp([64, 100, 10])
    trainer = train.Trainer(model, rule(model.parameters(), lr, **arguments))
    try:
        history = trainer.fit((x, y), epochs, batch_size=32)
    except FloatingPointError:  # far too high a rate
        return [np.inf], np.inf, 0.0
    end = trainer.evaluate((x, y))["loss"]
    return history.steps, end, trainer.evaluate((x_test, y_test))["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 epochs and 4 rates, not 10 and 9")
    parser.add_argument("--out", type=Path, default=Path("runs/update_rules"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    images, labels = data.load_digits()
    x = data.Standardize().fit(images)(images).reshape(len(images), -1)
    split = data.train_test_split(x, labels, seed=0)
    epochs, points = (2, 4) if options.quick else (10, 9)
    steps = 60

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    grid = np.meshgrid(np.linspace(-9, 3, 200), np.linspace(-5, 3, 200))
    left.contour(
        *grid, ravine(*grid), levels=np.geomspace(0.02, 12, 12), colors="0.8", linewidths=1
    )
    print(f"{'':9} ravine: best lr  value after {steps} | digits: best lr   loss  test accuracy")
    for color, (name, (rule, arguments)) in enumerate(RULES.items()):
        style = {"label": name, "color": f"C{color}", "alpha": 0.85}
        text = f"{name:9} "
        if name == "AdamW":
            text += f"{'':36}"
        else:
            paths = {lr: descend(rule, arguments, lr, steps) for lr in np.geomspace(0.01, 5, 60)}
            lr = min(paths, key=lambda lr: ravine(*paths[lr][-1]))
            left.plot(*paths[lr].T, ".-", markersize=4, linewidth=1, **style)
            text += f"{lr:15.3f}  {ravine(*paths[lr][-1]):16.1e}   "
        rates = np.geomspace(1e-4, 1, points)
        runs = {lr: learn(rule, arguments, lr, split, epochs) for lr in rates}
        lr = min(runs, key=lambda lr: runs[lr][1])
        losses, end, accuracy = runs[lr]
        window = np.full(20, 1 / 20)
        right.plot(np.convolve(losses, window, "valid"), linewidth=1.2, **style)
        print(f"{text}| {lr:15.1e}  {end:6.4f}  {100 * accuracy:11.1f} %")
    left.plot(0, 0, "k*", markersize=10)
    left.set(xlim=(-9, 3), ylim=(-5, 3), aspect="equal", title=f"Ravine, {steps} steps")
    right.set(yscale="log", xlabel="step", ylabel="training loss, mean of 20 steps", title="Digits")
    right.grid(alpha=0.3)
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    figure.savefig(options.out / "update_rules.png", dpi=120)
    print(options.out / "update_rules.png")


if __name__ == "__main__":
    main()
