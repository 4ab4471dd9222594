"""Samplers that many processes can share. Imports Optuna: only functions import this module."""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ..init import derive_seed


class PerTrial(BaseSampler):
    """A fresh sampler a trial, seeded by (seed, trial number).

    With one sampler a process, processes with the same seed would try the same points. Trial
    numbers are unique in a storage, so that random trial n is the same point whichever process
    runs it.

    Parameters
    ----------
    make : callable (seed) -> sampler
    seed : int
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make, self._seed = make, seed
        self._running: dict[int, BaseSampler] = {}

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._running:
            seed = derive_seed(self._seed, trial.number) % 2**32  # what a RandomState takes
            self._running[trial.number] = self._make(seed)
        return self._running[trial.number]

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self._of(trial).after_trial(study, trial, state, values)
        self._running.pop(trial.number, None)


def make_sampler(method: Any, grid: dict[str, list[Any]], seed: int) -> BaseSampler:
    """Sampler for ``method``: "random", "grid", "tpe", or an Optuna sampler, which is used as is.

    Raises
    ------
    ValueError
        The method is another.
    """
    if isinstance(method, BaseSampler):
        return method
    if method == "grid":
        return optuna.samplers.GridSampler(grid, seed=seed)
    makers: dict[str, Callable[[int], BaseSampler]] = {
        "random": optuna.samplers.RandomSampler,
        "tpe": lambda number: optuna.samplers.TPESampler(seed=number),
    }
    if method not in makers:
        raise ValueError(
            f'search: method must be "random", "grid", "tpe" or an Optuna sampler, got {method!r}'
        )
    return PerTrial(makers[method], seed)


def make_pruner(pruner: Any) -> optuna.pruners.BasePruner:
    """Pruner by name, None for none, or an Optuna pruner, which is used as is.

    Raises
    ------
    ValueError
        The name is another.
    """
    if isinstance(pruner, optuna.pruners.BasePruner):
        return pruner
    makers: dict[Any, Callable[[], optuna.pruners.BasePruner]] = {
        None: optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "halving": optuna.pruners.SuccessiveHalvingPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }
    if pruner not in makers:
        raise ValueError(
            'search: pruner must be None, "median", "halving", "hyperband" or an Optuna pruner, '
            f"got {pruner!r}"
        )
    return makers[pruner]()
