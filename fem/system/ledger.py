"""Ledgers: time integrals that are kept, restored and checkpointed with the state."""

from __future__ import annotations

import numpy as np

from fem.system.system import System

__all__ = ["Ledger"]


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
        self.found = self.system.integrate(rate, self.history)
        return self.found

    def accept(self) -> None:
        """Make what `step` found the newest value."""
        self.history[:] = self.found, self.history[0]
