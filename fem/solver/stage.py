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
from fem.solver.options import Control, Options, Outcome
from fem.solver.stiffness import Block, Vector
from fem.system.forms import check_rules, derived
from fem.system.nodal import LocalTerms
from fem.system.slots import unknown_of
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Newton", "Residual", "Stage"]

Array = npt.NDArray[np.float64]
#: Step of the fields and of the voltage, V.
Change = tuple[list[Array], float]

#: Largest growth of the residual in a Newton step, and most halvings of a step.
MAX_RESIDUAL_GROWTH, MAX_HALVINGS = 2.0, 6
#: Share of the residual above which a step that left it the other way round went too far: where a
#: current saturates, Newton's method goes to and fro between both ends of its rise.
TURNED_SHARE = 0.5
#: Iterations in a row that do not halve the residual: it stands still.
MAX_STALLED = 3
#: Factor of the tolerance up to which a residual that stands still may be round-off.
ROUND_OFF_FACTOR = 100.0
#: Share to which the last three of 10 iterations far from the solution must have lowered the
#: residual; where an exponential leads down, they lower it to exp(-3). How far that is, as a share.
MAX_DECAY_SHARE, FAR = 0.1, 1e-2
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
#: Tolerance of the linear solve of a linear stage as a share of what is to be gained, as the sum of
#: a row may exceed its Euclidean norm; and the tightest.
LINEAR_STAGE_SHARE, TIGHTEST_LINEAR_RTOL = 0.03, 1e-13
#: Tolerance of the first linear solve, and factor of the residual in it: Newton leaves its square.
FIRST_LINEAR_RTOL, LINEAR_RTOL_FACTOR = 1e-6, 1e-4
#: Tolerance of later ones as a share of the fall of the residual that Newton's method may bring,
#: and the loosest: a linear solve to more digits than Newton's step has is for nothing. The last
#: one leaves a share of what is to be gained and is tighter, as the sum of a row may exceed the
#: norm that linear solvers see.
LINEAR_RTOL_SHARE, LOOSEST_LINEAR_RTOL = 1e-2, 1e-2
LAST_LINEAR_SHARE, LAST_LINEAR_RTOL = 0.01, 1e-4
#: Tolerance of the linear solve for a response to a small current.
RESPONSE_RTOL = 1e-11
#: Most moves of the predicted voltage, while it misses the current by more than this share.
VOLTAGE_AIM_TRIES, VOLTAGE_AIM_RTOL = 3, 1e-2
#: Gap in the current, as a share of the residual, above which the voltage is moved after an
#: iteration, if the gap is small: far from the solution Newton's own direction is the better one.
VOLTAGE_GAP_SHARE = 0.3


@dataclass(frozen=True)
class Residual:
    """What the equations of a stage miss at an iterate.

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
        """What the rows miss at the present iterate, the current imposed left out (collective).

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
        norms, gaps = np.sqrt(squares[~(squares <= noises)]), np.abs(gaps)
        missed = float(gaps[~(gaps <= blurs)].max(initial=0.0))
        return Residual(
            out, norm=max(float(norms.max(initial=0.0)), missed), missed=missed,
            blur=float(blurs[[u.potential for u in self.unknowns]].max(initial=0.0)),
        )

    def state(self, control: Control) -> Residual:
        """What rows and the current imposed miss, at the present iterate on all ranks."""
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

    # -- solves --------------------------------------------------------------------------------

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

    def direction(self, rows: list[Array], gap: float, seeks: bool) -> Step:
        """Newton's step of fields and voltage, Krylov iterations, and whether they converged."""
        if not seeks:
            return self.solver.step(rows)
        border, gradient = self.borders()
        return self.solver.step_with_voltage(rows, border, gradient, self.slope(), gap)

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


