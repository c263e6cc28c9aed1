"""Steps of the protocol: plate, strip, rest, hold, pulse, cycle, each with its stops.

A case's steps become a flat list of segments, in each of which one thing is imposed: a pulse is
current and rest in turn, a cycle the same steps again. Time steps land on the ends of segments.

Currents here follow i_n: plating is negative. Densities refer to the projected cell area.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from fem.case.drive import Drive, drive
from fem.case.protocol import PULSE_SLACK
from fem.solver.options import Control
from fem.values.properties import Along, Constant

__all__ = ["Segment", "Turnover", "after", "next_stop", "segments"]

#: Voltage by which a step may pass a cut-off, V; only a step of dt_min may pass it by more.
VOLTAGE_SLACK = 1e-3
#: The same of the current of a held voltage, as the logarithm of its ratio to the cut-off.
CURRENT_SLACK = 1e-2
#: Share of its cut-off below which a current counts as that.
LEAST_CURRENT = 1e-3
#: Share of a capacity by which a step may pass it if its end is not known beforehand.
CHARGE_SLACK = 1e-6


@dataclass(frozen=True)
class Segment:
    """One thing that is imposed, in SI.

    Attributes:
        name: `plate`, `strip`, `rest` or `hold`.
        density: imposed current density as a function of the time since the start of the segment,
            A/m2, a magnitude; None if the voltage is imposed.
        voltage: imposed voltage in the same way, V; None if the current is.
        duration: s, or None.
        capacity: charge per projected area that ends it, C/m2, or None.
        cutoff: voltage that ends it, V, or None; of a held voltage the current density, A/m2.
        part: number of the protocol step that it belongs to; all pulses of a step share it.
        cycle: from 1 on in a `cycle` step, counted through the whole protocol; else 0.
        pulse: from 1 on in a `pulse` step, else 0.
        tolerance: to which what changes in time is followed, see `fem.case.drive`.
    """

    name: str
    density: Any = None
    voltage: Any = None
    duration: float | None = None
    capacity: float | None = None
    cutoff: float | None = None
    part: int = 0
    cycle: int = 0
    pulse: int = 0
    tolerance: float = 1e-3

    @property
    def place(self) -> dict[str, int]:
        """Numbers of the segment, as far as it has them: `cycle`, `pulse`."""
        return {k: v for k in ("cycle", "pulse") if (v := getattr(self, k))}

    @property
    def label(self) -> str:
        """Name and numbers for messages, as `plate (cycle 2, pulse 3)`."""
        numbers = ", ".join(f"{k} {v}" for k, v in self.place.items())
        return f"{self.name} ({numbers})" if numbers else self.name

    @property
    def sign(self) -> float:
        """-1 plating, +1 stripping, 0 otherwise."""
        return {"plate": -1.0, "strip": 1.0}.get(self.name, 0.0)

    @property
    def knots(self) -> list[float]:
        """Times at which the table that drives it has a kink, since its start, s."""
        given = self.voltage if self.density is None else self.density
        return list(given.curve.x) if isinstance(given, Along) else []

    @cached_property
    def drive(self) -> Drive | None:
        """Imposed current or voltage, examined beforehand; None if it does not change in time.

        Raises:
            CaseError: a formula that cannot be followed, see `Drive`.
        """
        given = self.voltage if self.density is None else self.density
        end = math.inf if self.duration is None else self.duration
        return drive(given, end, self.tolerance, current=self.density is not None)

    def control(self, time: float, area: float, *, after: bool = False) -> Control:
        """Control at a time since the start of the segment.

        Args:
            time: s.
            area: projected, m2 (2D: m).
            after: at a jump, what is imposed after it.
        """
        if self.density is None:
            return Control(None)
        return Control(self.sign * self._now(self.density, time, after) * area)

    def potential(self, time: float, *, after: bool = False) -> float:
        """The voltage imposed, V; arguments as in `control`."""
        return self._now(self.voltage, time, after)

    def _now(self, given: Any, time: float, after: bool) -> float:
        if self.drive is None:
            return float(given.at(t=time))
        return self.drive.value(time, after=after)

    def mean(self, time: float, span: float) -> float:
        """Mean of the current imposed in a span of time, over what it is right after its start."""
        if self.drive is None:
            return 1.0
        charge = self.drive.integral(time, time + span)
        return charge / span / self.drive.value(time, after=True)

    def end(self) -> float:
        """Latest end after its start, s, known beforehand; infinite if only an event ends it."""
        ends = [self.duration] if self.duration is not None else []
        constant = self.density is not None and not self.density.variables
        if self.capacity is not None and constant and self.sign:
            ends.append(self.capacity / self.density.at())
        return min([*ends, *self.knots[-1:]], default=float("inf"))

    def _past(self, voltage: float, density: float) -> float:
        """By how much the cut-off is passed, in slacks; negative before it."""
        assert self.cutoff is not None
        if self.voltage is None:
            return self.sign * (voltage - self.cutoff) / VOLTAGE_SLACK
        # Currents decay by ratios: their logarithm leads straight to the cut-off.
        ratio = max(abs(density) / self.cutoff, LEAST_CURRENT)
        return -math.log(ratio) / CURRENT_SLACK

    def stop(self, voltage: float, charge: float, density: float = math.inf) -> str | None:
        """The event that has been reached, if any.

        Args:
            voltage: cell voltage, V.
            charge: charge passed since the start of the segment per projected area, C/m2.
            density: of the current per projected area, A/m2; what is imposed need not be given.
        """
        if self.cutoff is not None and self._past(voltage, density) >= 0.0:
            return "cutoff"
        if self.capacity is not None and abs(charge) >= self.capacity * (1 - CHARGE_SLACK):
            return "capacity"
        return None

    def overshoot(
        self, voltage: tuple[float, float], charge: tuple[float, float],
        density: tuple[float, float] = (math.inf, math.inf),
    ) -> float | None:
        """Share of a tried step that would land on a stop; None if the step may stand.

        Args:
            voltage: before and after the step, V.
            charge: before and after, per projected area since the start of the segment, C/m2.
            density: of the current before and after, as in `stop`.
        """
        shares = []
        if self.cutoff is not None:
            before, past = map(self._past, voltage, density)
            if past > 1.0:
                room = max(-before, 0.0) + 0.5
                shares.append(room / (room + past))
        if self.capacity is not None:
            past = abs(charge[1]) - self.capacity
            if past > CHARGE_SLACK * self.capacity:
                room = self.capacity - abs(charge[0])
                shares.append(room / (room + past))
        return min(max(min(shares), 0.05), 0.999) if shares else None


def segments(case: Any) -> list[Segment]:
    """The protocol of a case: cycles and pulses one after the other."""
    out: list[Segment] = []
    part = cycle = 0
    for step in case.protocol:
        rounds = step.cycles if step.step == "cycle" else 1
        for _ in range(rounds):
            cycle += step.step == "cycle"
            for inner in step.steps if step.step == "cycle" else (step,):
                number = cycle if step.step == "cycle" else 0
                out += [
                    replace(s, part=part, cycle=number, tolerance=case.time.tolerance)
                    for s in _parts(inner)
                ]
                part += 1
    return out


def _parts(step: Any) -> Iterator[Segment]:
    """The segments of one step that is no cycle."""
    if step.step == "pulse":
        density = Constant(step.current_density, "A/m^2")
        for k in range(1, step.pulses + 1):
            share = math.inf  # of this pulse that the capacity leaves
            if step.capacity is not None:
                share = step.capacity / (step.current_density * step.on) - (k - 1)
            on = step.on if share > 1.0 - PULSE_SLACK else share * step.on
            yield Segment(step.direction, density, duration=on, cutoff=step.cutoff, pulse=k)
            if share > 1.0 + PULSE_SLACK:
                yield Segment("rest", Constant(0.0, "A/m^2"), duration=step.off, pulse=k)
        return
    rest = Constant(0.0, "A/m^2") if step.step == "rest" else None
    ends = ("voltage", "duration", "capacity", "cutoff")
    given: dict[str, Any] = {name: getattr(step, name, None) for name in ends}
    yield Segment(step.step, getattr(step, "current_density", rest), **given)


def after(protocol: Sequence[Segment], number: int, *, whole: bool) -> int:
    """Number of the segment that follows one; `whole`: the rest of its protocol step is left out.

    Args:
        protocol: all segments.
        number: of the one that ended.
        whole: an event ended the protocol step that it belongs to.
    """
    part = protocol[number].part
    number += 1
    while whole and number < len(protocol) and protocol[number].part == part:
        number += 1
    return number


class Turnover:
    """Charge plated and stripped in each cycle.

    Attributes:
        cycles: a row per cycle that has begun: `cycle`, `plated` and `stripped` (charge through
            the collector per projected area, C/m2), `coulombic_efficiency` (stripped over plated,
            None without plating), and what `add` was given on its end.
    """

    def __init__(self, cycles: Iterable[dict[str, Any]] = ()):
        self.cycles = [dict(row) for row in cycles]

    def add(
        self, cycle: int, charge: float, state: Mapping[str, float], most: Container[str] = ()
    ) -> None:
        """Count a step.

        Args:
            cycle: in which it lies; 0 for none.
            charge: that passed in it per projected area, C/m2; negative plates.
            state: numbers of its end that the last step of a cycle decides.
            most: those of them of which the largest in the cycle counts.
        """
        if not cycle:
            return
        if not self.cycles or self.cycles[-1]["cycle"] != cycle:
            self.cycles.append({"cycle": cycle, "plated": 0.0, "stripped": 0.0})
        row = self.cycles[-1]
        row["plated" if charge < 0.0 else "stripped"] += abs(charge)
        out = row["stripped"] / row["plated"] if row["plated"] > 0.0 else None
        row |= {"coulombic_efficiency": out}
        row |= {k: max(v, row.get(k, v)) if k in most else v for k, v in state.items()}


def next_stop(time: float, knots: Iterable[float]) -> float:
    """The first knot after a time, infinite if there is none; both since the segment's start, s."""
    return min((k for k in knots if k > time * (1 + 1e-12) + 1e-12), default=float("inf"))
