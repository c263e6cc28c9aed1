r"""Newton's method, with the cell voltage as one bordered unknown.

At a given current the potential E of the driven conductor is unknown too. Its equation is
"the current through all driven walls is I". With the field residual F(u, E) and the current
i(u, E), each Newton iteration solves

    [ J    b ] [du]     [  F    ]          J = dF/du,   b = dF/dE (one vector)
    [ g^T  d ] [dE] = - [ i - I ]          g = di/du,   d = di/dE

by `fem.solver.linear`. (SNES has no place for the voltage; hence our own loop.)
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fem.compat import MPI
from fem.solver.equations import Equations, Residual
from fem.solver.options import Control, Outcome

__all__ = ["Newton"]

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
MAX_DECAY_SHARE, FAR_RESIDUAL = 0.1, 1e-2
#: Least share of a concentration that a Newton step leaves.
MIN_KEPT_SHARE = 1e-3
#: Share of its scale from which a concentration that is kept from zero counts for the balances.
SINKING_SHARE = 1e-6
#: Share of its scale below which a concentration rises as slowly: factors leave as much of nothing.
NOISE_SHARE = 1e-10
#: Least concentration that a Newton step leaves in any case, mol/m3. At -2 V, far beyond the
#: limiting current, a wall has 1e-25 of the salt of the bulk, or less.
TRACE_C = 1e-60
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
#: one leaves a share of what is to be gained, as the sum of a row may exceed the norm that linear
#: solvers see.
LINEAR_RTOL_SHARE, LOOSEST_LINEAR_RTOL = 1e-2, 1e-2
LAST_LINEAR_SHARE = 0.05
#: Most moves of the predicted voltage, while it misses the current by more than this share.
VOLTAGE_AIM_TRIES, VOLTAGE_AIM_RTOL = 3, 1e-2
#: Gap in the current, as a share of the residual, above which the voltage is moved after an
#: iteration, if the gap is small: far from the solution Newton's own direction is the better one.
VOLTAGE_GAP_SHARE = 0.3


class Newton:
    """Newton's method for one solve.

    Args:
        equations: at the first guess.
        control: current or voltage imposed.
        scale: cell current that residuals are compared with, A (2D: A/m), > 0. At an imposed
            voltage the current of the iterate, if that is larger.

    Attributes:
        at: residual of the present iterate.
        history: its size over the cell current, of each iterate.
        stalled: iterations up to now that have not halved the least of them.
        linear, factored: Krylov iterations and set-ups of the solver so far.
        chord: the last step was taken with the matrix before.
        falls: it would have left a concentration below zero, on this rank.
        sinks: one of which there was more than a trace.
    """

    def __init__(self, equations: Equations, control: Control, scale: float):
        self.equations, self.system = equations, equations.system
        self.options = equations.options
        self.control, self.seeks = control, equations.seeks(control)
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
            if outcome is not None:
                return outcome
            step = self.step()
            if step is None:
                return self.ended(False, f"linear solver failed{self.equations.solver.why}")
            self.take(step)
            self.close_gap()

    def ended(self, converged: bool, reason: str, idle: int = 0) -> Outcome:
        """The outcome, if the solve ends here; arguments as of `Outcome`."""
        iteration, worst = len(self.history) - 1, self.history[-1]
        return Outcome(converged, reason, iteration, self.linear, self.factored, worst, idle)

    # -- first guess ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin with the first guess: that foreseen, or the potentials of the last step."""
        equations, s = self.equations, self.system
        equations.scatter()
        for opener in (o for slot in equations.slots for o in s.openers.get(slot, ())):
            opener()
        equations.parts.begin()
        equations.solver.begin()
        self.at = equations.state(self.control)
        miss = VOLTAGE_AIM_RTOL * self.scale
        if abs(self.at.gap) > miss:
            self.aim(miss)
        # At a jump, a step of no length, the guess is that of whoever leads to the current.
        if self.at.size > self.scale and s.time.history > 1 and s.dt > 0.0:
            self.try_last_potentials()

    def try_last_potentials(self) -> None:
        """Begin with those of the last step, where they miss less than those foreseen do."""
        equations, s = self.equations, self.system
        potentials = [u for u in equations.unknowns if not u.differential]
        foreseen, guess = self.at, [u.value.x.array.copy() for u in potentials]
        voltage = s.voltage.x.array.copy()
        for u in potentials:
            held = u.fixed_dofs()  # these follow the time
            kept = u.value.x.array[held]
            u.value.x.array[:] = u.old[0].x.array
            u.value.x.array[held] = kept
        if self.seeks:
            s.set_voltage(float(s.past_voltages[0]))
        self.at = equations.state(self.control)
        if self.at.size < foreseen.size:
            return
        for u, values in zip(potentials, guess, strict=True):
            u.value.x.array[:] = values
        s.voltage.x.array[:] = voltage
        self.at = equations.state(self.control)

    # -- stopping ------------------------------------------------------------------------------

    def measure(self) -> None:
        """Compare the residual with the cell current, and with those before it (collective)."""
        if self.equations.drives and not self.seeks:
            self.scale = max(self.least, abs(self.equations.gap(self.control)))
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
        lost = iteration >= 10 and worst > max(FAR_RESIDUAL, MAX_DECAY_SHARE * self.history[-4])
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
        equations, solver = self.equations, self.equations.solver
        solver.rtol = self.linear_rtol()
        self.chord = self.last_matrix_will_do()
        if not self.chord:
            equations.parts.fill()
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
        step, iterations, good = self.equations.direction(self.at.rows, self.at.gap, self.seeks)
        self.linear += iterations
        return step, good

    def linear_rtol(self) -> float:
        """Tolerance of the linear solve for the next step: no digits that the step cannot use."""
        options, worst = self.options, self.history[-1]
        to_gain = options.rtol / worst
        if self.equations.linear:
            tightest = max(LINEAR_STAGE_SHARE * to_gain, TIGHTEST_LINEAR_RTOL)
            return min(tightest, LOOSEST_LINEAR_RTOL)
        leaves = min(FIRST_LINEAR_RTOL, LINEAR_RTOL_FACTOR * worst)
        if len(self.history) > 1:  # close to the solution residuals fall by the square of that
            fall = worst / self.history[-2]
            leaves = min(LINEAR_RTOL_SHARE * fall**2, LOOSEST_LINEAR_RTOL)
        # The solution itself is judged, too, far below the tolerance of rows.
        exact = any(u.again for u in self.equations.unknowns)
        enough = 0.0 if exact else min(LAST_LINEAR_SHARE * to_gain, LOOSEST_LINEAR_RTOL)
        return max(leaves, enough, options.linear_rtol)

    def last_matrix_will_do(self) -> bool:
        """One more step with it is the last: Newton's own would lead far below the tolerance."""
        return (
            self.system.hints.tight and self.equations.solver.direct and not self.chord
            and len(self.history) > 1
            and CHORD_FACTOR * self.history[-1] ** 2 < self.options.rtol * self.history[-2]
        )

    # -- the way along it ----------------------------------------------------------------------

    def take(self, step: Change) -> None:
        """Take the step, or half of it, and so on, where it leads too far (collective)."""
        equations, before = self.equations, self.at
        share = 1.0 if equations.linear else self.share(step)
        origin = [u.owned.copy() for u in equations.unknowns], self.system.voltage.x.array.copy()
        for _ in range(MAX_HALVINGS + 1):
            self.move(step, share, origin)
            self.at = equations.state(self.control)
            if not self.too_far(before):
                break
            share /= 2

    def share(self, step: Change) -> float:
        """Share of the step that lets no overpotential jump (collective).

        Potentials themselves may: what they drop in bulk is linear.
        """
        equations, (fields, dE) = self.equations, step
        share = 1.0
        largest = equations.local.jump(dict(zip(equations.names, fields, strict=True)), dE)
        if largest > self.options.max_potential_step:
            share = min(share, self.options.max_potential_step / largest)
        for u, change in zip(equations.unknowns, fields, strict=True):
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
        for u, change, old in zip(self.equations.unknowns, fields, origin[0], strict=True):
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
        turned = self.equations.drives and not self.closes() and self.turned(before)
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
        equations, s = self.equations, self.system
        gap = first = self.at.gap
        for _ in range(VOLTAGE_AIM_TRIES):
            if equations.local:
                equations.local.linearise()
            slope, before = equations.slope(), s.get_voltage()
            if slope == 0.0:
                break
            room = self.options.max_potential_step
            s.set_voltage(before + min(max(-gap / slope, -room), room))
            for refresh in s.refreshers:
                refresh()
            equations.local.evaluate()
            new = equations.gap(self.control)
            if not abs(new) < abs(gap):
                s.set_voltage(before)
                break
            gap = new
            if abs(gap) <= goal:
                break
        if gap != first:
            self.at = equations.state(self.control)
