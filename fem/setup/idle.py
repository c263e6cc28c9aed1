"""Remarks on entries for surfaces that the mesh does not have: their names fit, to no effect."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from fem.setup.setup import Setup

__all__ = ["idle"]


def idle(setup: Setup) -> Iterator[str]:
    """[[kinetics]], [[coatings]] and regions that are right by name and have no wall."""
    case, domain = setup.case, setup.domain
    ionic, conductors = setup.ionic, [*setup.conductors, *setup.pores]
    met = [set(wall) for wall in domain.walls]
    solids = [name for name in conductors if name not in ionic]
    bare = [n for n in solids if not any(n in wall and wall & {*ionic} for wall in met)]
    ends = [b for b in ("collector", "counter") if not domain.faces_of(b, ionic)]
    nothing = {n: "touches no electrolyte" for n in (*bare, *ends)}
    nothing |= {n: "conducts ions itself" for n in ionic if not setup.fillings[n].porous}
    nothing |= {n: "conducts neither electrons nor ions" for n in domain.regions
                if n not in conductors and n not in ionic}
    known = {*domain.regions, "collector", "counter", "metal"}
    entries = [(f"kinetics.{k}.surface", e.surface) for k, e in enumerate(case.kinetics)]
    entries += [(f"coatings.{k}.on", c.on) for k, c in enumerate(case.coatings)]
    for place, glob in entries:
        fits = [name for name in sorted(known) if fnmatchcase(name, glob)]
        if fits and all(name in nothing for name in fits):
            why = "; ".join(f"{name} {nothing[name]}" for name in fits)
            yield f"{place}: {glob!r} matches nothing that reacts on this mesh: {why}"
    for name in bare:  # the core of a coated fibre touches what conducts
        if not any(name in wall and len(wall & {*conductors}) > 1 for wall in met):
            yield (f"region {name!r} conducts electrons but touches no electrolyte and no other "
                   "conductor: its wall area is 0, nothing plates on it")
