"""Walls where electrons and ions meet."""

from __future__ import annotations

from fem.contract.physics import ALL, Field, Physics

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "walls",
    "the reaction of the metal on walls, and films of it",
    studies=ALL,
    fields=(
        Field("eta", "V", r"overpotential $\eta$", medium="wall"),
        Field("i_n", "A/m^2", r"local current density $|i_\mathrm{n}|$", shown=(1e-4, "A/cm²"),
              colours="plasma", magnitude=True, medium="wall"),
        Field("coverage", "", "covered share of the wall", medium="wall"),
        Field("film_thickness", "m", "plated film thickness", colours="plasma", magnitude=True,
              medium="wall"),
        Field("q", "C/m^2", "plated charge per wall area", balance="charge of the film",
              shown=(1e-4, "C/cm²"), colours="plasma", magnitude=True, medium="wall"),
    ),
)
