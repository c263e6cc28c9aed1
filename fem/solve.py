r"""Newton's method for one stage, with the cell voltage as one bordered unknown.

At a given current the potential E of the driven conductor is unknown too. Its equation is
"the current through all driven walls is I". With the field residual F(u, E) and the current
i(u, E), each Newton iteration solves

    [ J    b ] [du]     [  F    ]          J = dF/du,   b = dF/dE (one vector)
    [ g^T  d ] [dE] = - [ i - I ]          g = di/du,   d = di/dE

by two solves with J alone: J y = -F, J w = b; dE = -(i - I + g.y)/(d - g.w), du = y - w dE. The
dense row never enters a matrix, so direct and iterative solvers see the same sparse J and give
the same current. (SNES has no place for the second right-hand side; hence our own loop.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from .compat import MPI, PETSc, dfem, dpetsc, owned_size, quiet_options
from .system import System, Unknown

__all__ = ["Control", "Options", "Outcome", "Stage"]


@dataclass
class Control:
    """What is imposed on the driven conductor.

    Attributes:
        current: cell current in the sign of i_n, A (2D: A/m); None if the voltage is imposed.
    """

    current: float | None = 0.0


@dataclass(frozen=True)
class Options:
    """Numbers that steer the solver.

    Attributes:
        kind: `direct` (MUMPS), `iterative` (flexible GMRES, one GAMG per field) or `auto` (by size).
        rtol: each row's residual, summed in absolute value, over the cell current.
        max_newton: iterations before the step is given up.
        max_potential_step: largest change of a potential in one iteration, V.
        linear_rtol: relative tolerance of the iterative linear solver.
        reuse: Newton iterations may keep the factors while the residual falls by this factor.
    """

    kind: str = "auto"
    rtol: float = 1e-10
    max_newton: int = 30
    max_potential_step: float = 0.2
    linear_rtol: float = 1e-4
    direct_limit_2d: int = 400_000
    direct_limit_3d: int = 40_000
    max_linear: int = 200
    overrides: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a nonlinear solve ended.

    Attributes:
        converged: the tolerance was met.
        reason: one phrase.
        newton: Newton iterations. linear: Krylov iterations. factored: set-ups of the solver.
        residual: largest row residual over the cell current.
    """

    converged: bool
    reason: str
    newton: int
    linear: int
    factored: int
    residual: float


_ids = itertools.count()


