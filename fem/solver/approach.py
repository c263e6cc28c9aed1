"""Ways to a current or a voltage that Newton does not find in one go: in parts, and in steps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fem.solver.options import Control, Outcome
from fem.solver.stage import Stage

__all__ = ["reach_current", "reach_voltage", "within_step"]
#: First step towards a voltage that is held, and the smallest step that is tried, V.
FIRST_VOLTAGE_STEP, MIN_VOLTAGE_STEP = 0.1, 1e-4
#: Largest distance from the voltage before at which a current is sought, V.
MAX_VOLTAGE_CHANGE = 10.0


def reach_current(stage: Stage, control: Control, scale: float) -> Outcome:
    """Solve for an imposed current; where that fails for a part of it first, then for more.

    The parts begin without any current and potential: those of a step before may be volts away.
    """
    s = stage.system
    done = Outcome(True, "converged", 0, 0, 0, 0.0)
    for number, share in enumerate((1.0, 0.01, 0.1, 0.3, 1.0)):
        if number == 1 and s.t > 0.0:
            s.set_voltage(0.0)
            for u in stage.unknowns:
                held = u.fixed_dofs()
                at = u.value.x.array[held]
                u.value.x.array[:] = 0.0
                u.value.x.array[held] = at
        saved = s.save()
        outcome = stage.solve(Control(share * (control.current or 0.0)), scale)
        done = replace(outcome.after(done), residual=outcome.residual)
        if outcome.converged and share == 1.0:
            break
        if not outcome.converged:
            s.restore(saved)
    return done


def reach_voltage(stage: Stage, goal: float, scale: float) -> Outcome:
    """Solve at an imposed voltage, from the present one on in steps that grow.

    Currents rise by a factor of 50 in 0.1 V, so a jump to the goal leaves Newton's method with
    numbers it cannot come back from. Each step foresees the potentials by the last two solutions.
    """
    s = stage.system
    here, step = s.get_voltage(), math.inf if stage.linear else FIRST_VOLTAGE_STEP
    done = Outcome(True, "converged", 0, 0, 0, 0.0)
    known: list[tuple[float, list[Any]]] = []
    while True:
        away = goal - here
        there = goal if abs(away) <= step else here + math.copysign(step, away)
        saved = s.save()
        s.set_voltage(there)
        if len(known) == 2:
            (v0, u0), (v1, u1) = known
            for u, a, b in zip(stage.unknowns, u0, u1, strict=True):
                free = np.setdiff1d(np.arange(len(b)), u.fixed_dofs())
                u.value.x.array[free] = (b + (there - v1) / (v1 - v0) * (b - a))[free]
        outcome = stage.solve(Control(None), scale)
        done = replace(outcome.after(done), residual=outcome.residual)
        if outcome.converged:
            if there == goal:
                return done
            solution = [u.value.x.array.copy() for u in stage.unknowns]
            known = [*known[-1:], (there, solution)]
            here, step = there, 2 * step
        else:
            s.restore(saved)
            step = 0.25 * min(step, abs(away))
            if step < MIN_VOLTAGE_STEP:
                return done


def within_step(stage: Stage, control: Control, scale: float) -> Outcome:
    """Solve a time step that begins with a jump, from the voltage before it on (collective).

    On a wall that has run out of salt no potentials carry a current as long as the salt stands
    still. Salt and potentials of one short step together do: at the voltage before the jump they
    are those before it, and from there the voltage is led to the one held, or to the one at which
    the walls pass the current imposed.

    Args:
        stage: the one that finds the voltage; its step has begun.
        control: what is imposed at the end of the step; a voltage that is held is set already.
        scale: cell current that residuals are compared with, A.

    Returns:
        How the last solve ended.
    """
    s = stage.system
    goal, here, step = s.get_voltage(), float(s.past_voltages[0]), FIRST_VOLTAGE_STEP
    begun = here
    s.set_voltage(here)
    for u in stage.unknowns:
        free = np.setdiff1d(np.arange(len(u.value.x.array)), u.fixed_dofs())
        u.value.x.array[free] = u.old[0].x.array[free]
    if control.current is None:
        return reach_voltage(stage, goal, scale)
    done = outcome = stage.solve(Control(None), scale)
    if not outcome.converged:
        return done
    gap = stage.gap(control)
    upwards = gap < 0.0
    while gap and (gap < 0.0) == upwards:
        there, saved = here + (step if upwards else -step), s.save()
        if abs(there - begun) > MAX_VOLTAGE_CHANGE:
            reason = f"no current within {MAX_VOLTAGE_CHANGE:g} V"
            return replace(done, converged=False, reason=reason)
        s.set_voltage(there)
        outcome = stage.solve(Control(None), scale)
        done = replace(outcome.after(done), residual=outcome.residual)
        passed = outcome.converged and (stage.gap(control) < 0.0) != upwards
        if passed:  # between here and there
            outcome = stage.solve(control, scale)
            done = replace(outcome.after(done), residual=outcome.residual)
            if outcome.converged:
                return done
        if outcome.converged:
            gap, here, step = stage.gap(control), there, min(2 * step, 4 * FIRST_VOLTAGE_STEP)
        else:
            s.restore(saved)
            step /= 4
            if step < MIN_VOLTAGE_STEP:
                break
    outcome = stage.solve(control, scale)
    return replace(outcome.after(done), residual=outcome.residual)