class Newton:
    """Newton's method for one solve of a stage.

    Args:
        stage: at the first guess.
        control: current or voltage imposed.
        scale: cell current that residuals are compared with, A; see `Stage.solve_once`.

    Attributes:
        at: residual of the present iterate.
        history: its size over the cell current, of each iterate.
        stalled: iterations up to now that have not halved the least of them.
        linear, factored: Krylov iterations and set-ups of the solver so far.
        chord: the last step was taken with the matrix before.
        falls: it would have left a concentration below zero, on this rank.
        sinks: one of which there was more than a trace.
    """

    def __init__(self, stage: Stage, control: Control, scale: float):
        self.stage, self.system, self.options = stage, stage.system, stage.options
        self.control, self.seeks = control, stage.seeks(control)
        self.scale = self.least = scale
        self.history: list[float] = []
        self.stalled = self.linear = self.factored = 0
        self.chord = self.falls = self.sinks = False

    def solve(self) -> Outcome:
        """Iterate until the residual is small or nothing more is to be gained (collective)."""
        self.begin()
        while True:
            self.measure()
            outcome = self.verdict()
            if outcome:
                return outcome
            step = self.step()
            if step is None:
                return self.ended(False, f"linear solver failed{self.stage.solver.why}")
            self.take(step)
            self.close_gap()

    def ended(self, converged: bool, reason: str, idle: int = 0) -> Outcome:
        """The outcome, if the solve ends here; arguments as of `Outcome`."""
        iteration, worst = len(self.history) - 1, self.history[-1]
        return Outcome(converged, reason, iteration, self.linear, self.factored, worst, idle)

    # -- first guess ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with the first guess: that foreseen, or the potentials of the last step."""
        stage, s = self.stage, self.system
        stage.scatter()
        for opener in (o for slot in stage.slots for o in s.openers.get(slot, ())):
            opener()
        stage.parts.begin()
        stage.solver.begin()
        self.at = stage.state(self.control)
        miss = VOLTAGE_AIM_RTOL * self.scale
        if abs(self.at.gap) > miss:
            self.aim(miss)
        if self.at.size > self.scale and s.time.history > 1:
            self.try_last_potentials()

    def try_last_potentials(self) -> None:
        """Begin with those of the last step, where they miss less than those foreseen do."""
        stage, s = self.stage, self.system
        potentials = [u for u in stage.unknowns if not u.differential]
        foreseen, guess = self.at, [u.value.x.array.copy() for u in potentials]
        voltage = s.voltage.x.array.copy()
        for u in potentials:
            held = u.fixed_dofs()  # these follow the time
            kept = u.value.x.array[held]
            u.value.x.array[:] = u.old[0].x.array
            u.value.x.array[held] = kept
        if self.seeks:
            s.set_voltage(float(s.past_voltages[0]))
        self.at = stage.state(self.control)
        if self.at.size < foreseen.size:
            return
        for u, values in zip(potentials, guess, strict=True):
            u.value.x.array[:] = values
        s.voltage.x.array[:] = voltage
        self.at = stage.state(self.control)

    # -- stopping ------------------------------------------------------------------------------

    def measure(self) -> None:
        """Compare the residual with the cell current, and with those before it (collective)."""
        if self.stage.drives and not self.seeks:
            self.scale = max(self.least, abs(self.stage.gap(self.control)))
        size = self.at.size / self.scale
        halved = size <= 0.5 * min(self.history, default=math.inf)
        self.stalled = 0 if halved else self.stalled + 1
        self.history.append(size)

    def verdict(self) -> Outcome | None:
        """The outcome if the solve ends here, None if it goes on (collective)."""
        options, worst, iteration = self.options, self.history[-1], len(self.history) - 1
        if not math.isfinite(worst):
            return self.ended(False, "residual is not finite")
        if worst <= options.rtol and (iteration > 0 or worst == 0.0):
            return self.ended(True, "converged")
        stands = self.stalled >= MAX_STALLED
        # Round-off of the best conductor: no further digits to be had. A concentration that still
        # falls by decades at a node seeks a solution below zero: that is none.
        if stands and self.closes() and not self.anywhere(self.falls):
            return self.ended(True, "at round-off", idle=self.stalled)
        # A memory of BDF2 may ask for less than nothing of an ion; then there is no solution.
        hopeless = stands and self.system.hints.tight and self.anywhere(self.sinks)
        lost = iteration >= 10 and worst > max(FAR, MAX_DECAY_SHARE * self.history[-4])
        if hopeless or lost or iteration == options.max_newton:
            return self.ended(False, "too many iterations")
        return None

    def anywhere(self, here: bool) -> bool:
        """Tell whether something is so on any rank (collective)."""
        return self.system.domain.comm.allreduce(here, op=MPI.LOR)

    def closes(self) -> bool:
        """Tell whether round-off may be all that is left, and no balance misses too much."""
        at, options = self.at, self.options
        little = at.size <= ROUND_OFF_FACTOR * options.rtol * self.scale
        return little and max(at.missed, abs(at.gap)) <= options.closure_limit * self.scale

    # -- a step --------------------------------------------------------------------------------

    def step(self) -> Change | None:
        """Newton's step from the present iterate, None where no linear solver finds it."""
        stage, solver = self.stage, self.stage.solver
        solver.rtol = self.linear_rtol()
        self.chord = self.last_matrix_will_do()
        if not self.chord:
            stage.parts.fill()
            # A step in time changes the rows.
            fresh = self.system.hints.lasting or solver.decoupling is not None
            self.factored += solver.update(fresh and len(self.history) == 1)
        step, good = self.direction()
        if not good and solver.renew():
            self.factored += 1
            step, good = self.direction()
        return step if good else None

    def direction(self) -> tuple[Change, bool]:
        """Newton's step, and whether the linear solver converged; counts its iterations."""
        step, iterations, good = self.stage.direction(self.at.rows, self.at.gap, self.seeks)
        self.linear += iterations
        return step, good

    def linear_rtol(self) -> float:
        """Tolerance of the linear solve for the next step: no digits that the step cannot use."""
        options, worst = self.options, self.history[-1]
        to_gain = options.rtol / worst
        if self.stage.linear:
            tightest = max(LINEAR_STAGE_SHARE * to_gain, TIGHTEST_LINEAR_RTOL)
            return min(tightest, LOOSEST_LINEAR_RTOL)
        leaves = min(FIRST_LINEAR_RTOL, LINEAR_RTOL_FACTOR * worst)
        if len(self.history) > 1:  # close to the solution residuals fall by the square of that
            fall = worst / self.history[-2]
            leaves = min(LINEAR_RTOL_SHARE * fall**2, LOOSEST_LINEAR_RTOL)
        # The solution itself is judged, too, far below the tolerance of rows.
        exact = any(u.again for u in self.stage.unknowns)
        enough = 0.0 if exact else min(LAST_LINEAR_SHARE * to_gain, LAST_LINEAR_RTOL)
        return max(leaves, enough, options.linear_rtol)

    def last_matrix_will_do(self) -> bool:
        """One more step with it is the last: Newton's own would lead far below the tolerance."""
        return (
            self.system.hints.tight and self.stage.solver.direct and not self.chord
            and len(self.history) > 1
            and CHORD_FACTOR * self.history[-1] ** 2 < self.options.rtol * self.history[-2]
        )

    # -- the way along it ----------------------------------------------------------------------

    def take(self, step: Change) -> None:
        """Take the step, or half of it, and so on, where it leads too far (collective)."""
        stage, before = self.stage, self.at
        share = 1.0 if stage.linear else self.share(step)
        origin = [u.owned.copy() for u in stage.unknowns], self.system.voltage.x.array.copy()
        for _ in range(MAX_HALVINGS + 1):
            self.move(step, share, origin)
            self.at = stage.state(self.control)
            if not self.too_far(before):
                break
            share /= 2

    def share(self, step: Change) -> float:
        """Share of the step that lets no overpotential jump (collective).

        Potentials themselves may: what they drop in bulk is linear.
        """
        stage, (fields, dE) = self.stage, step
        share = 1.0
        largest = stage.local.jump(dict(zip(stage.names, fields, strict=True)), dE)
        if largest > self.options.max_potential_step:
            share = min(share, self.options.max_potential_step / largest)
        for u, change in zip(stage.unknowns, fields, strict=True):
            if np.isfinite(u.largest_move):
                share = min(share, u.largest_move / max(np.abs(change).max(initial=0.0), 1e-300))
        return self.system.domain.comm.allreduce(share, op=MPI.MIN)

    def move(self, step: Change, share: float, origin: tuple[list[Array], Array]) -> None:
        """Take a share of the step from an iterate, fields and voltage; c stays above zero.

        A node whose c would fall below a share of itself stops there and the others go on: where
        current is limited by diffusion, c falls by many decades at the wall and nowhere else.
        """
        fields, dE = step
        self.falls = self.sinks = False
        for u, change, old in zip(self.stage.unknowns, fields, origin[0], strict=True):
            u.owned[:] = old + share * change
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

    def too_far(self, before: Residual) -> bool:
        """The move has raised the residual, or turned it about, as exponentials do (collective)."""
        left = self.at.size / self.scale / self.history[-1]
        if left <= TURNED_SHARE or self.system.hints.tight:
            return False
        turned = self.stage.drives and not self.closes() and self.turned(before)
        return not left <= MAX_RESIDUAL_GROWTH or turned

    def turned(self, before: Residual) -> bool:
        """The residual points the other way than the one before (collective)."""
        rows = sum(float(a @ b) for a, b in zip(before.rows, self.at.rows, strict=True))
        whole = self.system.domain.comm.allreduce(rows, op=MPI.SUM)
        return whole + before.gap * self.at.gap < 0.0

    def close_gap(self) -> None:
        """Move the voltage where little but the current is missed (collective)."""
        gap, scale = abs(self.at.gap), self.scale
        close = max(VOLTAGE_GAP_SHARE * self.at.norm, self.options.rtol * scale)
        if close < gap < VOLTAGE_AIM_RTOL * scale:
            self.aim(0.1 * gap)

    def aim(self, goal: float) -> None:
        """Move the voltage until the walls pass the current imposed, all else held (collective).

        Costs no linear solve; most of what a first guess misses is this one number, and of what
        the exponentials leave after an iteration, too.

        Args:
            goal: enough for the gap, A.
        """
        stage, s = self.stage, self.system
        gap = first = self.at.gap
        for _ in range(VOLTAGE_AIM_TRIES):
            if stage.local:
                stage.local.linearise()
            slope, before = stage.slope(), s.get_voltage()
            if slope == 0.0:
                break
            room = self.options.max_potential_step
            s.set_voltage(before + min(max(-gap / slope, -room), room))
            for refresh in s.refreshers:
                refresh()
            stage.local.evaluate()
            new = stage.gap(self.control)
            if not abs(new) < abs(gap):
                s.set_voltage(before)
                break
            gap = new
            if abs(gap) <= goal:
                break
        if gap != first:
            self.at = stage.state(self.control)


def _jumps(form: Any, own: set[Any]) -> bool:
    """A condition in it depends on some of these functions; no derivative shows that."""
    return form is not None and any(
        isinstance(part, Condition) and own & {*extract_coefficients(part)}
        for integral in form.integrals() for part in unique_pre_traversal(integral.integrand())
    )  # fmt: skip


def _form_or_none(s: System, form: Any, coefficient: Any, direction: Any) -> Any:
    derivative = derived(form, coefficient, direction)
    return None if derivative.empty() else s.form(derivative)
