"""``search``: random, grid or model-based search over a space, by one process or many."""

import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .optional import is_path, open_storage, optuna, quiet
from .space import Params, Space, check_space, grid, suggest

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

Score = Callable[["Trial", Params], float]
"""(trial, hyper-parameters) -> what is to be maximised or minimised."""

TRIALS = 20


def search(
    objective: Score,
    space: Space,
    *,
    trials: int | None = None,
    method: Any = "random",
    points: int | Mapping[str, int] = 3,
    seed: int = 0,
    direction: str | None = None,
    pruner: Any = None,
    storage: Any = None,
    name: str = "search",
    timeout: float | None = None,
    progress: bool = False,
) -> "Study":
    """Try hyper-parameters from ``space`` and return the Optuna study with the results.

    In one process the study is a pure function of the seed (without ``timeout``). With a
    ``storage``, call it in as many processes as you like, on as many machines as reach the
    storage: each takes the next trial until ``trials`` are begun, all processes together (when
    several end at the same moment, one each may be added). Calling it again goes on where the
    study stopped. Random trial n and grid trial n are the same points whichever process runs them.

    Parameters
    ----------
    objective : callable (trial, params) -> float
        Such as :class:`Objective`. ``params`` holds the values by name; ``trial`` is Optuna's, for
        ``report`` and ``should_prune``.
    space : mapping of str to dimension
    trials : int, optional
        Trials of the study; None: 20, or the whole grid.
    method : "random", "grid", "tpe" or optuna sampler
        Random search (Bergstra and Bengio 2012) tries a new value of every hyper-parameter in
        each trial; a grid tries ``points`` values of each however many trials it takes; "tpe" is
        the tree-structured Parzen estimator (Bergstra et al. 2011).
    points : int or mapping of str to int
        Of the grid, a dimension; see :func:`grid`.
    seed : int
    direction : "maximize" or "minimize", optional
        None: what ``objective.direction`` says, else "maximize".
    pruner : None, "median", "halving", "hyperband" or optuna pruner
        Ends bad trials early, by what the objective reports after each epoch.
    storage : path, URL or optuna storage, optional
        A path is a journal file (a network file system will do), a URL a database such as
        ``sqlite:///search.db``, whose tables the first process must have made before others start.
        None keeps the study in memory.
    name : str
        Of the study in the storage.
    timeout : float, optional
        Seconds after which this process starts no further trial.
    progress : bool
        Show a bar.

    Raises
    ------
    ImportError
        Optuna is not installed.
    ValueError, TypeError
        The space, the method, the pruner, the direction or the number of trials is none.

    References
    ----------
    J. Bergstra and Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012.
    T. Akiba et al., "Optuna", KDD 2019.
    """
    module = optuna()
    from .samplers import make_pruner, make_sampler

    check_space("search", space)
    values = grid(space, points)
    if trials is None:
        trials = math.prod(map(len, values.values())) if method == "grid" else TRIALS
    if trials < 1:
        raise ValueError(f"search: trials must be positive, got {trials}")
    direction = direction or getattr(objective, "direction", "maximize")
    if direction not in ("maximize", "minimize"):
        raise ValueError(f'search: direction must be "maximize" or "minimize", got {direction!r}')
    with quiet():
        study: Study = module.create_study(
            study_name=name,
            storage=open_storage(storage),
            sampler=make_sampler(method, values, seed),
            pruner=make_pruner(pruner),
            direction=direction,
            load_if_exists=storage is not None,
        )
        states = module.trial.TrialState
        counted = (states.COMPLETE, states.PRUNED, states.RUNNING)
        left = trials - len(study.get_trials(deepcopy=False, states=counted))
        if left > 0:
            study.optimize(
                lambda trial: objective(trial, suggest(trial, space)),
                n_trials=left,
                timeout=timeout,
                callbacks=[module.study.MaxTrialsCallback(trials, states=counted)],
                show_progress_bar=progress,
            )
    return study


def load_study(storage: Any, name: str = "search") -> "Study":
    """A study from its storage, to look at while or after it runs.

    Raises
    ------
    FileNotFoundError
        ``storage`` is a path and there is no such file.
    KeyError
        The storage has no study of this name.
    """
    module = optuna()
    if is_path(storage) and not os.path.exists(storage):
        raise FileNotFoundError(f"load_study: storage {os.fspath(storage)} does not exist")
    with quiet():
        opened = open_storage(storage)
        names = module.get_all_study_names(opened)
        if name not in names:
            raise KeyError(f"load_study: name must be one of {names}, got {name!r}")
        study: Study = module.load_study(study_name=name, storage=opened)
    return study
