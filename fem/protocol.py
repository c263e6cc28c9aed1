"""What is done to the cell: plate, strip, rest, hold, each with its stops.

Currents here follow i_n: plating is negative. Densities refer to the projected cell area.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .properties import Along, Constant
from .solve import Control

__all__ = ["Segment", "next_stop", "segments"]

VOLTAGE_SLACK = 1e-3
"""V; a step may pass a cut-off by this much."""
CHARGE_SLACK = 1e-6
"""Share of a capacity by which a step may pass it, where its end is not known beforehand."""


@dataclass(frozen=True)
class Segment:
    """One step of a protocol, in SI.

    Attributes:
        name: `plate`, `strip`, `rest` or `hold`.
        density: imposed current density as a function of the time since the start of the segment,
            A/m2, a magnitude; None if the voltage is imposed.
        voltage: imposed voltage in the same way, V; None if the current is.
        duration: s, or None.
        capacity: charge per projected area that ends it, C/m2, or None.
        cutoff: voltage that ends it, V, or None.
    """

    name: str
    density: Any = None
    voltage: Any = None
    duration: float | None = None
    capacity: float | None = None
    cutoff: float | None = None

    @property
    def sign(self) -> float:
        """-1 plating, +1 stripping, 0 otherwise."""
        return {"plate": -1.0, "strip": 1.0}.get(self.name, 0.0)

    @property
    def knots(self) -> list[float]:
        """Times at which the table that drives it has a kink, since its start, s."""
        drive = self.voltage if self.density is None else self.density
        return list(drive.curve.x) if isinstance(drive, Along) else []

    def control(self, time: float, area: float) -> Control:
        """What is imposed at a time since the start of the segment."""
        if self.density is None:
            return Control(None)
        return Control(self.sign * float(self.density.at(t=time)) * area)

    def end(self) -> float:
        """Latest end after its start, s, known beforehand; infinite if only an event ends it."""
        ends = [self.duration] if self.duration is not None else []
        constant = self.density is not None and not self.density.variables
        if self.capacity is not None and constant and self.sign:
            ends.append(self.capacity / self.density.at())
        return min([*ends, *self.knots[-1:]], default=float("inf"))

    def stop(self, voltage: float, charge: float) -> str | None:
        """The event that has been reached, if any.

        Args:
            voltage: cell voltage, V.
            charge: charge passed since the start of the segment per projected area, C/m2.
        """
        if self.cutoff is not None and self.sign * (voltage - self.cutoff) >= 0.0:
            return "cutoff"
        if self.capacity is not None and abs(charge) >= self.capacity * (1 - CHARGE_SLACK):
            return "capacity"
        return None

    def overshoot(
        self, voltage: tuple[float, float], charge: tuple[float, float]
    ) -> float | None:
        """Share of a tried step that would land on a stop; None if the step may stand.

        Args:
            voltage: before and after the step, V.
            charge: before and after, per projected area since the start of the segment, C/m2.
        """
        shares = []
        if self.cutoff is not None:
            past = self.sign * (voltage[1] - self.cutoff)
            if past > VOLTAGE_SLACK:
                room = max(self.sign * (self.cutoff - voltage[0]), 0.0) + 0.5 * VOLTAGE_SLACK
                shares.append(room / (room + past))
        if self.capacity is not None:
            past = abs(charge[1]) - self.capacity
            if past > CHARGE_SLACK * self.capacity:
                room = self.capacity - abs(charge[0])
                shares.append(room / (room + past))
        return min(max(min(shares), 0.05), 0.999) if shares else None


def segments(case: Any) -> list[Segment]:
    """The protocol of a case."""
    out = []
    for step in case.protocol:
        get = {name: getattr(step, name, None) for name in
               ("current_density", "voltage", "duration", "capacity", "cutoff")}
        density = get.pop("current_density")
        if step.step == "rest":
            density = Constant(0.0, "A/m^2")
        out.append(Segment(step.step, density, **get))
    return out


def next_stop(time: float, knots: Iterable[float]) -> float:
    """The first knot after a time, infinite if there is none; both since the segment's start, s."""
    return min((k for k in knots if k > time * (1 + 1e-12) + 1e-12), default=float("inf"))
