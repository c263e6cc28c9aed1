"""Each ion by itself: any number of them, with fixed charge, sites, reactions and flow."""

from __future__ import annotations

from fem.contract.physics import Column, Physics
from fem.physics.species.tables import (
    ElectrolyteModel,
    Ion,
    Reaction,
    check,
    fields,
    places,
)

__all__ = ["ION", "PHYSICS", "REACTION"]

#: Studies with ions of their own.
STUDIES = frozenset({"growth", "steady", "tertiary"})

PHYSICS = Physics(
    "electrolyte_model",
    "ions that move each by itself, in place of one salt",
    "fem.physics.species.build:build",
    table=ElectrolyteModel,
    role="electrolyte",
    studies=STUDIES,
    check=check,
    places=places,
    more=fields,
    columns=(
        Column("c_least", "mol/m^3", "least concentration of any ion"),
        Column("ions", "", "content of each ion against its start and what came in, the worst",
               closure=True),
    ),
)
ION = Physics(
    "ion", "a dissolved species", table=Ion, many=True, after=("electrolyte_model",),
    studies=STUDIES,
)  # fmt: skip
REACTION = Physics(
    "reaction", "a homogeneous reaction of them", table=Reaction, many=True,
    after=("electrolyte_model",), studies=STUDIES,
)  # fmt: skip
