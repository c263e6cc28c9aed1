"""Fixed charge in the electrolyte: of a host, a separator, or the walls of its channels."""

from __future__ import annotations

from fem.contract.physics import ALL, Column, Field, Physics
from fem.physics.charged.table import FixedCharge, check, places

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "fixed_charge",
    "charge that stays where it is and shifts the ions around it",
    "fem.physics.charged.build:build",
    table=FixedCharge,
    many=True,
    prepare="fem.physics.charged.build:prepare",
    after=("ions",),
    studies=ALL,
    check=check,
    places=places,
    fields=(
        Field("c_plus", "mol/m^3", "metal ions $c_+$", "electrolyte", shown=(1e-3, "mol/L")),
        Field("c_minus", "mol/m^3", "anions $c_-$", "electrolyte", shown=(1e-3, "mol/L")),
    ),
    columns=(
        Column("c_plus_min", "mol/m^3", "least concentration of metal ions in charged regions",
               optional=True),
        Column("c_minus_min", "mol/m^3", "least concentration of anions in charged regions",
               optional=True),
    ),
)
