"""Train a small CNN on handwritten digits: the script to copy for data of your own.

It shows the whole way: split, standardise, batches with augmentation, a learning-rate schedule,
early stopping that gives back the best weights, logs, a checkpoint to resume from, learning curves,
and which digit is taken for which.

    python examples/train_digits.py               # 1,797 bundled images of 8 x 8 pixels
    python examples/train_digits.py --resume      # go on after Ctrl-C, bit for bit
"""

import argparse
from pathlib import Path

from fastnn import data, models, nn, optim, train
from fastnn.optim import schedules

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="a few epochs")
parser.add_argument("--out", type=Path, default=Path("runs/train_digits"), help="folder to write")
parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
args = parser.parse_args()
epochs = 4 if args.quick else 40

# Three parts: to learn from, to decide by, and to judge by once, at the end.
x, y = data.load_digits()
x_rest, x_test, y_rest, y_test = data.train_test_split(x, y, test_size=360)
x_train, x_val, y_train, y_val = data.train_test_split(x_rest, y_rest, test_size=180, seed=1)
normalize = data.Standardize().fit(x_train)
loader = data.Loader(
    x_train, y_train, batch_size=64, normalize=normalize, augment=[data.RandomCrop(padding=1)]
)
x_val, x_test = normalize(x_val), normalize(x_test)

model = models.digits_cnn()
total = epochs * len(loader)
learning_rate = schedules.warmup(schedules.cosine(0.005, total), total // 20)
optimizer = optim.AdamW(model.parameters(), learning_rate)

trainer = train.Trainer(
    model,
    optimizer,
    nn.CrossEntropyLoss(label_smoothing=0.05),
    metrics={"accuracy": train.accuracy, "f1": train.F1()},
)
stopper = train.EarlyStopping("val_loss", patience=8, smoothing=0.5)
history = trainer.fit(
    loader,
    epochs,
    validation=(x_val, y_val),
    callbacks=[stopper, train.ExplosionGuard(), train.CSVLogger(args.out / "log.csv")],
    out=args.out,
    resume=args.resume,
)
print(f"{len(history.epochs)} epochs; {history.stopped or 'all are done'}")
print(f"the model has the weights of epoch {stopper.best_epoch}, the best on the validation set")

matrix = train.confusion_matrix(trainer.predict(x_test), y_test)
worst = matrix.recall.argmin()
print(f"test accuracy {100 * matrix.accuracy:.2f} % of {len(y_test)} images")
print(f"hardest digit: {worst}, found in {100 * matrix.recall[worst]:.1f} % of its images")

history.plot(args.out / "learning-curves.png")
matrix.plot(args.out / "confusion.png")
train.plot_mistakes(x_test, y_test, trainer.predict(x_test).argmax(1), args.out / "mistakes.png")
print(f"pictures, log and checkpoints: {args.out}")
