"""One hyper-parameter search by several processes: all they share is a storage.

Each process calls ``tune.search`` with the same arguments and takes the next trial until there are
enough. Here the storage is a journal file. On several machines it is a file on a network drive,
or a database (``storage="postgresql://..."``), and each machine runs this script with the same
``--storage``. Random trial n is the same point whoever runs it, so the result is that of one
process. Run the script again to go on where it stopped.
"""

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import fastnn
from fastnn import data, models, tune

SPACE = {
    "lr": tune.LogUniform(1e-4, 1e-1),
    "units": tune.LogInteger(16, 128),
    "dropout": tune.Uniform(0.0, 0.6),
}


def build(params):
    return models.mlp([64, params["units"], params["units"], 10], params["dropout"], seed=0)


def work(start, storage, trials, epochs):
    """What every process does."""
    fastnn.set_num_threads(1)  # a core for each process
    x, y = data.load_digits()
    parts = data.train_test_split(x.reshape(len(x), -1), y, test_size=0.3, seed=0)
    objective = tune.Objective(
        build,
        (parts.x_train, parts.y_train),
        (parts.x_test, parts.y_test),
        epochs=epochs,
        normalize=data.Standardize(),
    )

    def signed(trial, params):
        trial.set_user_attr("process", os.getpid())
        return objective(trial, params)

    start.wait()  # for the others to be ready; these trials are short
    tune.search(signed, SPACE, trials=trials, seed=0, pruner="median", storage=storage)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few short trials")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--trials", type=int, help="of all processes together")
    parser.add_argument("--storage", help="path or URL; default: a journal file in OUT")
    parser.add_argument("--out", type=Path, default=Path("runs/parallel_search"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    storage = options.storage or str(options.out / "study.journal")
    trials, epochs = options.trials or (12 if options.quick else 40), 3 if options.quick else 10

    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(options.processes)
    workers = [
        context.Process(target=work, args=(together, storage, trials, epochs))
        for _ in range(options.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a process failed")

    study = tune.load_study(storage)
    print(tune.table(study, top=10))
    done = [trial.user_attrs["process"] for trial in study.trials]
    shares = ", ".join(f"{done.count(process)}" for process in sorted(set(done)))
    print(f"\n{len(done)} trials by {len(set(done))} processes ({shares}), ", end="")
    print(f"{time.perf_counter() - start:.1f} s")
    tune.plot_search(study, options.out / "search.png", ylabel="validation accuracy")
    tune.plot_parallel(study, options.out / "parallel.png", ylabel="validation accuracy")
    print(f"{options.out / 'search.png'}\n{options.out / 'parallel.png'}")


if __name__ == "__main__":
    main()
