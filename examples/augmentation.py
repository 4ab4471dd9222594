"""What augmentation is worth when data is scarce, and what it costs when it is wrong.

The same small CNN learns from 200 images of handwritten digits, once as they are and once for each
way of changing them a little in every epoch: small rotations, shifts and zooms (affine), the
elastic skin of Simard et al., TrivialAugment, which was made for photographs, and mirror images.
All runs have the same batches, weights and number of steps; several seeds, each with other training
images, tell an effect from luck. The pictures show what the network saw: would you still write the
same label under it?

On the bundled digits, 3.8 % of the test images are misread without augmentation, 2.5 % with affine
or elastic, 3.2 % with TrivialAugment. Mirrored digits are others, or none: 5.3 %. And more is not
always better: affine and elastic together blur 8 x 8 pixels twice, and leave 4.2 %.

    python examples/augmentation.py                        # the bundled digits, 8 x 8, 2 minutes
    python examples/augmentation.py --root FOLDER          # MNIST, 28 x 28
    python examples/augmentation.py --images 50            # even less data
"""

import argparse
import time
from pathlib import Path

import numpy as np

from fastnn import data, models, nn, optim, train


def main() -> None:
    args = parse()
    args.out.mkdir(parents=True, exist_ok=True)
    x, y = load(args.root)
    size = x.shape[2]
    scale = size / 29  # of the images that Simard et al. give their numbers for
    affine = data.RandomAffine(8, translate=(0.06, 0.06), scale=(0.9, 1.1), shear=5)
    elastic = data.ElasticTransform(alpha=34 * scale**2, sigma=4 * scale)
    recipes = {
        "none": [],
        "affine": [affine],
        "elastic": [elastic],
        "affine + elastic": [affine, elastic],
        "TrivialAugment": [data.TrivialAugmentWide()],
        "mirrored": [data.RandomHorizontalFlip()],
    }
    if args.quick:
        recipes = {name: recipes[name] for name in ("none", "affine", "mirrored")}
    print(f"{args.images} images of {size} x {size} to train, {len(x) - args.images} to test")
    errors = {}
    for name, augment in recipes.items():
        start = time.perf_counter()
        errors[name] = [error_rate(x, y, augment, seed, args) for seed in range(args.seeds)]
        seconds = (time.perf_counter() - start) / args.seeds
        mean, spread = np.mean(errors[name]), np.std(errors[name])
        print(f"{name:18s} test error {mean:5.2f} % +- {spread:.2f}, {seconds:5.1f} s a run")
        if augment:
            picture = args.out / f"{name.replace(' ', '')}.png"
            index = np.array([int(np.flatnonzero(y == digit)[0]) for digit in range(8)])
            labels = [str(digit) for digit in range(8)]
            data.plot_augmented(x, augment, picture, index=index, labels=labels, title=name)
    best = min(errors, key=lambda name: np.mean(errors[name]))
    gain = np.array(errors["none"]) - errors[best]
    print(
        f"best: {best}; it takes {gain.mean():.2f} points off the error, and is better than "
        f"none with {int((gain > 0).sum())} of {args.seeds} seeds"
    )
    plot(errors, args)
    print(f"pictures: {args.out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three recipes, a few seconds")
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--root", type=Path, help="folder of MNIST's files")
    parser.add_argument("--images", type=int, default=200, help="to train on")
    parser.add_argument("--epochs", type=int, help="default 100, with --quick 10")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 2")
    args = parser.parse_args()
    args.epochs = args.epochs or (10 if args.quick else 100)
    args.seeds = args.seeds or (2 if args.quick else 5)
    return args


def load(root: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Images from 0 to 255 and their digits."""
    if root is None:
        x, y = data.load_digits()
        return x * 15, y
    mnist = data.load_mnist(root)
    return mnist.x_train, mnist.y_train


def error_rate(
    x: np.ndarray, y: np.ndarray, augment: list, seed: int, args: argparse.Namespace
) -> float:
    """Share in percent of the test images that are misread after training."""
    test_size = len(x) - args.images
    x_train, x_test, y_train, y_test = data.train_test_split(x, y, test_size=test_size, seed=seed)
    normalize = data.Standardize().fit(x_train)
    loader = data.Loader(
        x_train, y_train, 20, seed=seed, normalize=normalize, augment=augment or None
    )
    network = models.digits_cnn if x.shape[2] == 8 else models.mnist_cnn
    model = network(seed=seed)
    schedule = optim.schedules.cosine(0.003, args.epochs * len(loader))
    trainer = train.Trainer(
        model, optim.Adam(model.parameters(), schedule), nn.CrossEntropyLoss(), progress="off"
    )
    trainer.fit(loader, args.epochs)
    test = data.Loader(x_test, y_test, 500, shuffle=False, normalize=normalize)
    return 100 * (1 - trainer.evaluate(test)["accuracy"])


def plot(errors: dict[str, list[float]], args: argparse.Namespace) -> None:
    """A dot for each run, a bar for the mean; the fewest errors on top."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.5 * len(errors) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = sorted(errors, key=lambda name: -np.mean(errors[name]))
    for row, name in enumerate(names):
        axes.barh(row, np.mean(errors[name]), color="C1" if name == "none" else "C0", alpha=0.4)
        axes.plot(errors[name], [row] * args.seeds, "k.", markersize=5)
    axes.set_yticks(range(len(names)), names)
    axes.set(
        xlabel="test error (%), a dot for each run",
        xlim=(0, None),
        title=f"{args.images} images to learn from, {args.epochs} epochs",
    )
    figure.savefig(args.out / "errors.png", dpi=120)


if __name__ == "__main__":
    main()
