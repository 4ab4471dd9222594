"""Transfer learning: what a network that knows half of the digits is worth for the other half.

A CNN learns the digits 0 to 4. Then the digits 5 to 9 are to be learned, from 20 images of each or
from many, in three ways: from scratch; with a new linear head on the frozen features; by
fine-tuning everything, the backbone at a tenth of the head's learning rate. All that again for a
target that looks different: the same digits, their pixels shuffled, one shuffle for all. The
result is the lectures' table of what to do with little or much data, similar or different.

    python examples/transfer_learning.py                      # bundled digits of 8 x 8 pixels
    python examples/transfer_learning.py --root FOLDER        # MNIST from its four IDX files

On MNIST, with 20 images a class of similar digits, what was learned helps: 95.9 % fine-tuned,
95.7 % on frozen features, 95.1 % from scratch. With 2,000 it no longer matters (99.3 %, 99.0 %,
99.3 %). On shuffled pixels features of strokes are a burden: 78.6 %, 75.1 % and 85.1 % with 20
images, 94.5 %, 90.0 % and 97.2 % with 2,000. The 8 x 8 digits are so few and so easy that the
three ways hardly differ.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from fastnn import data, io, models, nn, optim, train
from fastnn.optim import schedules

STRATEGIES = ("from scratch", "frozen features", "fine-tuned")
LR = 5e-3  # for all three, the best of 5e-4, 2e-3, 5e-3 and 1e-2 for "from scratch" on MNIST
ADVICE = {
    ("similar", "little"): "a linear classifier on the frozen features",
    ("different", "little"): "you are in trouble; features of earlier layers may help",
    ("similar", "much"): "fine-tune a few layers",
    ("different", "much"): "fine-tune many layers, or train from scratch",
}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="a few seconds, one draw of the data")
parser.add_argument("--root", type=Path, help="folder with MNIST's files")
parser.add_argument("--out", type=Path, default=Path("runs/transfer_learning"))
parser.add_argument("--draws", type=int, default=3, help="draws of the 20 images a class")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
checkpoint = args.out / "source.safetensors"

# Two tasks: the digits below 5, and those from 5, whose labels start at 0 again.
if args.root:
    x, y, x_test, y_test = data.load_mnist(args.root)
    make, source_epochs, much, steps = models.mnist_cnn, 3, 2000, {"little": 200, "much": 600}
else:
    images, labels = data.load_digits()
    x, x_test, y, y_test = data.train_test_split(images, labels, test_size=0.3)
    make, source_epochs, much, steps = models.digits_cnn, 30, 100, {"little": 200, "much": 400}
if args.quick:
    source_epochs, args.draws, steps = 10, 1, {"little": 60, "much": 120}
normalize = data.Standardize().fit(x[y < 5])
shuffle = np.random.default_rng(0).permutation(x[0].size)


def task(images, labels, chosen, kind):
    """Standardised images of the chosen classes, as they are or with shuffled pixels."""
    picked = images[chosen]
    if kind == "different":
        picked = picked.reshape(len(picked), -1)[:, shuffle].reshape(picked.shape)
    return normalize(picked), labels[chosen] % 5


def few(x, y, count, seed):
    """``count`` images of each class, or all there are."""
    order = np.random.default_rng(seed).permutation(len(y))
    rows = np.concatenate([order[y[order] == c][:count] for c in range(5)])
    return x[rows], y[rows]


def fit(model, groups, x, y, count):
    """AdamW for ``count`` steps, or a few more to end an epoch; the rate falls along a cosine."""
    loader = data.Loader(x, y, batch_size=min(50, len(x) // 4))
    trainer = train.Trainer(model, optim.AdamW(groups, schedules.cosine(LR, count)))
    trainer.fit(loader, -(-count // len(loader)))
    return trainer


def outputs(model, x):
    """In batches: a network's intermediate results need more memory than its input."""
    return np.concatenate([model(x[i : i + 500]) for i in range(0, len(x), 500)])


def learn(strategy, x, y, x_test, y_test, count):
    """Test accuracy in percent of one strategy."""
    model = make(5, seed=1)
    groups = optim.param_groups(model)
    if strategy != "from scratch":
        models.load_pretrained(model, checkpoint, reinit_head=True)
    if strategy == "fine-tuned":
        groups = models.discriminative_groups(model, backbone=0.1)
    if strategy == "frozen features":
        # They never change: compute them once, and train a head on them alone.
        features = models.feature_extractor(model.eval())
        x, x_test = outputs(features, x), outputs(features, x_test)
        model = nn.Linear(x.shape[1], 5, nonlinearity="linear", seed=1)
        groups = optim.param_groups(model)
    trainer = fit(model, groups, x, y, count)
    return 100 * trainer.evaluate((x_test, y_test))["accuracy"]


x_source, y_source = task(x, y, y < 5, "similar")
model = make(5)
count = source_epochs * len(x_source) // 50
trainer = fit(model, optim.param_groups(model), x_source, y_source, count)
accuracy = trainer.evaluate(task(x_test, y_test, y_test < 5, "similar"))["accuracy"]
io.save_safetensors(model.state_dict(), checkpoint)
print(f"source: digits 0-4, {len(x_source)} images, test accuracy {100 * accuracy:.2f} %\n")

# cell -> strategy -> accuracies, one for each draw of the training images
results: dict[tuple[str, str], dict[str, list[float]]] = {}
for kind, amount in product(("similar", "different"), ("little", "much")):
    x_all, y_all = task(x, y, y >= 5, kind)
    test = task(x_test, y_test, y_test >= 5, kind)
    cell = results[kind, amount] = {strategy: [] for strategy in STRATEGIES}
    for draw in range(args.draws if amount == "little" else 1):
        chosen = few(x_all, y_all, 20 if amount == "little" else much, draw)
        for strategy in STRATEGIES:
            cell[strategy].append(learn(strategy, *chosen, *test, steps[amount]))
    print(f"{amount} data ({len(chosen[1])} images), {kind} target")
    print(f"    the lectures' advice: {ADVICE[kind, amount]}")
    for strategy, values in cell.items():
        spread = f" +- {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        best = "  <- best" if values is max(cell.values(), key=np.mean) else ""
        print(f"    {strategy:16} {np.mean(values):6.2f} %{spread}{best}")

figure = Figure(figsize=(10, 4), layout="constrained")
axes = figure.subplots()
for i, strategy in enumerate(STRATEGIES):
    # At least half an image: a logarithmic axis has no place for 0.
    least = 50 / len(test[1])
    errors = [np.maximum(least, 100 - np.array(cell[strategy])) for cell in results.values()]
    means, spreads = [np.mean(e) for e in errors], [np.std(e) for e in errors]
    place = np.arange(len(results)) + 0.28 * (i - 1)
    axes.errorbar(place, means, spreads, fmt="o", capsize=4, label=strategy)
    for point in zip(place, means, strict=True):
        axes.annotate(f"{point[1]:.1f}", point, (7, 0), textcoords="offset points", va="center")
axes.set_xticks(range(len(results)), [f"{amount} data,\n{kind} target" for kind, amount in results])
axes.set_yscale("log")
axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
axes.yaxis.set_major_formatter("{x:g}")
axes.yaxis.set_minor_formatter("")
axes.grid(axis="y", alpha=0.3)
axes.set(ylabel="test error (%)", xlim=(-0.5, 3.6), title="Digits 5-9 after digits 0-4")
figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
figure.savefig(args.out / "transfer.png", dpi=120)
print(f"\nfigure: {args.out / 'transfer.png'}")
