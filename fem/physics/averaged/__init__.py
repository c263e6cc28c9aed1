"""Averaged hosts: electrons, ions and metal on the same cells, pores that fill."""

from __future__ import annotations

from fem.contract.physics import Column, Estimate, EventKind, Field, Figure, Metric, Physics
from fem.physics.averaged.table import Averaged, check, foiled, notes, places

__all__ = ["PHYSICS"]

PHYSICS = Physics(
    "averaged",
    "porous hosts that are not resolved: volume averages, and metal that fills their pores",
    "fem.physics.averaged.build:build",
    table=Averaged,
    lacks=(("electrolyte", "pores that fill are those of one salt"),),
    after=("electrons", "ions", "walls"),
    studies=frozenset({"secondary", "steady", "tertiary"}),
    check=check,
    places=places,
    foiled=foiled,
    ingredients="fem.physics.averaged.ingredients:ingredients",
    notes=notes,
    fields=(
        Field("eps_m", "", r"metal per volume $\varepsilon_\mathrm{m}$", balance="metal in pores",
              block="averaged", carried="nearest"),
        Field("eps_dead", "", r"dead metal per volume", balance="dead metal", block="averaged",
              carried="nearest"),
        Field("eps", "", r"pores per volume $\varepsilon$", block="averaged"),
        Field("i_v", "A/m^3", r"reaction current per volume $|a_\mathrm{s} i_\mathrm{n}|$",
              colours="plasma", magnitude=True, block="averaged"),
        Field("a_s", "1/m", r"reacting area per volume $a_\mathrm{s}$", block="averaged"),
    ),
    columns=(
        Column("filled", "", "share of the pores of averaged hosts that metal fills"),
        Column("eps_min", "", "least share of the volume that is left of their pores"),
        Column("bottom_up", "", "B of the reaction, 2 <depth>/H - 1; -1: all on top"),
        Column("lead", "V", "how much further past its barrier the leading host is than the next",
               optional=True),
        Column("stranded", "C/m^2", "dead metal in averaged hosts", per_area=True),
    ),
    events=(
        EventKind("clogged", "metal has closed a pore of an averaged host"),
        EventKind("thick_fibres", "fibres of law `fibre_thin` have met: half of the pores are full",
                  "run"),
    ),
    figures=(
        Figure("averaged", "metal in the pores of averaged hosts, and where it grows",
               maps=("eps_m", "i_v")),
    ),
    estimates=(
        Estimate("nu", "", "number of the column; above 1: uneven",
                 "fem.physics.averaged.estimates:nu"),
        Estimate("Ne", "", "reaction resistance over that of the way, with current; below 1: "
                 "uneven", "fem.physics.averaged.estimates:Ne"),
    ),
    metrics=(
        Metric("margin_mV", "mV", "smallest lead of one host over the next while metal plates",
               "fem.physics.averaged.metrics:margin"),
    ),
    spread="fem.physics.averaged.metrics:spread",
)
