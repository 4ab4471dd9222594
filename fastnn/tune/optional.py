"""Optuna is optional: the extra ``fastnn[tune]``."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def optuna() -> Any:
    """The module, imported when it is first needed.

    Raises
    ------
    ImportError
        It is not installed; the message names the extra.
    """
    try:
        import optuna as module
    except ImportError as error:
        raise ImportError(
            'fastnn.tune needs optuna, which is not installed: pip install "fastnn[tune]"'
        ) from error
    return module


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's line a trial on standard error, and its copy of what is raised."""
    logging = optuna().logging
    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.ERROR))
    try:
        yield
    finally:
        logging.set_verbosity(before)


def is_path(storage: Any) -> bool:
    """Whether ``storage`` is the path of a journal file; a string with ``://`` is a URL."""
    return isinstance(storage, os.PathLike) or (isinstance(storage, str) and "://" not in storage)


def open_storage(storage: Any) -> Any:
    """What Optuna takes for ``storage``: a path becomes a journal file, all else stays."""
    if not is_path(storage):
        return storage
    storages = optuna().storages
    return storages.JournalStorage(storages.journal.JournalFileBackend(os.fspath(storage)))
