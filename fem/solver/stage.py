"""A stage: unknowns that are solved together."""

from __future__ import annotations

from fem.solver.equations import Equations
from fem.solver.newton import Newton
from fem.solver.options import Control, Outcome

__all__ = ["Stage"]

#: Most repeats of a stage whose row was changed by its solution.
MAX_REPEATS = 5


class Stage(Equations):
    """Equations that are solved together, by Newton's method; arguments as of `Equations`."""

    def solve(self, control: Control, scale: float) -> Outcome:
        """Solve the stage, and again where an unknown asks for it (`Unknown.again`), a few times.

        Arguments and what is returned are those of `solve_once`, iterations summed. Collective.
        """
        outcome = self.solve_once(control, scale)
        for _ in range(MAX_REPEATS):
            if not outcome.converged or not any([u.again() for u in self.unknowns if u.again]):
                break
            outcome = self.solve_once(control, scale).after(outcome)
        return outcome

    def solve_once(self, control: Control, scale: float) -> Outcome:
        """Solve the stage from the present iterate, by Newton's method.

        Args:
            control: imposed current, or None for an imposed voltage.
            scale: cell current that residuals are compared with, A (2D: A/m), > 0. At an imposed
                voltage the current of the iterate, if that is larger.

        Returns:
            What happened; never raises on divergence. Collective.
        """
        return Newton(self, control, scale).solve()
