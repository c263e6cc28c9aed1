"""Inventory of the metal that is cycled: live, dead, in the SEI, in the counter electrode."""

from __future__ import annotations

from fem.contract.physics import TIMED, Column, Figure, Physics
from fem.physics.inventory.table import Inventory, check

__all__ = ["PHYSICS", "Inventory"]

PHYSICS = Physics(
    "inventory",
    "metal that is live, dead, in the SEI and in the counter electrode, and what cycles lose",
    "fem.physics.inventory.build:build",
    table=Inventory,
    studies=TIMED,
    after=("walls", "metal"),
    check=check,
    columns=(
        Column("metal_live", "C/m^2", "M: metal that can be stripped", per_area=True,
               each_cycle=True),
        Column("metal_dead", "C/m^2", "X: metal without contact", per_area=True, each_cycle=True),
        Column("metal_sei", "C/m^2", "S: charge that went into side reactions", per_area=True,
               each_cycle=True),
        Column("metal_counter", "C/m^2", "K: metal in the counter electrode; of one without a "
               "thickness or capacity, less what it held at the start", per_area=True,
               each_cycle=True),
        Column("gain_live", "C/m^2", "dM of this cycle", per_area=True, each_cycle=True),
        Column("gain_dead", "C/m^2", "dX of this cycle", per_area=True, each_cycle=True),
        Column("gain_sei", "C/m^2", "dS of this cycle", per_area=True, each_cycle=True),
        Column("energy_in", "J/m^2", "electrical energy that this cycle took", per_area=True,
               each_cycle=True),
        Column("energy_out", "J/m^2", "electrical energy that this cycle gave", per_area=True,
               each_cycle=True),
        Column("host_use", "", "share of the host's pores that metal fills", optional=True,
               each_cycle="most"),
        Column("swelling", "m", "metal outside the host, less what a foil opposite has lost",
               each_cycle="most"),
        Column("inventory", "", "M + X + S + K against the start", closure=True),
    ),
    figures=(
        Figure("cycles", "efficiency, retention and the inventory, cycle by cycle",
               draw="fem.physics.inventory.figures:cycles", whole=True),
    ),
)
