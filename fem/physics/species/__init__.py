"""Each ion by itself: any number of them, with fixed charge, sites, reactions and flow."""

from __future__ import annotations

from fem.contract.physics import Physics
from fem.physics.species.tables import (
    ElectrolyteModel,
    Ion,
    Reaction,
    check,
    fields,
    places,
)

__all__ = ["ION", "PHYSICS", "REACTION"]

PHYSICS = Physics(
    "electrolyte_model",
    "ions that move each by itself, in place of one salt",
    table=ElectrolyteModel,
    role="electrolyte",
    check=check,
    places=places,
    more=fields,
)
ION = Physics(
    "ion", "a dissolved species", table=Ion, many=True, after=("electrolyte_model",)
)
REACTION = Physics(
    "reaction", "a homogeneous reaction of them", table=Reaction, many=True,
    after=("electrolyte_model",),
)  # fmt: skip
