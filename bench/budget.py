"""How long a case and its rows may take."""

import time
from dataclasses import dataclass, field

from .timing import Clock

LEAST = 0.05  # seconds for a row, however late it is


@dataclass
class PerRow:
    """So many seconds for each row."""

    seconds: float
    effort: float = 2.0  # seconds that the reference may take

    def begin(self, cases: int) -> bool:
        """Start a case when `cases` are left, this one included; False ends the run."""
        return True

    def row(self, rows: int) -> float:
        """Seconds for the next row of the case when `rows` are left."""
        return self.seconds


@dataclass
class Until:
    """All that is left until an end, in equal shares; what a case leaves over goes to the others.

    A quarter of a case's share is for the reference.
    """

    end: float
    clock: Clock = time.perf_counter
    effort: float = field(default=0.0, init=False)
    case_end: float = field(default=0.0, init=False)

    def begin(self, cases: int) -> bool:
        now = self.clock()
        share = (self.end - now) / cases
        self.effort, self.case_end = share / 4, now + share
        return share > LEAST

    def row(self, rows: int) -> float:
        return max(LEAST, (self.case_end - self.clock()) / rows)
