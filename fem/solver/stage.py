r"""Newton's method for one stage, with the cell voltage as one bordered unknown.

At a given current the potential E of the driven conductor is unknown too. Its equation is
"the current through all driven walls is I". With the field residual F(u, E) and the current
i(u, E), each Newton iteration solves

    [ J    b ] [du]     [  F    ]          J = dF/du,   b = dF/dE (one vector)
    [ g^T  d ] [dE] = - [ i - I ]          g = di/du,   d = di/dE

by `fem.solver.linear`. (SNES has no place for the voltage; hence our own loop.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from fem.solver.options import Control, Options, Outcome
from fem.solver.stiffness import Block, Vector
from fem.system.forms import check_rules, derived
from fem.system.nodal import LocalTerms
from fem.system.slots import unknown_of
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Stage"]


#: Largest growth of the residual in a Newton step, and most halvings of a step.
MAX_RESIDUAL_GROWTH, MAX_HALVINGS = 2.0, 6
#: Share of the residual above which a step that left it the other way round went too far: where a
#: current saturates, Newton's method goes to and fro between both ends of its rise.
TURNED_SHARE = 0.5
#: Factor of the tolerance up to which a residual that stands still may be round-off.
ROUND_OFF_FACTOR = 100.0
#: Share to which the last three of 10 iterations far from the solution must have lowered the
#: residual; where an exponential leads down, they lower it to exp(-3).
MAX_DECAY_SHARE = 0.1
#: Least share of a concentration that a Newton step leaves.
MIN_KEPT_SHARE = 1e-3
#: Share of its scale from which a concentration that is kept from zero counts for the balances.
SINKING_SHARE = 1e-6
#: Share of its scale below which a concentration rises as slowly: factors leave as much of nothing.
NOISE_SHARE = 1e-10
#: Least concentration that a Newton step leaves in any case, mol/m3. At -2 V, far beyond the
#: limiting current, a wall has 1e-25 of the salt of the bulk, or less.
TRACE_C = 1e-60


#: Most repeats of a stage whose row was changed by its solution.
MAX_REPEATS = 5
#: Factor of the square of a residual over the one before it, which an iteration with the last
#: factors leaves: those of Newton's own are off by that much.
CHORD_FACTOR = 4.0
#: Tolerance of the first linear solve, and factor of the residual in it: Newton leaves its square.
FIRST_LINEAR_RTOL, LINEAR_RTOL_FACTOR = 1e-6, 1e-4
#: Tolerance of later ones as a share of the fall of the residual that Newton's method may bring,
#: and the loosest: a linear solve to more digits than Newton's step has is for nothing. The last
#: one is tighter, as the sum of a row may exceed the norm that linear solvers see.
LINEAR_RTOL_SHARE, LOOSEST_LINEAR_RTOL, LAST_LINEAR_RTOL = 1e-2, 1e-2, 1e-4
#: Tolerance of the linear solve for a response to a small current.
RESPONSE_RTOL = 1e-11
#: Most moves of the predicted voltage, while it misses the current by more than this share.
VOLTAGE_AIM_TRIES, VOLTAGE_AIM_RTOL = 3, 1e-2
#: Gap in the current, as a share of the residual, above which the voltage is moved after an
#: iteration, if the gap is small: far from the solution Newton's own direction is the better one.
VOLTAGE_GAP_SHARE = 0.3


class Stage:
    """Some unknowns of a system, solved together by Newton.

    Args:
        system: with all its rows added.
        names: unknowns of this stage, or their row where they have several (`c.settled`); all other
            unknowns keep their latest value.
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
        self.rows = tuple(names)
        self.names = tuple(unknown_of(row) for row in names)
        self.slots = tuple(dict.fromkeys(system.slots.slot_of[row] for row in names))
        self.options = options or Options()
        self.unknowns = [system.unknowns[name] for name in self.names]
        self.drives = drives and (
            system.current is not None or any(t.drives for t in system.reactions)
        )
        self.raw: dict[str, npt.NDArray[np.float64]] = {}
        self.falls = False  # a concentration was kept from zero in the last iteration, on this rank
        self.sinks = False  # one of which there was more than a trace, so
        self.blur = 0.0  # what round-off may leave of the currents of all reactions, A
        self.missed = 0.0  # largest sum of a row: what is missed in its balance, A
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

    def _scatter(self) -> None:
        for u in self.unknowns:
            u.value.x.scatter_forward()

    def _residual(self) -> tuple[list[npt.NDArray[np.float64]], float]:
        """Row residuals (A), zero at held nodes, and their size.

        The size is the larger of a row's Euclidean norm and the absolute value of its sum, which is
        the gap in that balance. What round-off may leave of either says nothing and counts as zero
        (`fem.solver.matrices.Assembly.noise`).
        """
        out = []
        sums = np.zeros((4, len(self.names)))
        rows = [*self.names]
        smooth = self.parts.residual()
        extra = self.local.residual() if self.local else {}
        for k, name in enumerate(rows):
            r = smooth[k] + extra[name] if extra else smooth[k]
            self.raw[name] = self.system.residuals[self.rows[k]] = r.copy()
            r[self.fixed[k]] = 0.0
            noise, in_sum = self.parts.noise(name)
            with np.errstate(over="ignore", invalid="ignore"):  # of an iterate that is rejected
                sums[:, k] = r @ r, noise @ noise, r.sum(), in_sum.sum()
            out.append(r)
        self.system.domain.comm.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
        squares, noises, gaps, blurs = sums
        self.blur = float(blurs[[u.potential for u in self.unknowns]].max(initial=0.0))
        norms, gaps = np.sqrt(squares[~(squares <= noises)]), np.abs(gaps)
        self.missed = float(gaps[~(gaps <= blurs)].max(initial=0.0))
        return out, max(float(norms.max(initial=0.0)), self.missed)

    # -- Newton --------------------------------------------------------------------------------

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
        """Solve the stage from the present iterate; on failure the iterate is left as it is.

        Args:
            control: imposed current, or None for an imposed voltage.
            scale: cell current that residuals are compared with, A (2D: A/m), > 0. At an imposed
                voltage the current of the iterate, if that is larger.

        Returns:
            What happened; never raises on divergence. Collective.
        """
        s, options = self.system, self.options
        seek = self.drives and control.current is not None
        self.history: list[float] = []
        linear, factored, least = 0, 0, scale
        self._scatter()
        for opener in (o for slot in self.slots for o in s.openers.get(slot, ())):
            opener()
        self.parts.begin()
        solver = self.solver
        solver.begin()
        fresh = s.hints.lasting or solver.decoupling is not None  # a step changes the rows
        # The solution itself is judged, too, far below the tolerance of rows.
        exact = any(u.again for u in self.unknowns)
        residual, norm, gap = self._state(control, seek)
        miss = VOLTAGE_AIM_RTOL * scale
        if abs(gap) > miss and self._aim(control, miss, gap):
            residual, norm, gap = self._state(control, seek)
        if max(norm, abs(gap)) > scale and s.time.history > 1:
            residual, norm, gap = self._older_guess(control, seek, max(norm, abs(gap)))
        best, stalled, chord = math.inf, 0, False
        for iteration in range(options.max_newton + 1):
            if self.drives and not seek:
                scale = max(least, abs(self.gap(control)))
            worst = max(norm, abs(gap)) / scale
            self.history.append(worst)
            if not math.isfinite(worst):
                return Outcome(False, "residual is not finite", iteration, linear, factored, worst)
            if worst <= options.rtol and (iteration > 0 or worst == 0.0):
                return Outcome(True, "converged", iteration, linear, factored, worst)
            stalled = stalled + 1 if worst > 0.5 * best else 0
            best = min(best, worst)
            if stalled >= 3 and self._closes(norm, gap, scale):
                # Round-off of the best conductor: no further digits to be had. A concentration that
                # still falls by decades at a node seeks a solution below zero: that is none.
                falls = s.domain.comm.allreduce(self.falls, op=MPI.LOR)
                if not falls:
                    return Outcome(
                        True, "at round-off", iteration, linear, factored, worst, stalled
                    )
            # A memory of BDF2 may ask for less than nothing of an ion; then there is no solution.
            if stalled >= 3 and s.hints.tight and s.domain.comm.allreduce(self.sinks, op=MPI.LOR):
                break
            lost = iteration >= 10 and worst > max(1e-2, MAX_DECAY_SHARE * self.history[-4])
            if iteration == options.max_newton or lost:
                break
            if self.linear:  # the sum of a row may exceed its Euclidean norm
                solver.rtol = min(max(0.03 * options.rtol / worst, 1e-13), 1e-2)
            else:
                leaves = min(FIRST_LINEAR_RTOL, LINEAR_RTOL_FACTOR * worst)
                if iteration > 0:  # close to the solution residuals fall by the square of that
                    fall = worst / self.history[-2]
                    leaves = min(LINEAR_RTOL_SHARE * fall**2, LOOSEST_LINEAR_RTOL)
                enough = 0.0 if exact else min(0.01 * options.rtol / worst, LAST_LINEAR_RTOL)
                solver.rtol = max(leaves, enough, options.linear_rtol)
            # The last bit of the way, which Newton's method would take to far below the tolerance.
            chord = (
                s.hints.tight and solver.direct and iteration > 0 and not chord
                and CHORD_FACTOR * worst**2 < options.rtol * self.history[-2]
            )
            if not chord:
                self.parts.fill()
                factored += solver.update(fresh and iteration == 0)
            steps, iterations, good = self._direction(residual, gap, seek)
            linear += iterations
            if not good and solver.renew():
                factored += 1
                steps, iterations, good = self._direction(residual, gap, seek)
                linear += iterations
            if not good:
                why = f"linear solver failed{solver.why}"
                return Outcome(False, why, iteration, linear, factored, worst)
            share = 1.0 if self.linear else self._share(steps)
            origin = [u.owned.copy() for u in self.unknowns], s.voltage.x.array.copy()
            before = [*residual, gap]
            for _ in range(MAX_HALVINGS + 1):
                self._move(steps, share, origin)
                residual, norm, gap = self._state(control, seek)
                left = max(norm, abs(gap)) / scale / worst
                if left <= TURNED_SHARE or s.hints.tight:
                    break
                closes = self._closes(norm, gap, scale)
                turned = self.drives and not closes and self._turned(before, [*residual, gap])
                if left <= MAX_RESIDUAL_GROWTH and not turned:
                    break
                share /= 2  # too far, as exponentials lead: go back half of the way
            close = max(VOLTAGE_GAP_SHARE * norm, options.rtol * scale)
            leads = close < abs(gap) < VOLTAGE_AIM_RTOL * scale
            if leads and self._aim(control, 0.1 * abs(gap), gap):
                residual, norm, gap = self._state(control, seek)
        return Outcome(False, "too many iterations", iteration, linear, factored, worst)

    def _closes(self, norm: float, gap: float, scale: float) -> bool:
        """Tell whether round-off may be all that is left, and no balance misses too much.

        Args:
            norm: size of the residual, A.
            gap: in the current, A.
            scale: cell current that both are compared with, A.
        """
        little = max(norm, abs(gap)) <= ROUND_OFF_FACTOR * self.options.rtol * scale
        missed = max(self.missed, abs(gap))
        return little and missed <= self.options.closure_limit * scale

    def _turned(self, before: list[Any], after: list[Any]) -> bool:
        """A step has turned the residual about (collective).

        Args:
            before: row residuals and, last, the gap in the current, A, where the step began.
            after: those where it ended.
        """
        rows = sum(float(a @ b) for a, b in zip(before[:-1], after[:-1], strict=True))
        whole = self.system.domain.comm.allreduce(rows, op=MPI.SUM)
        return whole + before[-1] * after[-1] < 0.0

    def _aim(self, control: Control, goal: float, gap: float) -> bool:
        """Move the voltage foreseen until the walls pass the current imposed, all else held.

        Costs no linear solve; most of what a first guess misses is this one number, and of what
        the exponentials leave after an iteration, too. Returns whether the voltage was moved.
        Collective.

        Args:
            control: the current imposed.
            goal: enough for the gap, A.
            gap: current of the walls less that imposed, A.
        """
        s, first = self.system, gap
        for _ in range(VOLTAGE_AIM_TRIES):
            if self.local:
                self.local.linearise()
            slope, before = self._slope(), s.get_voltage()
            if slope == 0.0:
                break
            room = self.options.max_potential_step
            s.set_voltage(before + min(max(-gap / slope, -room), room))
            for refresh in s.refreshers:
                refresh()
            self.local.evaluate()
            new = self.gap(control)
            if not abs(new) < abs(gap):
                s.set_voltage(before)
                break
            gap = new
            if abs(gap) <= goal:
                break
        return gap != first

    def _older_guess(
        self, control: Control, seek: bool, foreseen: float
    ) -> tuple[list[npt.NDArray[np.float64]], float, float]:
        """The potentials of the last step, where those foreseen miss the current by all of it."""
        potentials = [u for u in self.unknowns if not u.differential]
        guess = [u.value.x.array.copy() for u in potentials]
        voltage = self.system.voltage.x.array.copy()
        for u in potentials:
            held = u.fixed_dofs()  # these follow the time
            at = u.value.x.array[held]
            u.value.x.array[:] = u.old[0].x.array
            u.value.x.array[held] = at
        if seek:
            self.system.set_voltage(float(self.system.past_voltages[0]))
        residual, norm, gap = self._state(control, seek)
        if max(norm, abs(gap)) < foreseen:
            return residual, norm, gap
        for u, values in zip(potentials, guess, strict=True):
            u.value.x.array[:] = values
        self.system.voltage.x.array[:] = voltage
        return self._state(control, seek)

    def _state(
        self, control: Control, seek: bool
    ) -> tuple[list[npt.NDArray[np.float64]], float, float]:
        """Row residuals (A), their size and the gap in the cell current at the present iterate."""
        self._scatter()
        for refresh in self.system.refreshers:
            refresh()
        rows, norm = self._residual()
        gap = self.gap(control) if seek else 0.0
        return rows, norm, gap if not abs(gap) <= self.blur else 0.0

    def gap(self, control: Control) -> float:
        """Current of the walls less that imposed, A (collective)."""
        s = self.system
        found = 0.0 if self.total is None else s.integral(self.total)
        if self.local:
            found += s.domain.comm.allreduce(self.local.current(), op=MPI.SUM)
        return found - float(control.current or 0.0)

    def _slope(self) -> float:
        """Derivative of the cell current by the voltage, all fields held, A/V (collective)."""
        s = self.system
        slope = 0.0 if self.total_slope is None else s.integral(self.total_slope)
        if self.local:
            slope += s.domain.comm.allreduce(self.local.voltage_slope(), op=MPI.SUM)
        return slope

    def _direction(self, residual: list[npt.NDArray[np.float64]], gap: float, seek: bool) -> Step:
        """Newton's step of fields and voltage, Krylov iterations, and whether they converged."""
        if not seek:
            return self.solver.step(residual)
        border, gradient = self.borders()
        return self.solver.step_with_voltage(residual, border, gradient, self._slope(), gap)

    def exchanged(self) -> float:
        """Exchange current of the reactions at the present state, slope RT/F, A (collective).

        A surface that was stripped bare exchanges nothing; it counts as if metal were on it.
        """
        if not self.drives:
            return 0.0
        self._state(Control(None), False)
        waiting = 0.0
        if self.local:
            self.local.linearise()
            waiting = self.system.domain.comm.allreduce(self.local.waiting(), op=MPI.SUM)
        T = float(self.system.temperature.value)
        return max(abs(self._slope()), waiting) * GAS_CONSTANT * T / FARADAY

    def response(self) -> tuple[dict[str, npt.NDArray[np.float64]], float]:
        """Changes of the owned values and of the voltage with the cell current, all else held.

        Returns:
            One more ampere's: of each unknown, in its unit per A, and of the voltage, V/A.

        Raises:
            RunError: no current can be found for the state (collective).
        """
        self.parts.begin()
        self.solver.begin()
        self._state(Control(None), False)
        if self.local:
            self.local.linearise()
        self.parts.fill()
        self.solver.rtol = RESPONSE_RTOL
        self.solver.update(True)
        rest = [np.zeros(n) for n in self.sizes]
        (fields, voltage), _, good = self._direction(rest, -1.0, True)
        if not good:
            raise RunError(f"no response to a small current{self.solver.why}")
        return dict(zip(self.names, fields, strict=True)), voltage

    def borders(self) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.float64]]]:
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
    ) -> list[npt.NDArray[np.float64]]:
        """Owned values of a linear form a row, zero where it is None (collective)."""
        moment = Moment() if moment is None else moment
        return [
            np.zeros(n) if form is None else form.nodal(moment)
            for n, form in zip(self.sizes, forms, strict=True)
        ]

    def _share(self, steps: tuple[list[npt.NDArray[np.float64]], float]) -> float:
        """Share of the step that lets no overpotential jump (collective).

        Potentials themselves may: what they drop in bulk is linear.
        """
        fields, dE = steps
        share = 1.0
        largest = self.local.jump(dict(zip(self.names, fields, strict=True)), dE)
        if largest > self.options.max_potential_step:
            share = min(share, self.options.max_potential_step / largest)
        for u, step in zip(self.unknowns, fields, strict=True):
            if np.isfinite(u.largest_move):
                share = min(share, u.largest_move / max(np.abs(step).max(initial=0.0), 1e-300))
        return self.system.domain.comm.allreduce(share, op=MPI.MIN)

    def _move(
        self, steps: tuple[list[npt.NDArray[np.float64]], float], share: float,
        origin: tuple[list[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    ) -> None:
        """Take a share of the step from an iterate, fields and voltage; c stays above zero.

        A node whose c would fall below a share of itself stops there and the others go on: where
        current is limited by diffusion, c falls by many decades at the wall and nowhere else.
        """
        fields, dE = steps
        self.falls = self.sinks = False
        for u, step, old in zip(self.unknowns, fields, origin[0], strict=True):
            u.owned[:] = old + share * step
            if u.positive:
                falling = u.owned < MIN_KEPT_SHARE * old
                self.falls = self.falls or bool(falling.any())
                much = old > SINKING_SHARE * u.scale
                self.sinks = self.sinks or bool((falling & much).any())
                np.maximum(u.owned, np.maximum(MIN_KEPT_SHARE * old, TRACE_C), out=u.owned)
                if self.system.hints.tight:
                    rises = (u.owned < NOISE_SHARE * u.scale) & (MIN_KEPT_SHARE * u.owned > old)
                    u.owned[rises] = old[rises] / MIN_KEPT_SHARE
        self.system.voltage.x.array[:] = origin[1] + share * dE

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
