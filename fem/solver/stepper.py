"""Time steps: propose, solve, judge, accept or undo.

The controller is a pure function (`judge`); the `Stepper` applies it to a system. A step that
fails leaves no trace: fields, history, time and ledgers are restored before the next try.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fem.base.errors import RunError
from fem.solver.approach import within_step
from fem.solver.options import Control, Outcome
from fem.solver.stage import Stage
from fem.system import verdicts
from fem.system.system import System

__all__ = ["Settings", "Step", "Stepper", "Stuck", "Verdict", "judge"]


#: Factor by which a step may exceed the change it aims at.
CHANGE_SLACK = 1.3
#: Least error, over the tolerance, that shows a trend, and the least share of a step that a trend
#: leaves for the next one: a single kink is none.
LEAST_TREND_ERROR, LEAST_TREND_SHARE = 1e-2, 0.5
#: Smallest step after a jump, as a share of the time since: what a jump sets off runs like sqrt(t),
#: on no other scale.
MIN_SHARE_SINCE_JUMP = 1e-3
#: The same as a share of dt_min, where nobody knows how long what reacts lasts; and in units in the
#: last place of the time, so that a step is known to 1e-5.
MIN_SHARE_OF_DT_MIN, MIN_ULPS = 1e-5, 1e5
#: First step out of a jump after which no potentials fit the salt, over dt_min.
JUMP_START_FACTOR = 10.0
#: Share of a step after which a jump of rates is taken for its end.
JUMP_SHARE = 0.95
#: Number of tries after which a step is given up.
MAX_TRIES = 60
#: Number of shorter steps that fail before one is tried without memory and slopes.
TRIES_WITH_MEMORY = 2
#: Share to which a step may be shortened that is already short for the sake of what is imposed.
MIN_STEP_SHARE = 1e-2


class Stuck(RunError):  # noqa: N818  (what happened, not a fault of the code)
    """A step was rejected again and again, on all ranks."""


@dataclass(frozen=True)
class Settings:
    """Step control.

    Attributes:
        dt0: first step after a jump of the control, s.
        dt_min: a smaller step ends the run, s; up to 1000 of it after a jump or kink of the
            control the bound is lower, see `Stepper.smallest`.
        dt_max: largest step, s.
        tolerance: local error of one step, in units of each field's scale.
        max_newton: a step that needed more iterations than this does not grow.
    """

    dt0: float = 1.0
    dt_min: float = 1e-4
    dt_max: float = float("inf")
    tolerance: float = 1e-3
    max_newton: int = 8


@dataclass(frozen=True)
class Verdict:
    """Judgement of the controller on a tried step."""

    accept: bool
    next_dt: float
    reason: str


@dataclass(frozen=True)
class Step:
    """An accepted step: its end time, size, cost and local error."""

    t: float
    dt: float
    newton: int
    linear: int
    factored: int
    rejected: int
    error: float
    residual: float


def judge(
    dt: float,
    settings: Settings,
    *,
    converged: bool,
    error: float,
    newton: int,
    order: int,
    change: float = 0.0,
    after_rejection: bool = False,
    tried: tuple[float, float] | None = None,
    last: tuple[float, float] | None = None,
) -> Verdict:
    """Accept a step or not, and propose the next size.

    Args:
        dt: size tried, s.
        settings: see `Settings`.
        converged: the nonlinear solve converged.
        error: local error in units of the field scales.
        newton: iterations it took, without those that only met round-off.
        order: order of the formula, 1 or 2.
        change: largest change of a field over what it may change in one step.
        after_rejection: the previous try was rejected; then the step does not grow.
        tried: size, s, and local error of the previous try, if that was too large. Two tries show
            how the error falls: where rates have just jumped like dt, not like dt^(order + 1).
        last: size, s, and local error of the step before, None after a jump. What made the error
            grow since is expected to go on (K. Gustafsson, ACM Trans. Math. Softw. 20 (1994) 496):
            the last of a film dissolves the faster, the less there is of it.
    """
    if not converged:
        return Verdict(False, 0.4 * dt, "no convergence")
    ratio, power = error / settings.tolerance, order + 1.0
    if tried is not None and tried[0] > dt and tried[1] > error > 0.0:
        found = math.log(tried[1] / error) / math.log(tried[0] / dt)
        power = min(max(found, 1.0), power)
    factor = 0.9 * max(ratio, 1e-6) ** (-1.0 / power)
    if ratio > 1.0:
        return Verdict(False, dt * min(max(factor, 0.2), 0.8), "error too large")
    if change > CHANGE_SLACK:
        return Verdict(False, dt * max(0.9 / change, 0.2), "change too large")
    if last is not None:
        before = max(last[1] / settings.tolerance, LEAST_TREND_ERROR)
        growth = (before / max(ratio, LEAST_TREND_ERROR)) ** (1.0 / power) * dt / last[0]
        factor *= min(max(growth, LEAST_TREND_SHARE), 1.0)
    factor = min(factor, 0.9 / max(change, 0.1))
    ceiling = 1.0 if after_rejection or newton > settings.max_newton else 2.0
    return Verdict(True, min(dt * min(factor, ceiling), settings.dt_max), "accepted")


def without_sliver(want: float, limit: float, *, stretch: bool) -> float:
    """Size of a step that leaves no sliver before an event, s.

    Args:
        want: size that is wanted, s.
        limit: time left to the event, s; the step or the one after it lands there.
        stretch: it may be somewhat longer than wanted.
    """
    dt = min(want, limit)
    if not 0.0 < limit - dt < 0.3 * dt:
        return dt
    return limit if limit <= 1.3 * want and stretch else limit / 2


class Stepper:
    """Advances a system through its stages.

    Args:
        system: the unknowns.
        stages: solved one after the other in each step.
        settings: step control.
    """

    def __init__(self, system: System, stages: Sequence[Stage], settings: Settings):
        self.system, self.stages, self.settings = system, tuple(stages), settings
        self.dt = settings.dt0
        self.last: tuple[float, float] | None = None  # size, s, and error of a step by BDF2
        self.jump, self.lasts = -math.inf, math.inf  # last jump or kink, and what lasts how long, s
        self.gently = False  # the next step leads from what was before a jump to what comes after

    def restart(self, lasts: float = 0.0, *, gently: bool = False, kink: bool = False) -> None:
        """Begin anew after a jump of the control: first order, first step size.

        Args:
            lasts: time for which what reacts lasts at the wall after the jump, s; 0 if nobody
                knows, infinite if it does not run out.
            gently: no potentials fit the salt before the jump; a small step finds them with it.
            kink: nothing jumps, but what comes may be as steep as a jump: steps may be as short,
                the formula and their length are left to what they meet.
        """
        self.jump, self.lasts = self.system.t, lasts
        if kink:
            return
        self.system.restart_formula()
        self.gently, self.system.time.jumped = gently, self.system.t
        first = JUMP_START_FACTOR * self.settings.dt_min if gently else lasts or math.inf
        self.dt = max(min(self.settings.dt0, first), self.smallest)

    @property
    def smallest(self) -> float:
        """The smallest step, s: dt_min, or for 1000 dt_min after a jump or a kink what is less.

        What is left at the wall falls like 1 - sqrt(t/lasts), by `tolerance` within tolerance^2 of
        that time; without a shorter step no first one may be accurate.
        """
        settings, t = self.settings, self.system.t
        least = MIN_SHARE_OF_DT_MIN * settings.dt_min
        accurate = settings.tolerance**2 * self.lasts if self.lasts else least
        since = MIN_SHARE_SINCE_JUMP * (t - self.jump)
        return min(max(since, accurate, MIN_ULPS * math.ulp(t)), settings.dt_min)

    def solve(self, control: Control, scale: float) -> Outcome:
        """All stages once, from the present iterate; the first that fails ends it."""
        outcome = Outcome(True, "converged", 0, 0, 0, 0.0)
        scale = self.system.reference_current(scale)
        for stage in self.stages:
            gently = self.gently and stage.drives
            done = within_step(stage, control, scale) if gently else stage.solve(control, scale)
            outcome = done.after(outcome)
            if not outcome.converged:
                break
        return outcome

    def _judged(self, dt: float, outcome: Outcome, error: float, tries: Tries) -> Verdict:
        """Judgement on a try of size dt, s, with its local error."""
        s = self.system
        return judge(
            dt, self.settings, converged=outcome.converged, error=error,
            newton=outcome.newton - outcome.idle, order=min(s.time.history, 2),
            change=verdicts.change(s) if outcome.converged else 0.0,
            after_rejection=tries.repeats, tried=tries.too_large,
            last=self.last if s.time.history > 2 else None,
        )

    def advance(
        self,
        control: Callable[[float], Control],
        scale: float,
        limit: float,
        refine: Callable[[], float | None] | None = None,
        fit: Callable[[float], float] | None = None,
    ) -> Step | None:
        """One accepted step of at most `limit` seconds.

        Args:
            control: what is imposed at a given time.
            scale: cell current that residuals are compared with.
            limit: time left to the next event, s; the step lands on it exactly.
            refine: after a solve, None if it may stand, or the smaller step at which an event
                (a cut-off) is expected.
            fit: before a solve, the longest step, at most the given one, over which the formula can
                follow what is imposed; it may restart the formula.

        Returns:
            The step, or None if even the smallest one failed (the state before it is restored).
        """
        s, want = self.system, min(self.dt, self.settings.dt_max)
        tries = Tries(s, want, self.smallest)
        while True:
            dt = tries.size(limit, fit)
            s.begin(dt)
            if self._begins_otherwise(dt, tries):
                continue
            outcome = self.solve(control(s.t + dt), scale)
            error = verdicts.error(s) if outcome.converged else 0.0
            verdict = self._judged(dt, outcome, error, tries)
            event = refine() if verdict.accept and refine else None
            if verdict.accept and event is None:
                self.last = (dt, error) if s.time.history > 2 else None
                s.accept()
                self.gently = False
                # A step cut short by an event says nothing against the size before it.
                cut = dt < tries.want and (tries.fitted or not tries.repeats)
                self.dt = max(verdict.next_dt, tries.want if cut else 0.0)
                return Step(
                    s.t, dt, outcome.newton, outcome.linear, outcome.factored, tries.rejected,
                    error, outcome.residual,
                )
            tries.rejected += 1
            tries.too_large = (dt, error) if error > self.settings.tolerance else None
            if not outcome.converged and s.memory_is_negative():
                tries.undo(s.restart_with_slopes)
                continue
            tries.failed += not outcome.converged
            tries.undo(s.restart_formula if tries.failed == TRIES_WITH_MEMORY else None)
            tries.repeats, tries.want = True, verdict.next_dt if event is None else event
            if event is None and tries.want < tries.least:
                self.dt = tries.want
                tries.forget()
                return None
            if tries.rejected > MAX_TRIES:
                raise Stuck(
                    f"step at t = {s.t:.6g} s: rejected {tries.rejected} times, last size "
                    f"{dt:.3g} s ({verdict.reason}); loosen [time] tolerance or lower dt_min"
                )

    def _begins_otherwise(self, dt: float, tries: Tries) -> bool:
        """Tell whether the step just begun is to begin anew: it ends where rates jump (collective).

        Where they jump as it begins, so does the formula; where its memory would leave less than
        nothing, it goes on from slopes.
        """
        s = self.system
        asked = s.jumps if dt > tries.least else ()
        share = min((at for jump in asked if (at := jump()) is not None), default=1.0)
        if share == 0.0 and s.time.history > 1:
            tries.undo(s.restart_formula)
            tries.want, tries.lands = min(dt, self.settings.dt0), False
        elif 0.0 < share < JUMP_SHARE:
            tries.undo()
            tries.want, tries.lands = share * dt, True
        elif s.time.history > 1 and (
            (s.hints.tight and s.memory_is_negative()) or any([ask() for ask in s.limits])
        ):
            tries.undo(s.restart_with_slopes)
        else:
            return False
        return True


class Tries:
    """Tries of one step: the state that they begin from, and what they have shown.

    Attributes:
        want: size that is wanted next, s.
        least: size below which the step is given up, s.
        lands: the next one ends where rates jump.
        repeats: the last one was rejected.
        fitted: the last one is as long as what is imposed can be followed.
        rejected: how many were.
        failed: how many of those did not converge.
        too_large: size, s, and local error of the last one, if that was too large.
    """

    def __init__(self, system: System, want: float, least: float):
        self.system, self.want, self.least = system, want, least
        self.lands = self.repeats = self.fitted = False
        self.rejected = self.failed = 0
        self.too_large: tuple[float, float] | None = None
        self._saved = system.save()
        self._foreseen = [array.copy() for array in system.foreseen]

    def size(self, limit: float, fit: Callable[[float], float] | None) -> float:
        """Size of the next try, s; arguments as of `Stepper.advance`."""
        # A step that was rejected is not stretched, nor one that ends where rates jump.
        dt = min(self.want, limit) if self.lands else without_sliver(
            self.want, limit, stretch=not self.repeats)
        self.fitted = fit is not None and (fitting := fit(dt)) < dt
        if self.fitted:
            dt, self.least = fitting, min(self.least, MIN_STEP_SHARE * fitting)
        return dt

    def undo(self, anew: Callable[[], None] | None = None) -> None:
        """Put the state before back; from then on it is the one after `anew`."""
        self.system.restore(self._saved)
        if anew is not None:
            anew()
            self._saved = self.system.save()

    def forget(self) -> None:
        """Put back what preparers have filled and no saved state holds."""
        for array, before in zip(self.system.foreseen, self._foreseen, strict=True):
            array[:] = before
