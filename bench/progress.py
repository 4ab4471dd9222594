"""Lines to stdout, and on a terminal a bar of what is done to stderr."""

import sys
from typing import Any, Self


class Progress:
    """A bar by tqdm if it is installed and stderr is a terminal; else silence."""

    def __init__(self, total: int) -> None:
        self.bar: Any = None
        if sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=total, leave=False, file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self.bar is None:
            print(text, flush=True)
        else:
            self.bar.write(text, file=sys.stdout)
            sys.stdout.flush()

    def doing(self, what: str) -> None:
        if self.bar is not None:
            self.bar.set_description(what, refresh=True)

    def done(self) -> None:
        if self.bar is not None:
            self.bar.update()
