"""What a user sees while it runs: a line per step, and a guess of the time left."""

from __future__ import annotations

import math
import time
from collections import deque

from .stepper import Step

__all__ = ["Progress"]

SURE = 0.3
"""Share of a protocol step before which no time is guessed: the first steps are the small ones."""

_HEADER = (
    "  step           t          dt  newton krylov  voltage     c_min/c0  balance  faraday  salt"
    "     left"
)


class Progress:
    """One line per accepted step of a protocol step.

    Args:
        start: time at which it begins (or is resumed), s.
        end: time at which it ends, s; infinite if only an event ends it.
    """

    def __init__(self, start: float, end: float):
        self.start, self.end = start, end
        self.pace: deque[tuple[float, float]] = deque([(time.perf_counter(), start)], maxlen=12)
        self.told = False

    def note(self, t: float) -> None:
        """A step was accepted."""
        self.pace.append((time.perf_counter(), t))

    def left(self) -> str:
        """Time left, from the pace of the last steps; `estimating` before `SURE` of the way."""
        (w0, t0), (w1, t1) = self.pace[0], self.pace[-1]
        if not math.isfinite(self.end) or t1 - self.start < SURE * (self.end - self.start):
            return "estimating"
        seconds = (self.end - t1) * (w1 - w0) / max(t1 - t0, 1e-300)
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

    def line(self, number: int, step: Step, voltage: float, c: float, closures: list[float]) -> str:
        """The step as text, after a header the first time.

        Args:
            number: of the step.
            step: what it took.
            voltage: V.
            c: lowest concentration over c0.
            closures: relative errors of charge, Faraday and salt balance.
        """
        header = "" if self.told else _HEADER + "\n"
        self.told = True
        errors = "  ".join(f"{x:.1e}" for x in closures)
        return (
            f"{header}{number:6d} {step.t:11.5g} {step.dt:11.4g} {step.newton:7d} {step.linear:6d}"
            f"  {1e3 * voltage:8.3f} mV {c:8.4f}  {errors}  {self.left()}"
        )
