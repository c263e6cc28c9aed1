"""Metal that grows and dissolves: its front, its pieces, what it covers and leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fem.contract.physics import Column, EventKind, Field, Figure, Metric, Physics
from fem.physics.metal.table import Growth, check

__all__ = ["PHYSICS", "Growth"]


def _short_circuit(sections: Mapping[str, Any]) -> str:
    """End of a short circuit: the run's, if the case says so."""
    growth = sections.get("growth")
    return "run" if growth is None or growth.short_circuit == "stop" else ""


PHYSICS = Physics(
    "metal",
    "metal that fills pores, and its front",
    solver="fem.physics.metal.build:build",
    books="fem.physics.metal.build:books",
    table=Growth,
    section="growth",
    studies=frozenset({"growth"}),
    check=check,
    free=frozenset({"short_circuit"}),
    fields=(
        Field("xi", "", r"share of metal $\xi$", balance="metal of the front", block="metal",
              fills=True),
        Field("dead", "", "metal without electronic contact", cut_off=True),
    ),
    columns=(
        Column("tip", "m", "distance of the highest metal from the collector", last=False),
        Column("live", "C/m^2", "metal that is connected to the collector", per_area=True,
               last=False),
        Column("dead", "C/m^2", "metal without electronic contact", per_area=True, last=False,
               each_cycle=True),
        Column("islands", "", "pieces of it", last=False),
        Column("residue", "C/m^2", "metal too thin to conduct: live + dead + residue = plated",
               per_area=True, last=False),
        Column("floor", "", "share of the current that passes through empty pores", last=False),
        Column("xi_min", "", "smallest share of metal", last=False),
        Column("xi_max", "", "largest share of metal", last=False),
    ),
    events=(
        EventKind("short_circuit", "metal joins collector and counter electrode", _short_circuit),
        EventKind("overflow", "the tip of the metal has passed the top of the host"),
        EventKind("bridge", "metal joins a solid that floated to the collector"),
        EventKind("island", "a piece of metal has lost its contact"),
        EventKind("joined", "a piece of metal has a contact again"),
        EventKind("dissolved", "a piece of metal without contact is gone"),
        EventKind("void", "a pore is closed: no ions get in"),
        EventKind("opened", "a closed pore is open again"),
        EventKind("full", "no pore is left to plate in", "step"),
        EventKind("unresolved_front", "the front is too wide for its kinetics", "run"),
    ),
    figures=(
        Figure("metal", "growth study: the metal at up to five times",
               draw="fem.post.growth:metal", whole=True),
        Figure("fill", "growth study: most filled share of the pores by depth; tip and dead metal",
               draw="fem.physics.metal.figures:fill", whole=True),
    ),
    metrics=(
        Metric("tip_height", "m", "highest place with xi = 1/2 over the collector (2D)",
               "fem.physics.metal.metrics:tip"),
        Metric("roughness", "m", "root mean square of the height of the outermost metal (2D)",
               "fem.physics.metal.metrics:roughness"),
        Metric("contour", "", "length of the contour xi = 1/2 over the width of the cell (2D)",
               "fem.physics.metal.metrics:contour"),
        Metric("overflow", "", "share of the metal above the host",
               "fem.physics.metal.metrics:overflow"),
        Metric("fill_half", "", "depth above which half of the metal lies, over the thickness",
               "fem.physics.metal.metrics:fill_half"),
        Metric("fullest", "s", "stored time with the most metal, as figure `fill` shows it",
               "fem.physics.metal.metrics:fullest"),
        Metric("clog_depth", "m", "depth of the highest slice of the host that metal has closed",
               "fem.physics.metal.metrics:clog_depth"),
        Metric("pieces", "", "bodies of metal that touch nowhere",
               "fem.physics.metal.metrics:pieces"),
        Metric("branches", "", "ends of the metal's branches; 1 for a body without any",
               "fem.physics.metal.metrics:branches"),
    ),
    spread="fem.physics.metal.metrics:spread",
)
