"""Steps of a protocol: plate, strip, rest, hold, pulse, cycle."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Discriminator, Field

from fem.values.kinds import (
    AreaCharge,
    Count,
    Current,
    Potential,
    Table,
    Time,
    Voltage,
)
from fem.values.units import Quantity

Duration = Annotated[Time | None, Field(description="ends the step after this time")]
Capacity = Annotated[AreaCharge | None, Field(description="ends the step after this charge")]
Magnitude = Annotated[Current, Field(description="magnitude, per projected area")]


class Plate(Table):
    """Metal is plated at constant (or tabulated) current."""

    step: Literal["plate"]
    current_density: Magnitude
    duration: Duration = None
    capacity: Capacity = None
    cutoff: Potential | None = Field(
        None,
        description="ends the step when phi_s(collector) - phi_s(counter) falls to it; below 0, as "
        "the voltage of a cell with a cathode is throughout",
    )


class Strip(Table):
    """Metal is stripped at constant (or tabulated) current."""

    step: Literal["strip"]
    current_density: Magnitude
    duration: Duration = None
    capacity: Capacity = None
    cutoff: Potential | None = Field(
        None,
        description="ends the step when phi_s(collector) - phi_s(counter) rises to it; above 0, "
        "but against a cathode",
    )


class Rest(Table):
    """No current."""

    step: Literal["rest"]
    duration: Time = Field(description="ends the step after this time")


class Hold(Table):
    """The voltage is held."""

    step: Literal["hold"]
    voltage: Voltage = Field(description="phi_s(collector) - phi_s(counter)")
    duration: Duration = None
    capacity: Capacity = None
    cutoff: Annotated[float, Quantity("A/m^2", gt=0)] | None = Field(
        None,
        description="ends the step when the magnitude of the current density, per projected area, "
        "falls to it",
    )


#: A last pulse that would be shorter than this share of one is left out.
PULSE_SLACK = 1e-6


class Pulse(Table):
    """Current on and off in turn."""

    step: Literal["pulse"]
    direction: Literal["plate", "strip"] = Field(
        "plate", description="direction of the current while it is on"
    )
    current_density: Annotated[float, Quantity("A/m^2", gt=0)] = Field(
        description="magnitude while it is on, per projected area"
    )
    on: Time = Field(description="time with current")
    off: Time = Field(description="time without current after each pulse")
    cycles: Count | None = Field(None, description="ends the step after this many pulses")
    capacity: Annotated[
        AreaCharge | None,
        Field(description="ends the step after this charge; the last pulse is cut short"),
    ] = None
    cutoff: Potential | None = Field(
        None,
        description="ends the step when the voltage falls (plate, below 0) or rises (strip, above "
        "0) to it; against a cathode any",
    )

    @property
    def pulses(self) -> int:
        """Number of pulses; the capacity of the step may cut the last one short."""
        counts = [self.cycles] if self.cycles is not None else []
        if self.capacity is not None:
            share = self.capacity / (self.current_density * self.on)
            counts.append(math.ceil(share - PULSE_SLACK))
        return max(min(counts), 1)


class Cycle(Table):
    """Steps that are repeated."""

    step: Literal["cycle"]
    cycles: Count = Field(description="number of times the steps are run")
    steps: tuple[
        Annotated[Plate | Strip | Rest | Hold | Pulse, Discriminator("step")], ...
    ] = Field(min_length=1, description="plate, strip, rest, hold and pulse steps, as above")


Step = Annotated[Plate | Strip | Rest | Hold | Pulse | Cycle, Discriminator("step")]
