"""``Recipe``: the seven steps from a new network to good hyper-parameters, with a report."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Loader, train_test_split
from ..train import check_initial_loss, find_lr, overfit_small_batch
from .curves import diagnose, plot_curves
from .objective import Arrays, BuildModel, Objective
from .optional import optuna
from .plot import plot_search
from .refine import best_trials, refine
from .report import Report
from .search import search
from .space import Dimension, LogUniform, Range, Space, check_space
from .table import table

if TYPE_CHECKING:
    from optuna.study import Study

CHECKED = 512
"""Samples that the first checks look at."""

SMALL = 20
"""Samples to learn by heart."""


class Recipe:
    """The lectures' seven steps, from a new network to good hyper-parameters, with a report.

    1. The initial loss must be that of knowing nothing. 2. A small sample must be learned by heart.
    3. A range test finds learning rates that make the loss go down. 4. A coarse search, few epochs.
    5. A finer one around its best, longer. 6. The learning curves are looked at. 7. Back to 5,
    until it gains nothing. :meth:`run` makes them all; each writes its part of
    ``out``/report.md, with pictures beside it.

    Parameters
    ----------
    build_model : callable (params) -> Module
        A new model; give it a fixed seed.
    x : ndarray (N, ...)
    y : ndarray (N, ...)
        Not the test set.
    space : mapping of str to dimension, optional
        Hyper-parameters that ``build_model``, ``build_optimizer`` and, as ``batch_size``, the
        loader take. Without an ``lr``, step 3 adds a factor of 10 on either side of its
        suggestion; None: that and ``weight_decay`` from 1e-6 to 1e-1.
    out : path
        Folder of the report.
    validation : float, or (x, y)
        Share of the data, or other data, to measure by.
    seed : int
        Of the split, the searches and the batches.
    storage : path, URL or optuna storage, optional
        Keeps the searches, so that a recipe that was interrupted goes on; see :func:`search`.
    **training
        ``batch_size``, ``build_optimizer``, ``loss``, ``metrics``, ``monitor``, ``normalize``,
        ``augment`` as in :class:`Objective`.

    Attributes
    ----------
    space : dict
        Of the next search.
    studies : list of optuna study
        Coarse first.
    report : Report
        Its ``path`` is the Markdown file.

    Raises
    ------
    ImportError
        Optuna or matplotlib is not installed.

    References
    ----------
    CS231n, "Training neural networks II"; EECS 498, "Choosing hyperparameters".
    """

    def __init__(
        self,
        build_model: BuildModel,
        x: np.ndarray,
        y: np.ndarray,
        space: Space | None = None,
        *,
        out: str | os.PathLike[str],
        validation: float | Arrays = 0.2,
        seed: int = 0,
        storage: Any = None,
        **training: Any,
    ) -> None:
        optuna()
        given: Space = {"weight_decay": LogUniform(1e-6, 1e-1)} if space is None else space
        check_space("Recipe", given)
        if isinstance(validation, tuple):
            train = (x, y)
        else:
            parts = train_test_split(x, y, test_size=validation, seed=seed)
            train, validation = (parts.x_train, parts.y_train), (parts.x_test, parts.y_test)
        self._arguments = (build_model, train, validation)
        self._training = {**training, "seed": seed}
        self.seed, self.storage = seed, storage
        self.space: dict[str, Dimension] = dict(given)
        self.studies: list[Study] = []
        self.report = Report(Path(out), "Search for hyper-parameters")
        self._first = self._objective(1)

    def _objective(self, epochs: int) -> Objective:
        return Objective(*self._arguments, epochs=epochs, **self._training)

    @property
    def start(self) -> dict[str, Any]:
        """The middle of the space, with which the first steps are made; of choices the first."""
        return {name: dimension.grid(1)[0] for name, dimension in self.space.items()}

    @property
    def best(self) -> "Study":
        """The study with the best result, of the finer ones as soon as there is one."""
        sign = -1 if self._first.direction == "minimize" else 1
        return max(self.studies[1:] or self.studies, key=lambda study: sign * study.best_value)

    def _sample(self) -> tuple[np.ndarray, np.ndarray]:
        x, y = self._first.train
        chosen = np.random.default_rng(self.seed).permutation(len(x))[:CHECKED]
        loader = Loader(x[chosen], y[chosen], CHECKED, normalize=self._first.normalize)
        return next(loader.in_order())

    def check_initial_loss(self) -> None:
        """Step 1. A loss that is off is told, and does not end the recipe."""
        model = self._first.build_model(self.start)
        result = check_initial_loss(model, *self._sample(), self._first.loss)
        self.report.add("1. Initial loss", f"With {_words(self.start)}.", _sentence(result))

    def overfit_small_batch(self, *, strict: bool = True, **options: Any) -> None:
        """Step 2; ``options`` as in :func:`fastnn.train.overfit_small_batch`.

        Raises
        ------
        RuntimeError
            It cannot be learned: searching would be of no use (not with ``strict=False``).
        """
        model = self._first.build_model(self.start)
        options = {"samples": SMALL, **options}
        result = overfit_small_batch(model, *self._sample(), self._first.loss, **options)
        self.report.add("2. A small sample by heart", _sentence(result))
        if strict and not result.ok:
            raise RuntimeError(f"Recipe: step 2 failed, see {self.report.path}: {result}")

    def find_lr(self) -> None:
        """Step 3; gives ``space`` an ``lr`` if it has none.

        Raises
        ------
        RuntimeError
            No learning rate makes the loss go down.
        """
        trainer = self._first.trainer({"lr": 1e-3, **self.start})
        loader = self._first.loader(self.start)
        result = find_lr(trainer.model, trainer.optimizer, loader, self._first.loss)
        path, shown = self.report.picture("learning_rate.png")
        result.plot(path)
        if result.suggestion is None:
            self.report.add("3. A learning rate", _sentence(result), shown)
            raise RuntimeError(f"Recipe: step 3 failed, see {self.report.path}: {result}")
        lr = self.space.setdefault("lr", LogUniform(result.suggestion / 10, result.suggestion * 10))
        searched = f"To be searched: lr, {lr}."
        if isinstance(lr, Range) and not lr.low <= result.suggestion <= lr.high:
            searched += " **The suggestion lies outside.**"
        self.report.add("3. A learning rate", _sentence(result), searched, shown)

    def coarse(self, *, epochs: int = 3, **options: Any) -> "Study":
        """Step 4: a search with trials of ``epochs`` epochs; ``options`` as in :func:`search`."""
        return self._search("4. Coarse search", "coarse", epochs, **options)

    def fine(self, *, epochs: int = 10, trials: int = 10, **options: Any) -> "Study":
        """Step 5: narrow the space around the last search's best trials, and train longer."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            self.space = refine(self.studies[-1], self.space)
        notes = "\n".join(f"- {warning.message}" for warning in caught)
        number = len(self.studies)
        heading = "5. Finer search" if number == 1 else f"7. Step 5 again, time {number - 1}"
        return self._search(heading, f"fine-{number}", epochs, notes, trials=trials, **options)

    def _search(
        self, heading: str, name: str, epochs: int, notes: str = "", **options: Any
    ) -> "Study":
        objective = self._objective(epochs)
        seed = self.seed + len(self.studies)
        kept = {"seed": seed, "storage": self.storage, "name": name}
        study = search(objective, self.space, **{**kept, **options})
        rows = table(study, style="markdown", top=10)
        if not best_trials(study):
            self.report.add(heading, notes, rows)
            raise RuntimeError(f"Recipe: no trial of the search ended, see {self.report.path}")
        self.studies.append(study)
        path, shown = self.report.picture(f"{name}.png")
        plot_search(study, path, ylabel=objective.monitor)
        ranges = "\n".join(f"- {key}: {dimension}" for key, dimension in self.space.items())
        words = f"{len(study.trials)} trials of {epochs} epochs; the best by {objective.monitor}:"
        self.report.add(heading, notes, "Searched:", ranges, words, rows, shown)
        return study

    def curves(self) -> list[str]:
        """Step 6: the learning curves of the last search's best trials, and what they say."""
        path, shown = self.report.picture(f"curves-{len(self.studies) - 1}.png")
        plot_curves(self.studies[-1], path)
        said = diagnose(best_trials(self.studies[-1], 1)[0].user_attrs["history"])
        text = "\n".join(f"- {sentence}" for sentence in said)
        self.report.add("6. Learning curves", "The best trial:" if said else "", text, shown)
        return said

    def run(
        self,
        *,
        epochs: int = 3,
        trials: int | None = None,
        fine_epochs: int = 10,
        fine_trials: int = 10,
        rounds: int = 2,
        method: Any = "random",
        pruner: Any = None,
        strict: bool = True,
    ) -> dict[str, Any]:
        """All seven steps; returns the best hyper-parameters.

        Parameters
        ----------
        epochs, trials : int
            Of the coarse search.
        fine_epochs, fine_trials : int
            Of each finer one.
        rounds : int >= 1
            Finer searches at most; it ends when one gains nothing.
        method, pruner
            As in :func:`search`; the finer searches are random where ``method`` is "grid".
        strict : bool
            Stop if step 2 fails. Noisy numbers to predict may be too hard to learn by heart.

        Raises
        ------
        RuntimeError
            Step 2 or 3 failed, or no trial of a search ended.
        """
        if rounds < 1:
            raise ValueError(f"Recipe.run: rounds must be at least 1, got {rounds}")
        self.check_initial_loss()
        self.overfit_small_batch(strict=strict)
        self.find_lr()
        self.coarse(epochs=epochs, trials=trials, method=method, pruner=pruner)
        method = "random" if method == "grid" else method
        for _ in range(rounds):
            study = self.fine(epochs=fine_epochs, trials=fine_trials, method=method, pruner=pruner)
            self.curves()
            if study is not self.best:
                break
        best = self.best.best_trial
        count = sum(len(study.trials) for study in self.studies)
        words = f"**{self._first.monitor} {best.value:.4g}** with {_words(best.params)}."
        hint = f"The best of {count} trials looks better than it is: measure it on a test set."
        self.report.add("Result", words, hint)
        return dict(best.params)


def _words(params: dict[str, Any]) -> str:
    texts = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in params.values())
    return ", ".join(f"{name} = {text}" for name, text in zip(params, texts, strict=True))


def _sentence(result: object) -> str:
    text = str(result)
    return f"{text[0].upper()}{text[1:]}."
