"""Each ion by itself: any number of them, with fixed charge, sites, reactions and flow."""

from __future__ import annotations

from fem.contract.physics import Column, Figure, Physics
from fem.physics.species.tables import (
    ElectrolyteModel,
    Ion,
    Reaction,
    asked,
    check,
    fields,
    places,
)

__all__ = ["PHYSICS"]

#: Studies with ions of their own.
STUDIES = frozenset({"growth", "steady", "tertiary"})

PHYSICS = (
    Physics(
        "electrolyte_model",
        "ions that move each by itself, in place of one salt",
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
        figures=(
            Figure("ions", "concentration of each ion, where they move each by itself",
                   draw="fem.physics.species.figures:ions"),
        ),
    ),
    Physics(
        "electroneutral",
        "ions without space charge, with [electrolyte_model] model = \"ions\"",
        "fem.physics.species.build:build",
        "fem.physics.species.build:books",
        studies=STUDIES,
        wanted=asked,
    ),
    Physics("ion", "a dissolved species", table=Ion, many=True, studies=STUDIES),
    Physics("reaction", "a homogeneous reaction of them", table=Reaction, many=True,
            studies=STUDIES),
)  # fmt: skip
