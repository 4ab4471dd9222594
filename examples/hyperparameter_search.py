"""The seven steps from a new network to good hyper-parameters, and why to search at random.

First the lectures' figure, measured: nine trials on a grid and nine at random, over a
hyper-parameter that matters (the learning rate) and one that hardly does (the weight decay). The
grid tries three values of each; random search tries nine. Then the recipe: check the initial loss,
learn a small sample by heart, find a learning rate, search coarsely, search finely, look at the
curves, repeat. It leaves a report in Markdown. At last the winner is cross-validated, and trained
on all that the search has seen it is tested once, on what it has not.
"""

import argparse
from pathlib import Path

from fastnn import data, models, train, tune

SPACE = {
    "weight_decay": tune.LogUniform(1e-4, 1e-1),
    "units": tune.LogInteger(16, 256),
    "layers": tune.Integer(1, 3),
    "dropout": tune.Uniform(0.0, 0.6),
    "batch_size": tune.Categorical([16, 32, 64]),
}


def build(features):
    def model(params):
        hidden = [params.get("units", 64)] * params.get("layers", 1)
        return models.mlp([features, *hidden, 10], params.get("dropout", 0.0), seed=0)

    return model


def compare_grid_and_random(model, parts, epochs, out):
    x_train, x_val, y_train, y_val = parts
    objective = tune.Objective(
        model, (x_train, y_train), (x_val, y_val), epochs=epochs, normalize=data.Standardize()
    )
    two = {"lr": tune.LogUniform(1e-5, 1e-1), "weight_decay": tune.LogUniform(1e-5, 1e-2)}
    grid = tune.search(objective, two, method="grid", points=3)
    random = tune.search(objective, two, trials=9, seed=0)
    print(f"nine trials of {epochs} epochs, validation accuracy of the best:")
    print(f"  grid    {100 * grid.best_value:.2f} %, at lr {grid.best_params['lr']:.2g}")
    print(f"  random  {100 * random.best_value:.2f} %, at lr {random.best_params['lr']:.2g}")
    path = out / "grid_and_random.png"
    axes = {"important": "lr", "unimportant": "weight_decay"}
    tune.plot_grid_and_random(grid, random, path, **axes, ylabel="validation accuracy")
    print(f"  {path}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few trials of few epochs")
    parser.add_argument("--root", type=Path, help="folder of MNIST's files; else small digits")
    parser.add_argument("--out", type=Path, default=Path("runs/hyperparameter_search"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    quick = options.quick
    if options.root:
        images = data.load_mnist(options.root)
        x, y, x_test, y_test = images.x_train[:10000], images.y_train[:10000], *images[2:]
    else:
        x, x_test, y, y_test = data.train_test_split(*data.load_digits(), test_size=0.25, seed=0)
    x, x_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
    model = build(x.shape[1])
    parts = data.train_test_split(x, y, test_size=0.2, seed=0)
    compare_grid_and_random(model, parts, 2 if quick else 3, options.out)

    recipe = tune.Recipe(model, x, y, SPACE, out=options.out, normalize=data.Standardize())
    best = recipe.run(
        epochs=2 if quick else 3,
        trials=6 if quick else 30,
        fine_epochs=4 if quick else 15,
        fine_trials=4 if quick else 12,
        rounds=2 if quick else 3,
        pruner="median",
    )
    print(f"the recipe's best of {sum(len(s.trials) for s in recipe.studies)} trials:")
    print(tune.table(recipe.best, top=5))
    print(f"report: {recipe.report.path}\n")

    epochs = 4 if quick else 15
    folds = tune.cross_validate(
        model, x, y, best, k=3 if quick else 5, epochs=epochs, normalize=data.Standardize()
    )
    print(f"cross-validated: accuracy {folds}")
    final = tune.Objective(
        model, (x, y), (x_test, y_test), epochs=epochs, normalize=data.Standardize()
    )
    trainer = final.fit(best)
    probabilities = train.predict_proba(trainer.model, final.normalize(x_test))
    print(f"on {len(x_test)} test images: {100 * train.accuracy(probabilities, y_test):.2f} %")


if __name__ == "__main__":
    main()
