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
    """Without Optuna's line a trial on standard error; its warnings stay."""
    logging = optuna().logging
    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)


def open_storage(storage: Any) -> Any:
    """What Optuna takes for ``storage``: a path is a journal file, a string with ``://`` a URL."""
    if storage is None or not isinstance(storage, str | os.PathLike):
        return storage
    path = os.fspath(storage)
    if "://" in path:
        return path
    storages = optuna().storages
    return storages.JournalStorage(storages.journal.JournalFileBackend(path))
