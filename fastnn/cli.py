"""The command ``fastnn``: demo, train, info."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fastnn

TRAIN_DEFAULTS: dict[str, dict[str, Any]] = {
    "mnist": {"epochs": 5, "batch_size": 100, "lr": 0.003, "seed": 0},
    "fashion-mnist": {"epochs": 10, "batch_size": 100, "lr": 0.003, "seed": 0},
    "cifar10": {"epochs": 20, "batch_size": 128, "lr": 0.1, "seed": 0},
}
CONFIG = "config.json"
PREPROCESS = "preprocess.safetensors"
INTERRUPTED = 130
"""Exit status of a run ended by Ctrl-C, as shells have it: 128 + SIGINT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``; returns the exit status."""
    args = _parser().parse_args(argv)
    if getattr(args, "threads", None) is not None:
        fastnn.set_num_threads(args.threads)
    try:
        return int(args.run(args))
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"fastnn {args.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastnn", description="Train neural networks on CPUs.")
    parser.add_argument("--version", action="version", version=f"fastnn {fastnn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    demo = commands.add_parser("demo", help="train a small CNN on the bundled digits")
    demo.add_argument("--out", type=Path, default=Path("fastnn-demo"), help="folder to write")
    demo.add_argument("--epochs", type=int, default=20)
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train on a data set in files")
    train.add_argument("--data", choices=TRAIN_DEFAULTS, required=True)
    train.add_argument("--root", type=Path, required=True, help="folder of the data files")
    train.add_argument("--download", action="store_true", help="fetch the files if missing")
    train.add_argument("--out", type=Path, help="folder to write, default fastnn-DATA")
    for name, value in TRAIN_DEFAULTS["mnist"].items():
        flag = "--" + name.replace("_", "-")
        values = ", ".join(str(defaults[name]) for defaults in TRAIN_DEFAULTS.values())
        train.add_argument(flag, type=type(value), help=f"default {values} for these data")
    train.add_argument("--resume", action="store_true", help="go on with the run in --out")
    train.set_defaults(run=_train)

    for command in (demo, train):
        command.add_argument("--threads", type=int, default=None)
    commands.add_parser("info", help="show versions, CPU, threads").set_defaults(run=_info)
    return parser


def _info(args: argparse.Namespace) -> int:
    fastnn.show_config()
    return 0


def _progress() -> str:
    return "bar" if sys.stderr.isatty() else "lines"


def _demo(args: argparse.Namespace) -> int:
    from fastnn import data, models, nn, optim, train

    x, y = data.load_digits()
    x_rest, x_test, y_rest, y_test = data.train_test_split(x, y, test_size=360, seed=0)
    x_train, x_val, y_train, y_val = data.train_test_split(x_rest, y_rest, test_size=180, seed=1)
    normalize = data.Standardize().fit(x_train)
    loader = data.Loader(x_train, y_train, 64, seed=args.seed, normalize=normalize)
    print(
        f"digits: {len(x_train)} images to train, {len(x_val)} to validate, {len(x_test)} to test"
    )
    total = args.epochs * len(loader)
    schedules = optim.schedules
    model = models.digits_cnn(seed=args.seed)
    trainer = train.Trainer(
        model,
        optim.Adam(
            model.parameters(), schedules.warmup(schedules.cosine(0.005, total), total // 10)
        ),
        nn.CrossEntropyLoss(label_smoothing=0.05),
        progress=_progress(),
    )
    start = time.perf_counter()
    validation = (normalize(x_val), y_val)
    history = trainer.fit(loader, args.epochs, validation=validation, out=args.out)
    seconds = time.perf_counter() - start
    predictions = trainer.predict(normalize(x_test)).argmax(1)
    wrong = int((predictions != y_test).sum())
    print(
        f"test accuracy {100 * (1 - wrong / len(y_test)):.2f} % ({wrong} of {len(y_test)} wrong), "
        f"{len(history.epochs)} epochs in {seconds:.1f} s"
    )
    curve, mistakes = args.out / "learning-curve.png", args.out / "mistakes.png"
    try:
        train.plot_history(history, curve)
        train.plot_mistakes(x_test, y_test, predictions, mistakes)
        print(f"learning curve: {curve}\nmistakes: {mistakes}")
    except ImportError as error:
        print(f"plots skipped: {error}")
    return _say_where(args.out, history.interrupted)


def _say_where(out: Path, interrupted: bool) -> int:
    from fastnn import train

    for label, name in (("best weights", train.BEST), ("last state", train.LAST)):
        if (out / name).exists():
            print(f"{label}: {out / name}")
    return INTERRUPTED if interrupted else 0


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Settings of a new run, or of the run to resume, which must not be changed."""
    defaults = {"data": args.data, **TRAIN_DEFAULTS[args.data]}
    given = {name: getattr(args, name) for name in defaults}
    given = {name: value for name, value in given.items() if value is not None}
    if not args.resume:
        return {**defaults, **given}
    kept: dict[str, Any] = json.loads((args.out / CONFIG).read_text())
    changed = [name for name, value in given.items() if kept.get(name) != value]
    if changed or kept.keys() != defaults.keys():
        raise ValueError(f"{args.out / CONFIG} has {kept}; a resumed run cannot change {changed}")
    return kept


