"""Wear of a preconditioner, by the iterations that it costs.

New values of a matrix go into multigrid that is there cheaply, but leave its aggregates, which are
those of values long past. From scratch takes several times as long, and only then are iterations
back to what they were. So each Newton solve's iterations are held against those of the solve in
which the preconditioner was made, per decade of tolerance; once the difference adds up to what it
takes to make another one, that is made. All are counts: the same on all ranks and in each run.

Linear solves of one Newton solve go together, as what a Krylov method leaves of one is what it
finds hard: the next takes more iterations a decade, whatever the preconditioner.
"""

from __future__ import annotations

import math

__all__ = ["Wear"]


class Wear:
    """Cost of a preconditioner since it was made, in iterations.

    Args:
        patience: iterations that it takes to make one from scratch.

    Attributes:
        pace: iterations a decade of the Newton solve in which it was made; while that goes on, the
            least of one of its linear solves.
        wasted: iterations more than by that pace since. What is saved counts, but is not kept for
            worse times.
        tired: they are worth another one.
    """

    def __init__(self, patience: float):
        self.patience = patience
        self.renew()

    def renew(self) -> None:
        """A preconditioner was made from scratch."""
        self.pace, self.wasted, self.tired = math.inf, 0.0, False
        self._young, self._work, self._decades = True, 0, 0.0

    def begin(self) -> None:
        """A Newton solve begins."""
        if self._young and self._decades:
            self._young = False
            self.pace, self.wasted = max(self._work / self._decades, 1.0), 0.0
        self.wasted = max(self.wasted, 0.0)

    def count(self, iterations: int, rtol: float) -> None:
        """Count the iterations of a linear solve to this tolerance."""
        decades = max(-math.log10(rtol), 1.0)
        if self._young:
            self.pace = min(self.pace, max(iterations / decades, 1.0))
            self._work += iterations
            self._decades += decades
        self.wasted += iterations - self.pace * decades
        self.tired = self.wasted > self.patience
