"""Input and result of a solve: control, options, outcome."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Control", "Options", "Outcome"]


@dataclass
class Control:
    """Current or voltage that is imposed on the driven conductor.

    Attributes:
        current: cell current in the sign of i_n, A (2D: A/m); None if the voltage is imposed.
    """

    current: float | None = 0.0


@dataclass(frozen=True)
class Options:
    """Numbers that steer the solver.

    Attributes:
        kind: `direct` (MUMPS), `iterative` (flexible GMRES, a GAMG per field) or `auto` (by size).
        rtol: each row's residual (Euclidean norm, and its sum) over the cell current.
        closure_limit: what balances may miss over the cell current: sums of rows. Where they miss
            more, a residual that stands still is not taken for round-off.
        max_newton: iterations before the step is rejected.
        max_potential_step: largest change of an overpotential in one iteration, V.
        linear_rtol: tightest relative tolerance of the iterative linear solver; it is looser where
            that is more than the residual needs.
        direct_limit_2d, direct_limit_3d: most unknowns of a stage that `auto` solves directly. In
            2D the catalogue breaks even at 10,000 to 20,000 (`docs/speed.md`), in 3D secondary
            current at 6,000 (`scripts/bench/secondary.py`).
        direct_limit_definite: the same in 3D of an unknown that conjugate gradients take
            (`scripts/bench/heat.py`).
        direct_limit_growth: the same for all unknowns of a growth study, whose stages go together.
        patience: iterations more than when it was new that a preconditioner may cost until it is
            made from scratch (`fem.solver.wear`); about what that takes. (Where metal grows, and
            with `fem.solver.decoupling`, it takes up new values in each step.)
    """

    kind: str = "auto"
    rtol: float = 1e-10
    closure_limit: float = 1e-8
    max_newton: int = 30
    max_potential_step: float = 0.2
    linear_rtol: float = 1e-7
    patience: float = 20.0
    direct_limit_2d: int = 15_000
    direct_limit_3d: int = 10_000
    direct_limit_definite: int = 2_000
    direct_limit_growth: int = 60_000
    max_linear: int = 200
    overrides: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Outcome of a nonlinear solve.

    Attributes:
        converged: the tolerance was met.
        reason: one phrase.
        newton: Newton iterations. linear: Krylov iterations. factored: set-ups of the solver.
        residual: largest row residual over the cell current.
        idle: Newton iterations that only showed that no further digits were to be had.
    """

    converged: bool
    reason: str
    newton: int
    linear: int
    factored: int
    residual: float
    idle: int = 0

    def after(self, earlier: Outcome) -> Outcome:
        """Outcome that includes the work and the residual of an earlier solve."""
        return Outcome(
            self.converged, self.reason, earlier.newton + self.newton,
            earlier.linear + self.linear, earlier.factored + self.factored,
            max(earlier.residual, self.residual), earlier.idle + self.idle,
        )
