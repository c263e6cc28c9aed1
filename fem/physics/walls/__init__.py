"""Walls where electrons and ions meet."""

from __future__ import annotations

from fem.contract.physics import ALL, Column, Estimate, EventKind, Field, Figure, Physics

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "walls",
    "the reaction of the metal on walls, and films of it",
    solver="fem.physics.walls.build:build",
    books="fem.physics.walls.build:books",
    studies=ALL,
    ingredients="fem.physics.walls.ingredients:ingredients",
    fields=(
        Field("i_n", "A/m^2", r"local current density $|i_\mathrm{n}|$", shown=(1e-4, "A/cm²"),
              colours="plasma", magnitude=True, medium="wall"),
        Field("eta", "V", r"overpotential $\eta$", medium="wall"),
        Field("coverage", "", "covered share of the wall", medium="wall"),
        Field("film_thickness", "m", "plated film thickness", colours="plasma", magnitude=True,
              medium="wall"),
        Field("q", "C/m^2", "plated charge per wall area", balance="charge of the film",
              shown=(1e-4, "C/cm²"), colours="plasma", magnitude=True, medium="wall",
              carried="nearest"),
        Field("q_counter", "C/m^2", "metal in the counter electrode, per its area",
              balance="metal of the counter electrode", medium="electrolyte", block="counter",
              carried="nearest"),
    ),
    columns=(
        Column("plated", "C/m^2", "charge of the metal, on walls or in pores", per_area=True,
               optional=True, last=False),
        Column("counter_left", "C/m^2", "charge of the metal that the counter electrode holds",
               per_area=True, optional=True, last=False),
        Column("faraday", "", "metal against charge passed less side reactions", closure=True,
               optional=True, last=False, printed=True),
    ),
    events=(
        EventKind("counter_empty", "the counter electrode has no metal left to plate", "step"),
        EventKind("counter_full", "the counter electrode has no room left for metal", "step"),
    ),
    figures=(
        Figure("local_current", "i_n along walls or the front of growing metal, magnitude",
               maps=("i_n",), draw="fem.post.figures:local_current"),
        Figure("plated", "film thickness on the walls (or plated charge)",
               maps=("film_thickness", "q"), draw="fem.post.figures:first"),
        Figure("depth", "reaction current against depth, and its share by region",
               draw="fem.post.diagrams:depth", whole=True),
    ),
    estimates=(
        Estimate("wagner", "", "kinetic over ohmic resistance; far above 1: even current",
                 "fem.physics.walls.estimates:wagner"),
    ),
    spread="fem.physics.walls.metrics:spread",
)
