"""Hints of physics on matrices and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Hints"]


@dataclass
class Hints:
    """Hints of a physics on its matrices; they steer linear solvers, never a result.

    Attributes:
        even_mesh: cells are of one size where it matters, so that smoothed aggregation pays.
        lasting: matrices keep their places and change their values from step to step;
            preconditioners take up the new ones.
        tight: unknowns are coupled so closely that only a factorisation solves for them (in 2D),
            and that Newton's method takes its steps whole: residuals say little of their worth.
        lags: after a jump of what is imposed potentials are found with time going on, as charge is
            stored: none fit while time stands still. Steps then start from a state more.
        least: current that rows of the step at hand cannot tell from round-off of what they store,
            A (collective); residuals and balances are never compared with less.
        flow: current that residuals of a study without a cell are compared with, A: an estimate,
            and once there is a solution what it says (collective).
    """

    even_mesh: bool = False
    lasting: bool = False
    tight: bool = False
    lags: bool = False
    least: Callable[[], float] | None = None
    flow: Callable[[], float] | None = None
