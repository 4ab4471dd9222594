"""What preprocessing does to data, and to training.

1. A cloud of points, zero-centred, normalised, decorrelated and whitened: plots.
2. Images before and after, and the principal components that they are made of: plots.
3. The same small network on the same images, preprocessed in each way: does it learn faster?

    python examples/preprocessing.py                          # the bundled digits
    python examples/preprocessing.py --root FOLDER            # CIFAR-10 from its binary files
"""

import argparse
from pathlib import Path

import numpy as np

from fastnn import data, models, nn, optim, train
from fastnn.data.plot import plot_components, plot_images, plot_preprocessing

Pair = tuple[np.ndarray, np.ndarray]


def cloud(n: int = 600) -> np.ndarray:
    """Correlated points, far from the origin, wider in one direction than in the other."""
    rng = np.random.default_rng(0)
    mix = np.array([[3.0, 0.0], [1.6, 0.7]])
    return rng.normal(size=(n, 2)) @ mix.T + [7, 4]


def learn(train_set: Pair, test_set: Pair, epochs: int, rate: float) -> tuple[float, float]:
    """Training loss in the last epoch and test accuracy of an MLP trained by plain SGD."""
    x, y = train_set
    model = models.mlp((x.shape[1], 64, 10), seed=0)
    sgd = optim.SGD(model.parameters(), rate)
    trainer = train.Trainer(model, sgd, nn.CrossEntropyLoss(), progress="off")
    try:
        history = trainer.fit(data.Loader(x, y, 64), epochs)
    except FloatingPointError:  # the loss grew without bound
        return np.inf, 0.0
    hits = trainer.predict(test_set[0]).argmax(1) == test_set[1]
    return history["loss"][-1], 100 * hits.mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder of CIFAR-10's binary files")
    parser.add_argument("--samples", type=int, default=5000, help="training images of CIFAR-10")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="two epochs")
    parser.add_argument("--out", type=Path, default=Path("runs/preprocessing"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    plot_preprocessing(cloud(), args.out / "cloud.png")

    if args.root:
        x, y, x_test, y_test = data.load_cifar10(args.root)
        x, y = x[: args.samples], y[: args.samples]
        eps = 100.0  # a variance: 10 of 255 grey levels
    else:
        x, x_test, y, y_test = data.train_test_split(*data.load_digits())
        eps = 0.1  # grey levels go to 16
    # fitted to the training images alone; the test images get the same numbers
    pca = data.PCA().fit(x)
    k90 = int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), 0.9)) + 1
    print(f"{k90} of {len(pca.components_)} principal components hold 90 % of the variance")
    ways = {
        "mean image": data.MeanImage().fit(x),
        "standardised": data.Standardize().fit(x),
        "per pixel": data.StandardizeFeatures().fit(x),
        "ZCA": data.ZCAWhitening(),
    }
    # fit(x) would do, but of 32 x 32 x 3 values the decomposition takes a minute: share pca's
    state = pca.state_dict()
    ways["ZCA"].load_state_dict({**state, "eps": np.array(eps)})
    plot_images(x, ways, args.out / "images.png")
    plot_components(pca, args.out / "components.png")
    zca = ways["ZCA"]
    back = np.abs(zca.inverse(zca(x_test[:100])) - x_test[:100]).max()
    print(f"ZCA and back: images differ by at most {back:.2g} grey levels")

    epochs = 2 if args.quick else args.epochs
    rates = (1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0)
    ways |= {"PCA, 90 %": data.PCA(), "PCA-whitened": data.PCAWhitening()}
    ways["PCA, 90 %"].load_state_dict({**state, "components": state["components"][:k90]})
    ways["PCA-whitened"].load_state_dict({**state, "eps": np.array(eps)})
    print(f"\nMLP after {epochs} epochs of SGD, at the best of the rates {rates}:")
    for name in ("raw", *ways):
        inputs = (v.astype(np.float32) if name == "raw" else ways[name](v) for v in (x, x_test))
        rows, rows_test = (v.reshape(len(v), -1) for v in inputs)
        runs = [(*learn((rows, y), (rows_test, y_test), epochs, rate), rate) for rate in rates]
        loss, accuracy, rate = min(runs)
        print(f"  {name:13s} training loss {loss:.3f}, test accuracy {accuracy:.1f} %, rate {rate}")
    print(f"\nplots: {args.out}")


if __name__ == "__main__":
    main()
