"""A run in time: the protocol, segment by segment, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fem.base.errors import RunError
from fem.case.drive import LONGEST_STEP
from fem.run import start
from fem.run.following import MIN_DENSITY, Following
from fem.run.segments import Segment, after
from fem.run.simulation import Simulation
from fem.solver.stepper import Step, Stuck
from fem.system import verdicts
from fem.system.part import Event
from fem.system.unknown import DEPLETED_SHARE

__all__ = ["InTime"]

#: Factors to the next step, between which its length follows from the error of a current.
LEAST_SHRINKAGE, MOST_GROWTH = 0.5, 2.0


class InTime(Simulation):
    """A run of a study that goes on in time."""

    def _march(self) -> None:
        k = self.number
        while k < len(self.segments) and not self.events.over:
            fresh = k > self.number or self.s.t == self.segment_start
            if fresh:
                self._enter(k)
            cut = self._segment(self.segments[k], fresh)
            k = after(self.segments, k, whole=cut)

    def _enter(self, number: int) -> None:
        """A segment begins."""
        self.number, self.segment_start = number, self.s.t
        self.segment_charge = float(self.s.charges["passed"][0])

    def _segment(self, segment: Segment, fresh: bool) -> bool:
        """Run a segment to its end; True if an event ended the protocol step it belongs to."""
        s, every = self.s, self.case.output.fields_every
        begins, ends = self._borders(segment)
        follows = self._start(segment, fresh)
        if fresh and (nothing := self._done()):
            return self._nothing_to_do(segment, nothing)
        if fresh:
            self._begin_anew(segment)
            if begins:
                self.next_output = s.t + every if every else math.inf
            if s.t == 0.0:
                self._happened(segment, first=True)
                self.recorder.fields()
        elif self.events.ended(self.number) or segment.stop(
            s.get_voltage(), follows.passed(), self._density()
        ):
            return True  # resumed where an event had ended it
        latest = segment.end()
        end = self.segment_start + (LONGEST_STEP if math.isinf(latest) else latest)
        if s.t >= end * (1 - 1e-12):
            return False  # resumed at its end
        self.progress.begin(self.number, self.segment_start, s.t, self.next_output)
        cut = False
        while not cut and s.t < end * (1 - 1e-12):
            if follows.jumps():
                self._begin_anew(segment, s.t - self.segment_start)
            elif follows.bends():
                lasts = self._lasts(segment) if segment.voltage is None else 0.0
                self.stepper.restart(lasts, kink=True)
            step, numbers = self._step(follows, min(end, self.next_output))
            if step is None and self._begin_gently(segment):
                continue
            if step is None:
                self._stop_short(segment)
                return True
            cut = self._finish_step(step, numbers, follows, end)
        if cut or ends:
            self.recorder.fields()
        if not cut:
            self._warn_of_no_stop(segment)
        self.progress.finish()
        self._save_if_due(event=cut or ends)
        return cut

    def _finish_step(
        self, step: Step, numbers: dict[str, float], follows: Following, end: float
    ) -> bool:
        """Record an accepted step, and look at what it led to; True if its protocol step ends.

        Args:
            step: the step.
            numbers: that were measured of it.
            follows: what is imposed.
            end: of the segment, s.
        """
        s, segment = self.s, follows.segment
        self.progress.note(s.t, self.stepper.dt)
        self.show_bar()
        happened = self._record(step, numbers, self.progress)
        if s.t >= self.next_output * (1 - 1e-12):
            self.recorder.fields()
            self.next_output += self.case.output.fields_every or math.inf
        if self.events.over or any(event.ends for event in happened):
            return True
        if stopped := self._stopped(segment, follows, end):
            self._note(stopped, segment)
            return True
        if s.t < end * (1 - 1e-12):
            self._save_if_due(event=bool(happened))
        return False

    def _warn_of_no_stop(self, segment: Segment) -> None:
        """Warn of a segment that went on to its end where one of its stops was to end it."""
        if math.isinf(segment.end()):
            self.remarks.add(f"endless {segment.part}", f"{segment.label} was ended 300 years "
                             "after it began, before any of its stops; give it a duration")
        elif segment.knots and segment.duration is None:
            self.remarks.add(f"table {segment.part}", f"{segment.label} ended with its table, "
                             f"{segment.knots[-1]:g} s after it began, before any of its stops")

    def _stopped(self, segment: Segment, follows: Following, end: float) -> Event | None:
        """The event that ends a protocol step early, if one does (collective).

        Raises:
            RunError: it cannot go on.
        """
        reached = segment.stop(self.s.get_voltage(), follows.passed(), self._density())
        if reached == "cutoff" or (reached and self.s.t < end * (1 - 1e-9)):
            return Event(reached)
        with self._kept_if_wrong():
            found = self._done()
        if found and found.look:
            self.remarks.check_closely()
        return found

    def _density(self) -> float:
        """Current found last per projected area, A/m2."""
        return float(self.flowing / self.model.area)

    def _done(self) -> Event | None:
        """Event of an observer for which what is imposed has nothing to act on (collective)."""
        return next((event for o in self.observers if (event := o.nothing_to_do())), None)

    def _nothing_to_do(self, segment: Segment, found: Event) -> bool:
        """End a step before it begins.

        Raises:
            RunError: the run has nothing else to do.
        """
        last = after(self.segments, self.number, whole=True) >= len(self.segments)
        if self.tally.steps == 0 and last:
            raise RunError(f"{segment.label} at t = {self.s.t:g} s: {found.reason}")
        self._note(found, segment)
        return True

    def _borders(self, segment: Segment) -> tuple[bool, bool]:
        """True or false: a segment is the first, and the last, of its protocol step."""
        near = [k for k in (self.number - 1, self.number + 1) if 0 <= k < len(self.segments)]
        same = {k - self.number for k in near if self.segments[k].part == segment.part}
        return -1 not in same, 1 not in same

    def _begin_anew(self, segment: Segment, time: float = 0.0) -> None:
        """After a jump: potentials that fit, a step of first order, metal foreseen by its rate.

        Where the salt has run out there may be none that fit; the first step finds them then.

        Raises:
            RunError: nothing carries the current, with salt at the walls.
        """
        self.before_jump, self.carried = self.s.save(), self.flowing
        try:
            self._consistent(segment, time)
        except RunError:
            if not self._begin_gently(segment):
                raise
            return
        gently = self.stepper.gently
        self.stepper.restart(self._lasts(segment))
        self.stepper.gently = gently
        start.foresee(self.main)

    def _begin_gently(self, segment: Segment) -> bool:
        """Let the first step after a jump find salt and potentials together, if salt lacks.

        Returns:
            Whether it was not tried yet and may help.
        """
        before, s = self.before_jump, self.s
        lacks = any(low < DEPLETED_SHARE * u.scale for u, low in self._concentrations())
        if before is None or s.t == 0.0 or not lacks:
            return False
        s.restore(before)
        self.before_jump, self.flowing = None, self.carried
        self.stepper.restart(gently=True)
        return True

    def _lasts(self, segment: Segment) -> float:
        """Time for which what reacts lasts after the jump of the current just found, s.

        Of a current given in time that at its largest: it may rise as steeply as it jumps.
        0, not known, if a voltage is held and none is found: what will flow begins later.
        """
        density = abs(self.flowing - self.carried) / self.model.area
        if segment.voltage is None and segment.drive is not None:
            density = max(density, segment.drive.size(self.s.t - self.segment_start))
        if segment.voltage is not None and density <= MIN_DENSITY:
            return 0.0
        return min((o.lasts(density) for o in self.observers), default=math.inf)

    def _step(self, follows: Following, end: float) -> tuple[Step | None, dict[str, float]]:
        """One accepted step, and what was measured of it.

        Args:
            follows: what is imposed.
            end: time at which it ends at the latest, s.
        """
        s, begun, segment = self.s, self.s.t, follows.segment
        numbers: dict[str, float] = {}
        longest = math.inf
        follows.latest = follows.until(end)
        times = s.t + self.stepper.dt, s.t
        scale = max(self._scale(follows.impose(t)) for t in times)
        before = s.get_voltage(), follows.passed(), self._density()

        def refine() -> float | None:
            nonlocal longest
            numbers.clear()
            numbers.update(self._measured(s.reference_current(scale)))
            longest = self._longest_next(segment, numbers["current_density"], scale)
            return self._shorter(segment, before, numbers)

        try:
            limit = min(follows.latest - s.t, 1e30)
            step = self.stepper.advance(follows.deliver, scale, limit, refine, follows.fit)
        except Stuck:
            self.save()
            raise
        if step is not None:
            self._accept()
            since = self.segment_start
            self.model.deliver(begun - since, s.t - since, accepted=True)
            self.stepper.dt = min(self.stepper.dt, longest)
            self._count(segment.cycle, follows.passed() - before[1], numbers)
        return step, numbers

    def _shorter(
        self, segment: Segment, before: tuple[float, float, float], numbers: Mapping[str, float]
    ) -> float | None:
        """Size of a step that ends where the one just solved went too far, s (collective).

        Args:
            segment: what is imposed.
            before: voltage, charge of the segment and current, per area, at the step's start.
            numbers: that were measured of it.

        Returns:
            None if the step may stand.
        """
        s, area, least = self.s, self.model.area, self.settings.dt_min
        if s.dt <= least * (1 + 1e-9):
            return None
        charge = numbers["charge"] / area - self.segment_charge / area
        now = s.get_voltage(), charge, numbers["current_density"] / area
        shares = segment.overshoot(*zip(before, now, strict=True)), self._happens_at()
        share = min((share for share in shares if share is not None), default=None)
        if share is None:
            return None
        return max(share * s.dt, least if s.dt <= 10 * least else 0.0)

    def _count(self, cycle: int, passed: float, numbers: Mapping[str, float]) -> None:
        """Keep the current of an accepted step, and what its cycle is judged by.

        Args:
            cycle: in which it lies; 0 for none.
            passed: charge of the step, C/m2.
            numbers: that were measured of it.
        """
        self.flowing, self.before_jump = numbers["current_density"], None
        self.currents = [self.flowing, *self.currents[:2]]
        self.flowed = max(self.flowed, abs(self.flowing))
        columns = [c for c in self.columns.values() if c.each_cycle]
        state = {c.name: numbers[c.name] / (self.model.area if c.per_area else 1.0)
                 for c in columns}
        most = {c.name for c in columns if c.each_cycle == "most"}
        self.turnover.add(cycle, passed, state, most)

    def _longest_next(self, segment: Segment, current: float, scale: float) -> float:
        """The longest step after one at a voltage that is held, so that its current is accurate, s.

        Fields are judged by their mean over all nodes, of which a layer at the walls has few. No
        step is rejected: what reacts may change at once, and the current with it.

        Args:
            segment: what is imposed.
            current: at the end of the step, A.
            scale: cell current that its residuals were compared with, A.
        """
        s, past = self.s, self.currents
        if segment.voltage is None or s.time.history < 3 or len(past) < 3:
            return math.inf
        size = max(abs(current), *map(abs, past), scale)
        error = verdicts.error_of(s, current, past) / (size * self.settings.tolerance)
        factor = 0.9 * max(error, 1e-6) ** (-1.0 / 3.0)
        return s.dt * max(factor, LEAST_SHRINKAGE) if factor < MOST_GROWTH else math.inf
