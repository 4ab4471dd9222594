"""CIFAR-10 on a CPU: ResNet-20, or the wide and shallow ResNet-9, with a clock beside.

Flips, shifted crops (and for ResNet-9 cutout and label smoothing) in one fused pass; SGD with
Nesterov momentum on a one-cycle schedule; an exponential average of the weights; in the end every
test image is seen as it is, mirrored, and moved by two pixels. Draws accuracy against minutes.

    python examples/cifar10.py --root DIR            # CIFAR-10's binary files in DIR
    python examples/cifar10.py --root DIR --recipe resnet9 --epochs 24

``--quick`` trains a small ResNet on the bundled digits instead.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from fastnn import data, models, nn, optim, train
from fastnn.optim import schedules


class Recipe(NamedTuple):
    """What differs between the networks."""

    model: object
    epochs: int
    batch_size: int
    lr: float
    cutout: int
    smoothing: float


RECIPES = {
    "resnet20": Recipe(models.resnet20, 80, 128, 0.1, 0, 0.0),
    "resnet9": Recipe(models.resnet9, 24, 128, 0.1, 8, 0.1),
}


def load(options):
    """Training and test images (uint8) and labels, and the pixels by which crops are moved."""
    if not options.quick:
        return data.load_cifar10(options.root), 4
    x, y = data.load_digits()
    x = (x * 15.9).astype(np.uint8)  # 0 to 16 becomes 0 to 254
    x, x_test, y, y_test = data.train_test_split(x, y, test_size=360, seed=0)
    return data.Split(x, y, x_test, y_test), 1


def moved(pixels):
    """The image as it is, mirrored, and both moved by ``pixels`` in four directions."""
    shifts = [(0, 0), (pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)]
    return [
        lambda x, shift=shift, flip=flip: np.roll(x[..., ::flip], shift, (2, 3))
        for shift in shifts
        for flip in (1, -1)
    ]


def plot(history, averaged, path):
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    minutes = np.cumsum(history["seconds"]) / 60
    axes.plot(minutes, 100 * np.array(history["accuracy"]), ".-", label="training batches")
    axes.plot(minutes, 100 * np.array(history["val_accuracy"]), ".-", label="test")
    axes.plot(minutes[-1], 100 * averaged, "k*", label="test, averaged weights and views")
    axes.set(xlabel="minutes of training", ylabel="accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small network on digits")
    parser.add_argument("--root", type=Path, help="folder of CIFAR-10's binary files")
    parser.add_argument("--recipe", choices=RECIPES, default="resnet20")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/cifar10"))
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    options = parser.parse_args()
    if not options.quick and options.root is None:
        parser.error("--root DIR or --quick is needed")
    sets, pixels = load(options)
    recipe = RECIPES[options.recipe]
    epochs = options.epochs or (3 if options.quick else recipe.epochs)

    normalize = data.Standardize().fit(sets.x_train)
    augment = [data.RandomCrop(padding=pixels, padding_mode="reflect")]
    augment += [] if options.quick else [data.RandomHorizontalFlip()]
    augment += [data.Cutout(recipe.cutout)] if recipe.cutout and not options.quick else []
    loader = data.Loader(
        sets.x_train,
        sets.y_train,
        recipe.batch_size,
        seed=options.seed,
        normalize=normalize,
        augment=augment,
        drop_last=True,
    )
    test = data.Loader(sets.x_test, sets.y_test, 500, normalize=normalize)

    if options.quick:
        model = models.resnet(8, in_channels=1, seed=options.seed)
    else:
        model = recipe.model(seed=options.seed)
    rate = schedules.one_cycle(recipe.lr, epochs * len(loader), pct_start=0.25)
    groups = optim.param_groups(model, weight_decay=5e-4)
    optimizer = optim.SGD(groups, rate, momentum=0.9, nesterov=True)
    average = optim.EMA(model, 0.995 if not options.quick else 0.9)
    trainer = train.Trainer(model, optimizer, nn.CrossEntropyLoss(label_smoothing=recipe.smoothing))

    start = time.perf_counter()
    history = trainer.fit(
        loader,
        epochs,
        validation=test,
        callbacks=[train.WeightAveraging(average, every=5)],
        out=options.out,
        resume=options.resume,
    )
    wall = time.perf_counter() - start

    views = [lambda x: x] if options.quick else moved(2)
    labels = sets.y_test
    scores = {}
    for name, network in (("last weights", model), ("averaged weights", average)):
        for number in sorted({1, len(views)}):
            p = train.predict_proba(network, test, views=views[:number])
            scores[f"{name}, {number} view(s)"] = float(np.mean(p.argmax(1) == labels))
    for name, score in scores.items():
        print(f"{name:28} {100 * score:.2f} %")
    seconds = history["seconds"]
    print(f"{len(seconds)} epochs, {sum(seconds) / 60:.1f} min of training, {wall / 60:.1f} in all")
    for goal in (0.9, 0.91, 0.94):
        reached = np.flatnonzero(np.array(history["val_accuracy"]) >= goal)
        if len(reached):
            minutes = sum(seconds[: reached[0] + 1]) / 60
            print(f"{100 * goal:.0f} % after {minutes:.1f} min, epoch {reached[0] + 1}")
    history.save(options.out / "history.json")
    (options.out / "scores.json").write_text(json.dumps(scores))
    plot(history, max(scores.values()), options.out / "accuracy.png")
    print(f"curve: {options.out / 'accuracy.png'}")


if __name__ == "__main__":
    main()
