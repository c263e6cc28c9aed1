"""Steps that follow what is given in time: none passes over a kink or misses charge."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from fem.case.drive import Drive
from fem.run.segments import next_stop
from fem.solver.options import Control
from fem.solver.stepper import Stepper
from fem.study.build import Model, ledger
from fem.system.part import Begun

__all__ = ["MIN_DENSITY", "Following"]

#: Least current density that does not count as rest when residuals are compared with it, A/m2.
MIN_DENSITY = 1e-2
#: Share of the tolerance by which the current at the end of a step may differ from the given one,
#: for the sake of the charge, after a kink or a restart; elsewhere by the whole of it.
FRESH_TOLERANCE_SHARE = 0.3
#: Steps that follow a current may be as short as the first share of dt_min, and as the second
#: number of units in the last place of the time: then charge over time is the current to 1e-5.
SHORTEST, ULPS = 1e-5, 1e5


class Following:
    """Control of a step, and how long it may be to do what is given.

    Args:
        model: with all that changes in time.
        stepper: takes the steps.
        begun: what is imposed, and since when.
    """

    def __init__(self, model: Model, stepper: Stepper, begun: Begun):
        self.model, self.stepper, self.s = model, stepper, model.system
        self.settings = stepper.settings
        self.segment, self.start, self.charge = begun.segment, begun.t, begun.charge
        self.latest = math.inf  # end of the step to be tried, at the latest, s

    @property
    def drives(self) -> list[Drive]:
        """All that is imposed and changes in time."""
        own = self.segment.drive
        return [*([own] if own else []), *self.model.setup.edges.drives]

    def passed(self) -> float:
        """Charge since the start of the protocol step, C/m2 of projected area."""
        return (float(self.s.charges["passed"][0]) - self.charge) / self.model.area

    def jumps(self) -> bool:
        """Tell whether what is given jumps now."""
        return self._now(drive.jumps for drive in self.drives)

    def bends(self) -> bool:
        """Tell whether what is given jumps now or has a kink."""
        return self._now(drive.knots for drive in self.drives)

    def _now(self, times: Iterable[npt.NDArray[np.float64]]) -> bool:
        """One of some times since the start of the protocol step, which is none of them, is now."""
        t, listed = self.s.t, list(times)
        if t == self.start or not listed:
            return False
        return bool((np.abs(self.start + np.concatenate(listed) - t) <= 1e-12 * t + 1e-12).any())

    def impose(self, t: float) -> Control:
        """Bring all that is given to a time, and give its control; a current is that at the time.

        Times beyond the end of the step mean that end: what is given may end there.

        Args:
            t: the time, s.
        """
        inside = self._inside(t)
        self.model.set_time(inside)
        if self.segment.voltage is not None:
            self.s.set_voltage(self.segment.potential(inside))
        return self.segment.control(inside, self.model.area)

    def deliver(self, t: float) -> Control:
        """Control of a step that ends at a time: its current has the charge given in the step.

        Args:
            t: the time, s.
        """
        control, segment = self.impose(t), self.segment
        begun, inside = self.s.t - self.start, self._inside(t)
        self.model.deliver(begun, inside)
        if segment.voltage is not None or segment.drive is None:
            return control
        charge = segment.sign * segment.drive.integral(begun, inside) * self.model.area
        return Control(self.s.time.rate_for(charge, self.s.charges["passed"], self.s.dt))

    def _inside(self, t: float) -> float:
        """A time since the start of the segment, at most the end of the step to be tried, s."""
        return min(t, self.latest) - self.start

    def until(self, end: float) -> float:
        """Time at which the next step has to end at the latest: on what may not be stepped over.

        Args:
            end: of the protocol step, or of what else may not be, s.
        """
        s, start, drives, segment = self.s, self.start, self.drives, self.segment
        until = end
        if not drives:
            return until
        t = s.t - start
        most = step = min(1.5 * min(self.stepper.dt, self.settings.dt_max), until - s.t)
        for drive in drives:
            step = drive.longest(t, step)
            until = min(until, next_stop(s.t, start + drive.ahead(t)))
        own = segment.drive
        if own and own.current:
            if segment.capacity is not None:
                charge = segment.sign * self.passed()
                until = min(until, start + own.reach(segment.capacity, t, charge, step))
        return min(until, s.t + max(step, self._shortest)) if step < most else until

    @property
    def _shortest(self) -> float:
        """The shortest step that a current is followed by, s: far above the round-off of time."""
        return max(SHORTEST * self.settings.dt_min, ULPS * np.spacing(self.s.t))

    def fit(self, step: float) -> float:
        """The longest step over which the formula delivers each charge by nearly the current given.

        Where the formula knows nothing of what came before, or of a kink, it would be a mean of the
        step; a first one that is short costs little, the next are right wherever i is straight.
        Where that is shorter than the history can bear, the formula begins anew if it may then go
        further, or if nothing else fits: a BDF1 step imposes the mean current of the step. So what
        is imposed is within the tolerance of the current given at the end, or within the values
        given in the step; never beyond them, as BDF2 would be after a kink.

        Args:
            step: the longest, s.
        """
        s, own, segment = self.s, self.segment.drive, self.segment
        flows = self.model.setup.edges.flows
        given = [(flow.given, s.charges[ledger(name)]) for name, flow in flows.items()]
        if own and own.current:
            given.append((own, s.charges["passed"] * segment.sign / self.model.area))

        def soft() -> tuple[float, bool]:
            """A step that is short enough, or the shortest one, and whether it is."""
            short = step
            for each in given:
                while (gap := self._gap(*each, short)) > 1.0 and short > self._shortest:
                    short = max(short * min(max(0.9 / gap, 0.1), 0.8), self._shortest)
            return short, all(self._gap(*each, short) <= 1.0 for each in given)

        short, fits = soft()
        if s.time.history == 1 or (fits and short >= min(10.0 * self.settings.dt_min, step)):
            return short
        history, s.time.history = s.time.history, 1
        anew, _ = soft()
        s.time.history = history
        if fits and anew <= 2.0 * short:
            return short
        s.restart_formula()
        return anew

    def _gap(self, drive: Drive, charges: npt.NDArray[np.float64], step: float) -> float:
        """Current imposed by a step less that given at its end, over what it may be.

        Args:
            drive: the current given.
            charges: delivered at the ends of the two last steps, C/m2.
            step: s.
        """
        s, t = self.s, self.s.t - self.start
        slack = 1e-9 * s.time.past_dt[0] + 1e-12 * s.t
        fresh = s.time.history == 1 or bool((np.abs(drive.ahead(t) - t) <= slack).any())
        size = max(drive.size(t + step), 1e-3 * MIN_DENSITY)
        most = (FRESH_TOLERANCE_SHARE if fresh else 1.0) * self.settings.tolerance * size
        if s.time.history > 1:  # round-off of what the last step delivered
            most += 4.0 * np.spacing(abs(charges[0])) / s.time.past_dt[0]
        rate = s.time.rate_for(drive.integral(t, t + step), charges, step)
        return float(abs(rate - drive.value(t + step)) / most)
