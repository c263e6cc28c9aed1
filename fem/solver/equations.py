"""The equations of a stage: residual and derivatives, with the cell voltage as one more unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl
from ufl.algorithms import extract_coefficients
from ufl.classes import Condition
from ufl.corealg.traversal import unique_pre_traversal

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import RunError
from fem.compat import MPI, owned_size
from fem.solver.corners import Moment
from fem.solver.edges import AlongEdges, EdgeSlope
from fem.solver.linear import LinearSolver, Step
from fem.solver.matrices import Assembly
from fem.solver.options import Control, Options
from fem.solver.stiffness import Block, Vector
from fem.system.forms import check_rules, derived
from fem.system.nodal import LocalTerms
from fem.system.slots import unknown_of
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Equations", "Residual"]

Array = npt.NDArray[np.float64]
#: Tolerance of the linear solve for a response to a small current.
RESPONSE_RTOL = 1e-11


@dataclass(frozen=True)
class Residual:
    """Residual of equations at an iterate.

    Attributes:
        rows: each row at owned nodes, A; zero at held ones.
        norm: largest Euclidean norm or absolute sum of a row, A.
        missed: largest of these sums, which are the gaps in the balances, A.
        blur: what round-off may leave of the currents of all reactions, A.
        gap: current of the walls less that imposed, A; zero where the voltage is imposed.
    """

    rows: list[Array]
    norm: float
    missed: float
    blur: float
    gap: float = 0.0

    @property
    def size(self) -> float:
        """Size of the whole, A."""
        return max(self.norm, abs(self.gap))


class Equations:
    """Equations of some unknowns of a system: residual, derivatives, linear solver.

    Args:
        system: with all its rows added.
        names: unknowns, or their row where they have several (`c.settled`); all other unknowns
            keep their latest value.
        options: see `Options`.
        drives: the cell voltage is also found with them where the current is imposed.
    """

    def __init__(
        self,
        system: System,
        names: Sequence[str],
        options: Options | None = None,
        drives: bool = True,
    ):
        self.system = system
        self.rows = tuple(names)
        self.names = tuple(unknown_of(row) for row in names)
        self.slots = tuple(dict.fromkeys(system.slots.slot_of[row] for row in names))
        self.options = options or Options()
        self.unknowns = [system.unknowns[name] for name in self.names]
        self.drives = drives and (
            system.current is not None or any(t.drives for t in system.reactions)
        )
        self.raw: dict[str, Array] = {}
        self._compile()
        self._allocate()

    # -- set-up --------------------------------------------------------------------------------

    def _compile(self) -> None:
        s = self.system
        self.along = {
            row: [AlongEdges(s, flux) for flux in s.edge_fluxes if flux.row == row]
            for row in self.rows
        }
        self.affine = not any(self.along.values())
        self.jacobian = [[self._block(row, column) for column in self.unknowns]
                         for row in self.rows]
        own = {u.value for u in self.unknowns}
        self.affine = self.affine and not any(_jumps(s.forms.get(row), own) for row in self.rows)
        for row in self.rows:
            if row in s.forms:
                check_rules(s.forms[row])
        self.residuals = [
            Vector(s, s.forms[row], u, self.along[row])
            if row in s.forms and not self.affine else None
            for row, u in zip(self.rows, self.unknowns, strict=True)
        ]
        self.rest = [self._at_zero(row) if self.affine else None for row in self.rows]
        if self.drives:
            e, one = s.voltage, s.unit_voltage
            self.border = [
                self._vector(s.forms[row], e, one, u) if row in s.forms else None
                for row, u in zip(self.rows, self.unknowns, strict=True)
            ]
            flow = s.current
            self.total = None if flow is None else s.form(flow)
            self.total_slope = None if flow is None else _form_or_none(s, flow, e, one)
            self.total_gradient = [
                None if flow is None else self._vector(flow, u.value, u.test, u)
                for u in self.unknowns
            ]

    def _vector(self, form: Any, coefficient: Any, direction: Any, row: Unknown) -> Any:
        """The derivative of a form as a vector, None if there is none."""
        derivative = derived(form, coefficient, direction)
        return None if derivative.empty() else Vector(self.system, derivative, row)

    def _block(self, row: str, column: Unknown) -> Any:
        if row not in self.system.forms:
            return None
        derivative = derived(self.system.forms[row], column.value, column.trial)
        along = [EdgeSlope(a, column.name) for a in self.along[row] if column.name in a.nodes]
        if derivative.empty() and not along:
            return None
        own = {u.value for u in self.unknowns}
        self.affine = self.affine and not own & {*derivative.coefficients()}
        u = self.system.unknowns[unknown_of(row)]
        return Block(self.system, derivative, u, column, along)

    def _at_zero(self, row: str) -> Any:
        """Row where the unknowns of the stage are zero; None if nothing is left of it."""
        if row not in self.system.forms:
            return None
        zero = {u.value: ufl.zero(*u.shape) for u in self.unknowns}
        form = ufl.algorithms.expand_derivatives(ufl.replace(self.system.forms[row], zero))
        u = self.system.unknowns[unknown_of(row)]
        return None if form.empty() else Vector(self.system, form, u)

    def _allocate(self) -> None:
        s = self.system
        self.sizes = [owned_size(u.space) for u in self.unknowns]
        self.total_size = s.domain.comm.allreduce(sum(self.sizes), op=MPI.SUM)
        self.fixed = []
        for u in self.unknowns:
            dofs = u.fixed_dofs()
            self.fixed.append(dofs[dofs < owned_size(u.space)])
        self.local = LocalTerms(s, self.names)
        self.linear = self.affine and self.local.linear
        self.parts = Assembly(self)
        self.solver = LinearSolver(self)

    # -- residual ------------------------------------------------------------------------------

    def scatter(self) -> None:
        """Pass the owned values of the unknowns on to the other ranks (collective)."""
        for u in self.unknowns:
            u.value.x.scatter_forward()

    def residual(self) -> Residual:
        """Residual of the present iterate, without the current imposed (collective).

        What round-off may leave of a norm or of a sum says nothing and counts as zero
        (`fem.solver.matrices.Assembly.noise`).
        """
        out = []
        sums = np.zeros((4, len(self.names)))
        smooth = self.parts.residual()
        extra = self.local.residual() if self.local else {}
        for k, name in enumerate(self.names):
            r = smooth[k] + extra[name] if extra else smooth[k]
            self.raw[name] = self.system.residuals[self.rows[k]] = r.copy()
            r[self.fixed[k]] = 0.0
            noise, in_sum = self.parts.noise(name)
            with np.errstate(over="ignore", invalid="ignore"):  # of an iterate that is rejected
                sums[:, k] = r @ r, noise @ noise, r.sum(), in_sum.sum()
            out.append(r)
        self.system.domain.comm.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
        squares, noises, gaps, blurs = sums
        counts = np.array([u.counts for u in self.unknowns])
        norms = (counts * np.sqrt(squares))[~(squares <= noises)]
        gaps = np.abs(gaps)
        missed = float((counts * gaps)[~(gaps <= blurs)].max(initial=0.0))
        return Residual(
            out, norm=max(float(norms.max(initial=0.0)), missed), missed=missed,
            blur=float(blurs[[u.potential for u in self.unknowns]].max(initial=0.0)),
        )

    def state(self, control: Control) -> Residual:
        """Residual of the present iterate, with the current imposed (collective)."""
        self.scatter()
        for refresh in self.system.refreshers:
            refresh()
        found = self.residual()
        gap = self.gap(control) if self.seeks(control) else 0.0
        return replace(found, gap=gap if not abs(gap) <= found.blur else 0.0)

    def seeks(self, control: Control) -> bool:
        """The voltage is one of the unknowns."""
        return self.drives and control.current is not None

    def gap(self, control: Control) -> float:
        """Current of the walls less that imposed, A (collective)."""
        s = self.system
        found = 0.0 if self.total is None else s.integral(self.total)
        if self.local:
            found += s.domain.comm.allreduce(self.local.current(), op=MPI.SUM)
        return found - float(control.current or 0.0)

    def slope(self) -> float:
        """Derivative of the cell current by the voltage, all fields held, A/V (collective)."""
        s = self.system
        slope = 0.0 if self.total_slope is None else s.integral(self.total_slope)
        if self.local:
            slope += s.domain.comm.allreduce(self.local.voltage_slope(), op=MPI.SUM)
        return slope

    # -- linear solves -------------------------------------------------------------------------

    def direction(self, rows: list[Array], gap: float, seeks: bool) -> Step:
        """Newton's step of fields and voltage, Krylov iterations, and whether they converged."""
        if not seeks:
            return self.solver.step(rows)
        border, gradient = self.borders()
        slope = self.slope()
        if gap == slope == 0.0 and self._all_zero([*border, *gradient]):
            return self.solver.step(rows)  # nothing reacts: any voltage will do at rest, it stays
        return self.solver.step_with_voltage(rows, border, gradient, slope, gap)

    def _all_zero(self, values: list[Array]) -> bool:
        """All values of all ranks are 0 (collective)."""
        found = any(bool(v.any()) for v in values)
        return not self.system.domain.comm.allreduce(found, op=MPI.LOR)

    def exchanged(self) -> float:
        """Exchange current of the reactions at the present state, slope RT/F, A (collective).

        A surface that was stripped bare exchanges nothing; it counts as if metal were on it.
        """
        if not self.drives:
            return 0.0
        self.state(Control(None))
        waiting = 0.0
        if self.local:
            self.local.linearise()
            waiting = self.system.domain.comm.allreduce(self.local.waiting(), op=MPI.SUM)
        T = float(self.system.temperature.value)
        return max(abs(self.slope()), waiting) * GAS_CONSTANT * T / FARADAY

    def response(self) -> tuple[dict[str, Array], float]:
        """Changes of the owned values and of the voltage with the cell current, all else held.

        Returns:
            One more ampere's: of each unknown, in its unit per A, and of the voltage, V/A.

        Raises:
            RunError: no current can be found for the state (collective).
        """
        self.parts.begin()
        self.solver.begin()
        self.state(Control(None))
        if self.local:
            self.local.linearise()
        self.parts.fill()
        self.solver.rtol = RESPONSE_RTOL
        self.solver.update(True)
        rest = [np.zeros(n) for n in self.sizes]
        (fields, voltage), _, good = self.direction(rest, -1.0, True)
        if not good:
            raise RunError(f"no response to a small current{self.solver.why}")
        return dict(zip(self.names, fields, strict=True)), voltage

    def borders(self) -> tuple[list[Array], list[Array]]:
        """dF/dE and di/du at owned nodes, zero at held ones, from the last linearisation."""
        border, gradient = self.nodal_or_zero(self.border), self.nodal_or_zero(self.total_gradient)
        if self.local:
            by_voltage, of_current = self.local.border(), self.local.gradient()
            for k, name in enumerate(self.names):
                border[k] += by_voltage[name]
                gradient[k] += of_current[name]
        for k, held in enumerate(self.fixed):
            border[k][held] = gradient[k][held] = 0.0
        return border, gradient

    def nodal_or_zero(
        self, forms: Sequence[Any], moment: Moment | None = None
    ) -> list[Array]:
        """Owned values of a linear form a row, zero where it is None (collective)."""
        moment = Moment() if moment is None else moment
        return [
            np.zeros(n) if form is None else form.nodal(moment)
            for n, form in zip(self.sizes, forms, strict=True)
        ]

    def release(self) -> None:
        """Free what the next solve makes anew (collective)."""
        self.parts.release()
        self.solver.release()

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        self.solver.destroy()


def _jumps(form: Any, own: set[Any]) -> bool:
    """A condition in it depends on some of these functions; no derivative shows that."""
    return form is not None and any(
        isinstance(part, Condition) and own & {*extract_coefficients(part)}
        for integral in form.integrals() for part in unique_pre_traversal(integral.integrand())
    )  # fmt: skip


def _form_or_none(s: System, form: Any, coefficient: Any, direction: Any) -> Any:
    derivative = derived(form, coefficient, direction)
    return None if derivative.empty() else s.form(derivative)
