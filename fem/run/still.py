"""Runs that do not follow a protocol in time: one solve, or steps until nothing changes."""

from __future__ import annotations

from typing import ClassVar

from fem.base.errors import CaseError, RunError
from fem.files import checkpoint
from fem.run.diagnosis import Trouble
from fem.run.recorder import Tally
from fem.run.simulation import Simulation
from fem.solver.stepper import Step
from fem.system import verdicts

__all__ = ["Single", "Steady"]


#: Change of a step, in units of each field's scale, below which a steady state is reached.
REST_CHANGE = 1e-10


class Single(Simulation):
    """Primary and secondary distribution: one solve, no time."""

    once: ClassVar[bool] = True

    def check(self) -> None:
        """Set the initial state, and refuse unknowns that a study without time would not change.

        Raises:
            CaseError: there are some, or the state lies outside measured tables.
        """
        if unknowns := sorted({*self.main.names} - {*self.potentials.names}):
            raise CaseError(
                f"study: {self.case.study!r}: is one solve without time, in which "
                f"{', '.join(unknowns)} cannot change; take 'steady' or 'tertiary', or leave out "
                "the physics"
            )
        super().check()

    def continue_from(self, found: checkpoint.Checkpoint) -> None:
        """Take up a checkpoint; the one solve is done again."""
        super().continue_from(found)
        self.tally, self.done_before = Tally(), 0

    def _march(self) -> None:
        segment = self.segments[0]
        self._start(segment)
        done = self._consistent(segment)
        control = segment.control(0.0, self.model.area)
        scale = self._scale(control)
        for stage in self.stages[1:]:
            found = stage.solve(control, scale)
            if not found.converged:
                raise RunError(
                    f"no solution for {', '.join(stage.names)} ({found.reason}, residual "
                    f"{found.residual:.1e} of the cell current)"
                )
            done = found.after(done)
        numbers = self._measured(scale)
        self._accept()
        self._record(
            Step(0.0, 0.0, done.newton, done.linear, done.factored, 0, 0.0, done.residual), numbers
        )
        self.recorder.fields()


class Steady(Simulation):
    """A steady state, by implicit Euler steps that grow until nothing changes.

    The salt content, which the steady equations leave open, is kept by the time steps. Where
    stages follow each other (currents by temperature, temperature by currents), long steps may make
    the state go back and forth; steps get shorter then. Where something happens on the way, as a
    limit that is reached, a step ends there, as one in time does.
    """

    def _march(self) -> None:
        segment, s = self.segments[0], self.s
        if self.settled:
            return
        self._start(segment, fresh=s.t == 0.0)
        if s.t == 0.0:
            self._consistent(segment)
        control = segment.control(0.0, self.model.area)
        scale, dt = self._scale(control), self.stepper.dt
        for _attempt in range(200):
            before = s.save()
            s.restart_formula()
            s.begin(dt)
            done = self.stepper.solve(control, scale)
            if not done.converged:
                s.restore(before)
                dt *= 0.3
                if dt < self.settings.dt_min:
                    self._stop_short(segment, Trouble.of(self.model, self.stages, done))
                    return
                continue
            change = verdicts.error(s)
            numbers = self._measured(s.reference_current(scale))
            share, least = self._happens_at(), self.settings.dt_min
            if share is not None and dt > least * (1 + 1e-9):
                s.restore(before)
                dt = max(share * dt, least)
                continue
            s.accept()
            self._accept()
            self.stepper.gently = False
            step = Step(s.t, dt, done.newton, done.linear, done.factored, 0, change, done.residual)
            happened = self._record(step, numbers)
            if any(event.ends for event in happened) or self.events.over:
                break
            if change < REST_CHANGE and dt > 1e4 * self.settings.dt0:
                self.settled = True
                break
            dt *= 0.3 if change > REST_CHANGE and verdicts.alternates(s) else 3.0
            self.stepper.dt = dt
            self._save_if_due()
        else:
            raise RunError(
                f"no steady state: after 200 steps the state still changes by {change:.1e} of its "
                "scale; it may have none, or go back and forth between two"
            )
        self.recorder.fields()