def _recipe(name: str, seed: int) -> tuple[Any, Callable[..., Any], list[Any]]:
    """Network, optimizer of a learning rate, and augmentation for a data set."""
    from fastnn import data, models, optim

    if name == "cifar10":  # He et al., 2016, section 4.2, with Nesterov's momentum
        model = models.resnet(20, seed=seed)
        sgd = partial(optim.SGD, momentum=0.9, nesterov=True, weight_decay=5e-4)
        augment: list[Any] = [data.RandomCrop(padding=4), data.RandomHorizontalFlip()]
        return model, partial(sgd, model.parameters()), augment
    model = models.mnist_cnn(seed=seed)
    augment = [data.RandomCrop(padding=2)]
    if name == "fashion-mnist":  # a shoe may point either way, a digit may not
        augment.append(data.RandomHorizontalFlip())
    return model, partial(optim.AdamW, model.parameters()), augment


def _train(args: argparse.Namespace) -> int:
    from fastnn import data, io, nn, optim, train

    args.out = args.out or Path(f"fastnn-{args.data}")
    settings = _settings(args)
    load = getattr(data, "load_" + args.data.replace("-", "_"))
    x, y, x_test, y_test = load(args.root, download=args.download)
    held_out = len(x) // 20
    x_train, x_val, y_train, y_val = data.train_test_split(x, y, test_size=held_out, seed=0)
    normalize = data.Standardize().fit(x_train)
    model, optimizer, augment = _recipe(args.data, settings["seed"])
    loader = data.Loader(
        x_train,
        y_train,
        settings["batch_size"],
        seed=settings["seed"],
        normalize=normalize,
        augment=augment,
    )
    val, test = (
        data.Loader(a, b, 500, normalize=normalize) for a, b in ((x_val, y_val), (x_test, y_test))
    )
    total = settings["epochs"] * len(loader)
    schedules = optim.schedules
    rate = schedules.warmup(schedules.cosine(settings["lr"], total), max(1, total // 10))
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    trainer = train.Trainer(model, optimizer(rate), loss, progress=_progress())
    args.out.mkdir(parents=True, exist_ok=True)
    io.write_atomically(args.out / CONFIG, json.dumps(settings).encode())
    io.save_safetensors(normalize.state_dict(), args.out / PREPROCESS)
    history = trainer.fit(
        loader, settings["epochs"], validation=val, out=args.out, resume=args.resume
    )
    for row in history.epochs:
        print(f"epoch {row['epoch']}: {train.describe(row)}")
    if history.interrupted:
        print(f"interrupted after {len(history.steps)} steps; --resume goes on")
        return _say_where(args.out, True)
    print(f"test accuracy, last epoch: {100 * trainer.evaluate(test)['accuracy']:.2f} %")
    model.load_state_dict(io.load_safetensors(args.out / train.BEST))
    accuracy = trainer.evaluate(test)["accuracy"]
    print(f"test accuracy, epoch {history.best_epoch} (best on validation): {100 * accuracy:.2f} %")
    return _say_where(args.out, False)
