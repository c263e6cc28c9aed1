"""SEI: films that grow out of the electrolyte, on walls and in averaged hosts."""

from __future__ import annotations

from fem.contract.physics import TIMED, Column, EventKind, Field, Figure, Physics
from fem.physics.sei.table import Sei, check, notes, places

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "sei",
    "films that grow on walls and in averaged hosts from electrons, metal ions and solvent",
    "fem.physics.sei.build:build",
    table=Sei,
    many=True,
    prepare="fem.physics.sei.build:prepare",
    after=("electrons", "ions", "walls", "metal", "averaged"),
    studies=TIMED | {"steady", "secondary"},
    check=check,
    notes=notes,
    places=places,
    free=frozenset({"solvent"}),
    fields=(
        Field("L_sei", "m", r"film thickness $L_\mathrm{SEI}$", medium="wall",
              balance="growth of the film", colours="cividis", carried="nearest"),
        Field("eps_sei", "", r"film per volume $\varepsilon_\mathrm{SEI}$",
              balance="growth of the film in pores", carried="nearest"),
        Field("L_sei_pores", "m", r"film thickness in pores $L_\mathrm{SEI}$", colours="cividis"),
        Field("L_sei_counter", "m", "film thickness on the counter electrode",
              balance="growth of the film opposite", medium="electrolyte", block="counter",
              carried="nearest"),
    ),
    columns=(
        Column("sei_thickness", "m", "mean thickness of the film", optional=True,
               each_cycle=True),
        Column("sei_thickest", "m", "largest thickness of the film", optional=True),
        Column("sei_charge", "C/m^2", "charge that made film", per_area=True, optional=True,
               each_cycle=True),
        Column("sei_broken", "C/m^2", "charge of the film that broke off", per_area=True,
               optional=True),
        Column("sei_counter_thickness", "m", "mean thickness of the film on the counter electrode",
               optional=True, each_cycle=True),
        Column("sei_counter_charge", "C/m^2", "charge that made film on the counter electrode",
               per_area=True, optional=True, each_cycle=True),
        Column("solvent_used", "mol/m^2", "solvent that film was made of", per_area=True,
               optional=True),
        Column("solvent_share", "", "of the solvent in the cell that is used up", optional=True),
        Column("sei", "", "charge of the film against what made it", closure=True,
               optional=True),
        Column("lithium", "", "charge passed against metal, film and side reactions",
               closure=True, optional=True),
    ),
    figures=(
        Figure("sei", "thickness of the film on walls", maps=("L_sei",)),
        Figure("sei_pores", "thickness of the film in averaged hosts", maps=("L_sei_pores",)),
    ),
    events=(EventKind("solvent_gone", "the solvent of the cell is used up", "run"),),
)
