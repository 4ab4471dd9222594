"""Compare learning rates, or anything else, in one figure.

Four runs that differ in nothing but the learning rate: too small crawls, good learns fast, too
large explodes. The trainer ends a run whose loss explodes and says at which step and where; the
others end up side by side in one picture.

    python examples/compare_runs.py
"""

import argparse
from pathlib import Path

from fastnn import data, models, optim, train

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="a few epochs")
parser.add_argument("--out", type=Path, default=Path("runs/compare_runs"), help="folder to write")
args = parser.parse_args()
epochs = 3 if args.quick else 12
args.out.mkdir(parents=True, exist_ok=True)

x, y = data.load_digits()
x_train, x_val, y_train, y_val = data.train_test_split(x, y, test_size=360)
normalize = data.Standardize().fit(x_train)
x_train, x_val = (normalize(part).reshape(len(part), -1) for part in (x_train, x_val))

histories = {}
print("learning rate   last loss   validation accuracy")
for rate in (0.001, 0.01, 0.1, 10.0):
    model = models.mlp([64, 100, 10])
    trainer = train.Trainer(model, optim.SGD(model.parameters(), rate, momentum=0.9))
    try:
        history = trainer.fit(
            data.Loader(x_train, y_train, 50),
            epochs,
            validation=(x_val, y_val),
            callbacks=[train.ExplosionGuard(factor=3)],
        )
    except FloatingPointError as error:
        print(f"{rate:13g}   {error}")
        continue
    histories[f"lr {rate:g}"] = history
    history.save(args.out / f"history-{rate:g}.json")
    last = history.epochs[-1]
    print(f"{rate:13g}   {last['loss']:9.4f}   {100 * last['val_accuracy']:17.2f} %")

figure = args.out / "compare.png"
train.plot_history(histories, figure)
print(f"all runs in one picture: {figure}")
