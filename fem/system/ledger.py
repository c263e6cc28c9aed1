"""Ledgers: time integrals that are kept, restored and checkpointed with the state."""

from __future__ import annotations

import numpy as np

from fem.system.system import System

__all__ = ["Ledger", "down_to_the_last"]

#: Share of what is left that one step may take once few is left, and what is few, as a share of the
#: most so far.
TAKEN, FEW = 0.75, 0.01


def down_to_the_last(left: float, most: float, taken: float) -> float | None:
    """Share of a step that would take more than it should of what is left; None if it may stand.

    A step that would take all there is finds no solution, and many shorter ones are tried. Give it
    to `System.jumps`.

    Args:
        left: what there is.
        most: that there has been.
        taken: by the step as it is.
    """
    allowed = max(left - FEW * most, TAKEN * left)
    return allowed / taken if 0.0 < allowed < taken else None


class Ledger:
    """Integral of a rate by the time formula of the fields, so that balances close to round-off.

    Args:
        system: whose steps are integrated.
        name: of its place among the system's charges.
    """

    def __init__(self, system: System, name: str):
        self.system = system
        self.history = system.charges[name] = np.zeros(2)
        self.found = 0.0

    def begin(self, value: float = 0.0) -> None:
        """Start from a value."""
        self.history[:] = value

    def step(self, rate: float) -> float:
        """Value at the end of the step just solved, in which it grew by a rate per s."""
        self.found = self.system.time.integrate(rate, self.history)
        return self.found

    def accept(self) -> None:
        """Make what `step` found the newest value."""
        self.history[:] = self.found, self.history[0]
