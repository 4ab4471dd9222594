"""Classes of which there are few examples: class weights, mixup, and metrics that show the matter.

Three of the ten digits keep a tenth of their training images. Accuracy hides what that does,
recall of the rare classes shows it. Batches of 16 are accumulated to steps of 64; the runs are
logged as JSON lines and, if tensorboardX is there, as events for TensorBoard.
"""

import argparse
import functools
from pathlib import Path

import numpy as np

from fastnn import data, models, nn, optim, train
from fastnn.optim import schedules

RARE = (2, 5, 8)


def thinned(x, y, share, seed=0):
    """A ``share`` of the images of the rare classes, all of the others."""
    draws = np.random.default_rng(seed).random(len(y))
    keep = ~np.isin(y, RARE) | (draws < share)
    return x[keep], y[keep]


def loggers(folder):
    found = [train.JSONLLogger(folder / "log.jsonl", every=10)]
    try:
        found.append(train.TensorBoard(folder / "events"))
    except ImportError as error:
        print(f"no events: {error}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="four epochs")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/rare_classes"))
    options = parser.parse_args()
    epochs = 4 if options.quick else options.epochs

    x, y = data.load_digits()
    parts = data.train_val_test_split(x, y, val_size=300, test_size=500, seed=0)
    x, y = thinned(parts.x_train, parts.y_train, 0.1)
    normalize = data.Standardize().fit(x)
    validation = (normalize(parts.x_val), parts.y_val)
    weights = train.class_weights(y)
    print("images a class:", np.bincount(y).tolist())
    print("weights:       ", np.round(weights, 2).tolist())

    runs = {
        "plain": (nn.CrossEntropyLoss(), None),
        "class weights": (nn.CrossEntropyLoss(weights), None),
        "class weights and mixup": (nn.CrossEntropyLoss(weights), data.Mixup(10, alpha=0.2)),
    }
    histories = {}
    for name, (loss, mix) in runs.items():
        folder = options.out / name.replace(" ", "-")
        loader = data.Loader(
            x, y, 16, normalize=normalize, augment=[data.RandomCrop(padding=1)], mix=mix
        )
        model = models.digits_cnn()
        rate = schedules.one_cycle(0.01, epochs * len(loader) // 4)
        trainer = train.Trainer(
            model,
            optim.AdamW(model.parameters(), rate),
            loss,
            metrics={
                "accuracy": train.accuracy,
                "top3": functools.partial(train.top_k_accuracy, k=3),
                "recall": train.Recall(),
            },
            monitor="val_recall",
            accumulate=4,
            progress="off",
        )
        best = train.ModelCheckpoint(folder / "best.safetensors", "val_recall")
        histories[name] = trainer.fit(
            loader, epochs, validation=validation, callbacks=[best, *loggers(folder)]
        )
        matrix = train.confusion_matrix(trainer.predict(normalize(parts.x_test)), parts.y_test)
        matrix.plot(folder / "confusion.png")
        rare, others = matrix.recall[list(RARE)], np.delete(matrix.recall, RARE)
        print(
            f"{name:24} accuracy {100 * matrix.accuracy:.2f} %, recall of the rare classes "
            f"{100 * rare.mean():.2f} %, of the others {100 * others.mean():.2f} %"
        )
    train.plot_history(histories, options.out / "runs.png")
    print(f"curves, confusion matrices and logs: {options.out}")


if __name__ == "__main__":
    main()