class Stage:
    """Some unknowns of a system, solved together by Newton.

    Args:
        system: with all its rows added.
        names: unknowns of this stage; the others keep their latest value.
        options: see `Options`.
        drives: the stage also finds the cell voltage when the current is imposed.
    """

    def __init__(
        self,
        system: System,
        names: Sequence[str],
        options: Options | None = None,
        drives: bool = True,
    ):
        self.system = system
        self.names = tuple(names)
        self.options = options or Options()
        self.unknowns = [system.unknowns[name] for name in names]
        self.drives = drives and system.current is not None
        self.raw: dict[str, npt.NDArray[np.float64]] = {}
        self._compile()
        self._allocate()

    # -- set-up --------------------------------------------------------------------------------

    def _compile(self) -> None:
        s = self.system
        self.residuals = [s.form(s.forms[name]) for name in self.names]
        self.jacobian = [[self._block(row, column) for column in self.unknowns]
                         for row in self.names]
        if self.drives:
            e, one = s.voltage, s.unit_voltage
            self.border = [_form_or_none(s, s.forms[n], e, one) for n in self.names]
            self.total = s.form(s.current)
            self.total_slope = _form_or_none(s, s.current, e, one)
            self.total_gradient = [
                _form_or_none(s, s.current, u.value, u.test) for u in self.unknowns
            ]

    def _block(self, row: str, column: Unknown) -> Any:
        derivative = ufl.derivative(self.system.forms[row], column.value, column.trial)
        derivative = ufl.algorithms.expand_derivatives(derivative)
        return None if derivative.empty() else self.system.form(derivative)

    def _allocate(self) -> None:
        s = self.system
        comm = s.domain.comm
        self.sizes = [owned_size(u.space) for u in self.unknowns]
        self.total_size = comm.allreduce(sum(self.sizes), op=MPI.SUM)
        limit = (
            self.options.direct_limit_2d if s.domain.dim == 2 else self.options.direct_limit_3d
        )
        kind = self.options.kind
        self.direct = kind == "direct" or (kind == "auto" and self.total_size <= limit)
        self.bcs = []
        self.fixed = []
        for u in self.unknowns:
            dofs = u.fixed_dofs()
            self.fixed.append(dofs[dofs < owned_size(u.space)])
            if comm.allreduce(len(dofs), op=MPI.SUM):
                self.bcs.append(dfem.dirichletbc(u.value, dofs))
        self.matrix = dpetsc.create_matrix(self.jacobian, None if self.direct else "nest")
        self.rhs = [self._vector() for _ in range(2)]
        self.solution = [self._vector() for _ in range(2)]
        self.prefix = f"hostplate_{next(_ids)}_{'_'.join(self.names)}_"
        self.ksp = PETSc.KSP().create(comm)
        self.ksp.setOptionsPrefix(self.prefix)
        self.ready = False

    def _vector(self) -> Any:
        """A vector with the owned values of all unknowns, one field after the other."""
        vector = self.matrix.createVecRight()
        vector.setUp()
        return vector

    def _put(self, vec: Any, arrays: Sequence[npt.NDArray[np.float64]]) -> None:
        vec.array_w[:] = np.concatenate(arrays)

    def _get(self, vec: Any) -> list[npt.NDArray[np.float64]]:
        return list(np.split(vec.array_r.copy(), np.cumsum(self.sizes)[:-1]))

    def _configure(self) -> None:
        """Choose the linear solver; PETSc's command line wins."""
        ksp = self.ksp
        ksp.setOperators(self.matrix)
        if self.direct:
            options: dict[str, object] = {
                "ksp_type": "preonly",
                "pc_type": "lu",
                "pc_factor_mat_solver_type": "mumps",
                "mat_mumps_icntl_14": 60,
            }
        else:
            options = {
                "ksp_type": "fgmres",
                "ksp_rtol": self.options.linear_rtol,
                "ksp_max_it": self.options.max_linear,
                "ksp_gmres_restart": 60,
                "pc_type": "fieldsplit",
                "pc_fieldsplit_type": "multiplicative",
            }
            for name in self.names:
                options |= {f"fieldsplit_{name}_{k}": v for k, v in _FIELD_SOLVER[name].items()}
        options |= self.options.overrides
        with quiet_options(self.prefix, options):
            if not self.direct:
                rows, _ = self.matrix.getNestISs()
                ksp.getPC().setType("fieldsplit")
                ksp.getPC().setFieldSplitIS(*zip(self.names, rows, strict=True))
            ksp.setFromOptions()
            ksp.setUp()
        if self.direct:
            return
        for sub in ksp.getPC().getFieldSplitSubKSP():
            sub.setFromOptions()

    # -- residual ------------------------------------------------------------------------------

    def _scatter(self) -> None:
        for u in self.unknowns:
            u.value.x.scatter_forward()

    def _residual(self) -> tuple[list[npt.NDArray[np.float64]], float]:
        """Row residuals (A), zero at held nodes, and the largest row sum of absolute values."""
        out = []
        sums = np.zeros(len(self.names))
        for k, name in enumerate(self.names):
            r = self.system.nodal(self.residuals[k])
            self.raw[name] = r.copy()
            r[self.fixed[k]] = 0.0
            sums[k] = np.abs(r).sum()
            out.append(r)
        norm = float(self.system.domain.comm.allreduce(sums, op=MPI.SUM).max())
        return out, norm

    def boundary_current(self, name: str, group: str) -> float:
        """Current that leaves through nodes held at a value, A, from the row's own residual.

        The sum of the residual over held nodes is what the boundary must supply for the balance to
        hold; it is exact for the discrete equations. Valid after `solve`; collective.
        """
        unknown = self.system.unknowns[name]
        dofs = unknown.groups.get(group, np.empty(0, dtype=np.int32))
        dofs = dofs[dofs < owned_size(unknown.space)]
        local = float(self.raw[name][dofs].sum())
        return self.system.domain.comm.allreduce(local, op=MPI.SUM)

    # -- Newton --------------------------------------------------------------------------------

    def solve(self, control: Control, scale: float) -> Outcome:
        """Solve the stage from the present iterate; on failure the iterate is left as it is.

        Args:
            control: imposed current, or None for an imposed voltage.
            scale: cell current that residuals are compared with, A (2D: A/m), > 0.

        Returns:
            What happened; never raises on divergence. Collective.
        """
        s, options = self.system, self.options
        seek = self.drives and control.current is not None
        linear = factored = 0
        self._scatter()
        for refresh in s.refreshers:
            refresh()
        residual, norm = self._residual()
        gap = self._gap(control) if seek else 0.0
        best, stalled = math.inf, 0
        for iteration in range(options.max_newton + 1):
            worst = max(norm, abs(gap)) / scale
            if not math.isfinite(worst):
                return Outcome(False, "residual is not finite", iteration, linear, factored, worst)
            if worst <= options.rtol and iteration > 0:
                return Outcome(True, "converged", iteration, linear, factored, worst)
            stalled = stalled + 1 if worst > 0.5 * best else 0
            best = min(best, worst)
            if stalled >= 3 and best <= 100 * options.rtol:
                # Round-off of the best conductor: no further digits to be had.
                if worst <= 100 * options.rtol:
                    return Outcome(True, "at round-off", iteration, linear, factored, worst)
            if iteration == options.max_newton:
                break
            self._assemble()
            factored += 1
            steps, iterations, good = self._direction(residual, gap, seek)
            linear += iterations
            if not good:
                return Outcome(False, "linear solver failed", iteration, linear, factored, worst)
            self._update(steps)
            self._scatter()
            for refresh in s.refreshers:
                refresh()
            residual, norm = self._residual()
            gap = self._gap(control) if seek else 0.0
        return Outcome(False, "too many iterations", options.max_newton, linear, factored, worst)

    def _gap(self, control: Control) -> float:
        return self.system.integral(self.total) - float(control.current or 0.0)

    def _assemble(self) -> None:
        self.matrix.zeroEntries()
        dpetsc.assemble_matrix(self.matrix, self.jacobian, bcs=self.bcs)
        self.matrix.assemble()
        if not self.ready:
            self._configure()
            self.ready = True
        else:
            self.ksp.setOperators(self.matrix)

    def _direction(
        self, residual: list[npt.NDArray[np.float64]], gap: float, seek: bool
    ) -> tuple[tuple[list[npt.NDArray[np.float64]], float], int, bool]:
        self._put(self.rhs[0], [-r for r in residual])
        self.ksp.solve(self.rhs[0], self.solution[0])
        good = self.ksp.getConvergedReason() > 0
        iterations = self.ksp.getIterationNumber()
        y = self._get(self.solution[0])
        if not seek:
            return (y, 0.0), iterations, good
        s = self.system
        border = []
        for k, form in enumerate(self.border):
            b = np.zeros(self.sizes[k]) if form is None else s.nodal(form)
            b[self.fixed[k]] = 0.0
            border.append(b)
        gradient = [
            np.zeros(n) if f is None else s.nodal(f)
            for n, f in zip(self.sizes, self.total_gradient, strict=True)
        ]
        for k, g in enumerate(gradient):
            g[self.fixed[k]] = 0.0
        self._put(self.rhs[1], border)
        self.ksp.solve(self.rhs[1], self.solution[1])
        good = good and self.ksp.getConvergedReason() > 0
        iterations += self.ksp.getIterationNumber()
        w = self._get(self.solution[1])
        slope = 0.0 if self.total_slope is None else s.integral(self.total_slope)
        local = np.array([
            sum(float(g @ a) for g, a in zip(gradient, y, strict=True)),
            sum(float(g @ a) for g, a in zip(gradient, w, strict=True)),
        ])
        gy, gw = s.domain.comm.allreduce(local, op=MPI.SUM)
        if slope == gw or not math.isfinite(gw + gy):
            return (y, 0.0), iterations, False
        dE = -(gap + gy) / (slope - gw)
        return ([a - dE * b for a, b in zip(y, w, strict=True)], dE), iterations, good

    def _update(self, steps: tuple[list[npt.NDArray[np.float64]], float]) -> None:
        """Take the step, shortened where a potential would jump or a concentration turn negative."""
        fields, dE = steps
        share = 1.0
        for u, step in zip(self.unknowns, fields, strict=True):
            if not len(step):
                continue
            if u.positive:
                falling = step < 0.0
                if falling.any():
                    room = np.min(u.owned[falling] / -step[falling])
                    share = min(share, 0.9 * float(room))
            elif u.name.startswith("phi"):
                largest = float(np.abs(step).max())
                if largest > 0.0:
                    share = min(share, self.options.max_potential_step / largest)
        if abs(dE) > 0.0:
            share = min(share, self.options.max_potential_step / abs(dE))
        share = self.system.domain.comm.allreduce(share, op=MPI.MIN)
        for u, step in zip(self.unknowns, fields, strict=True):
            u.owned[:] += share * step
        if dE:
            self.system.voltage.x.array[:] += share * dE

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        for thing in (*self.rhs, *self.solution, self.matrix, self.ksp):
            thing.destroy()


def _form_or_none(s: System, form: Any, coefficient: Any, direction: Any) -> Any:
    derivative = ufl.algorithms.expand_derivatives(ufl.derivative(form, coefficient, direction))
    return None if derivative.empty() else s.form(derivative)


_GAMG: dict[str, object] = {"ksp_type": "preonly", "pc_type": "gamg"}
_FIELD_SOLVER: dict[str, dict[str, object]] = {
    "phi_s": _GAMG,
    "phi_l": _GAMG,
    "c": _GAMG,
    "q": {"ksp_type": "preonly", "pc_type": "jacobi"},
}
