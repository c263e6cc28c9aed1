"""Progress shown to the user during a run: a line per step, and a guess of the time left."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from fem.contract.physics import Column
from fem.run.segments import Segment
from fem.solver.stepper import Step

__all__ = ["Progress", "in_notebook"]

#: Share of the run before which the time left is not guessed: the first steps are the small ones.
FIRST_GUESS_SHARE = 0.3
#: Number of steps that are foreseen one by one; further ones are taken to be alike.
MAX_FORESEEN_STEPS = 1000

_HEADER = "  step       t (s)      dt (s)  newton krylov  voltage    "


class Progress:
    """One line per accepted step of a run, with the wall time that is left.

    The rest of a protocol step costs its number of steps, foreseen from the present size and
    growth, times what a step costs now. Segments to come cost what those of their kind did. An
    event (a cut-off, depletion) that ends a protocol step early is not foreseen; one that has no
    other end, as in a cycle, is taken to come when it came before; the first of them is named.

    Args:
        protocol: its steps.
        longest: largest time step, s.
        every: simulated time between outputs, on which steps land, s.
        clock: wall time, s.
    """

    def __init__(
        self, protocol: Sequence[Segment], longest: float = math.inf, every: float = math.inf,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.protocol, self.longest, self.every, self.clock = protocol, longest, every, clock
        self.start: float | None = None
        self.took: dict[str, list[float]] = {}
        self.lasted: dict[str, list[float]] = {}
        self.shown = False

    def begin(self, number: int, start: float, t: float, output: float) -> None:
        """A segment begins or is resumed.

        Args:
            number: which, from 0.
            start: when it began, s.
            t: now, s.
            output: when fields are written next, s.
        """
        self.kind, self.whole = self.protocol[number].name, t == start
        self.t0, self.t, self.output, self.begun = t, t, output, start
        self.end = start + self._span(self.protocol[number])
        later = self.protocol[number + 1 :]
        self.later = Counter(segment.name for segment in later)
        self.ahead = sum(map(self._span, later))
        self.unknown = self._unknown(self.protocol[number])
        self.start = t if self.start is None else self.start
        self.w0 = self.w = self.clock()
        self.costs: deque[float] = deque(maxlen=3)
        self.steps = 0

    def note(self, t: float, next_dt: float) -> None:
        """A step was accepted, and the size of the next one proposed, s."""
        now = self.clock()
        self.costs.append(now - self.w)
        self.growth = min(max(next_dt / (t - self.t), 1.0), 2.0)
        self.t, self.w, self.next_dt, self.steps = t, now, next_dt, self.steps + 1
        while self.output <= t * (1 + 1e-12):
            self.output += self.every

    def finish(self) -> None:
        """The segment has ended."""
        if self.whole:
            self.took.setdefault(self.kind, []).append(self.clock() - self.w0)
            self.lasted.setdefault(self.kind, []).append(self.t - self.begun)

    def _span(self, segment: Segment) -> float:
        """Simulated time that it takes or, where only an event ends it, that its kind took, s."""
        end, known = segment.end(), self.lasted.get(segment.name)
        return end if math.isfinite(end) or not known else sum(known) / len(known)

    def _unknown(self, segment: Segment) -> str:
        """Words in place of the time left while that cannot be known."""
        if math.isinf(self.end) and segment.cutoff is not None:
            return "until the cutoff"
        return "open, a cutoff follows" if math.isinf(self.ahead) else "estimating"

    def seconds(self) -> float | None:
        """Wall time left, s; None while it cannot be known."""
        assert self.start is not None
        whole = self.end - self.start + self.ahead
        if not self.t - self.start >= FIRST_GUESS_SHARE * whole > 0.0:
            return None
        spent, took = self.w - self.w0, dict(self.took)
        if self.t - self.t0 >= FIRST_GUESS_SHARE * (self.end - self.t0):
            # The cheapest of the last: rejected tries and the writing of fields are no rule.
            here = self._steps() * min(self.costs)
            took[self.kind] = [*took.get(self.kind, []), spent + here]
        elif took:
            here = max(_usual(took, self.kind) - spent, 0.0)
        else:
            return None
        return here + sum(count * _usual(took, kind) for kind, count in self.later.items())

    def _steps(self) -> float:
        """Steps to the end, if their size grows on as in the last one; they land on outputs.

        None is shorter than their mean so far: steps that an event cuts, by thousands close to a
        cut-off, are no rule.
        """
        t, output, steps = self.t, self.output, 0
        dt = max(self.next_dt, (t - self.t0) / self.steps)
        while t < self.end * (1 - 1e-12) and steps < MAX_FORESEEN_STEPS:
            stop, dt, steps = min(self.end, output), min(dt, self.longest), steps + 1
            if t + 1.3 * dt < stop:  # else it is stretched or cut to land there, see `Stepper`
                t, dt = t + dt, dt * self.growth
            else:
                t, output = stop, output + (self.every if stop == output else 0.0)
        return steps + max(self.end - t, 0.0) / dt

    def left(self) -> str:
        """Time left in words."""
        seconds = self.seconds()
        if seconds is None:
            return self.unknown
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

    def bar(self, width: int = 30) -> str:
        """Share of the simulated time that is done, and the time left, as one short line."""
        assert self.start is not None
        whole = self.end - self.start + self.ahead
        share = (self.t - self.start) / whole if 0.0 < whole < math.inf else 0.0
        full = round(width * min(max(share, 0.0), 1.0))
        return f"[{'#' * full}{' ' * (width - full)}] {100 * share:3.0f} %, left: {self.left():22}"

    def line(
        self, number: int, step: Step, voltage: float, numbers: Mapping[Column, float]
    ) -> str:
        """The step as text, after a header the first time.

        Args:
            number: of the step.
            step: what it took.
            voltage: V.
            numbers: columns that are printed, with their values.
        """
        wide = [max(len(column.name), 8) for column in numbers]
        titles = "".join(f"  {c.name:>{n}}" for c, n in zip(numbers, wide, strict=True))
        header = "" if self.shown else f"{_HEADER}{titles}  left\n"
        self.shown = True
        values = "".join(
            f"  {value:{n}.1e}" if column.closure else f"  {value:{n}.5g}"
            for (column, value), n in zip(numbers.items(), wide, strict=True)
        )
        millivolts = round(1e3 * voltage, 3) + 0.0  # no -0.000
        return (
            f"{header}{number:6d} {step.t:11.7g} {step.dt:11.4g} {step.newton:7d} {step.linear:6d}"
            f"  {millivolts:8.3f} mV{values}  {self.left()}"
        )


def in_notebook() -> bool:
    """The program runs in a notebook's kernel."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return type(found).__name__ == "ZMQInteractiveShell"


def _usual(took: Mapping[str, Sequence[float]], kind: str) -> float:
    """Mean of what protocol steps of a kind took, or of all if none of it is known."""
    times = took.get(kind) or [w for known in took.values() for w in known]
    return sum(times) / len(times)
