"""Numbers of a case before it runs, and what they are made of: layers, salt, current, kinetics.

Each is declared by the physics that owns it (`fem.contract.physics.Estimate`); `docs/metrics.md`
has their formulas. What varies in space, or what only a mesh can tell, makes no estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from fem.base.errors import CaseError
from fem.case.drive import drive
from fem.contract.physics import named
from fem.values.properties import number, varies

if TYPE_CHECKING:
    from fem.case.case import Case
    from fem.materials import Electrolyte
from fem.values.kinds import LAW_VARIABLES

__all__ = [
    "AtRest", "Plating", "Slab", "at_rest", "estimates", "highest", "largest", "salt", "slabs",
]  # fmt: skip


def estimates(case: Case) -> dict[str, Any]:
    """Estimates that mean something for a case, SI; some are several numbers by name."""
    if case.brought is not None:
        return {}
    found = {}
    for physics in case.taking_part():
        for estimate in physics.estimates:
            try:
                value = named(estimate.of)(case)
            except CaseError:
                continue  # a number that the library lacks, and that the run may not need
            if value is not None and value != {}:
                found[estimate.name] = value
    return found


class Plating(NamedTuple):
    """A step that plates.

    Attributes:
        J: current density, A/m2, > 0.
        duration: of the step without cutoffs, s; None if nothing says so.
    """

    J: float
    duration: float | None


def largest(case: Case) -> Plating | None:
    """The step of the largest constant current that plates."""
    found = max(_platings(case.protocol), key=lambda step: step.J, default=None)
    return found if found is not None and found.J > 0.0 else None


def highest(case: Case) -> float:
    """Largest current density of steps that plate, A/m2; infinite if only time will show it."""
    found = largest(case)
    in_time = _in_time(case.protocol, case.time.tolerance)
    return max(0.0 if found is None else found.J, *in_time, 0.0)


def _in_time(steps: Any, tolerance: float) -> Iterator[float]:
    """Largest values of currents that are given in time, A/m2."""
    for step in steps:
        if step.step == "cycle":
            yield from _in_time(step.steps, tolerance)
        elif step.step == "plate" and varies(step.current_density):
            end = math.inf if step.duration is None else step.duration
            found = drive(step.current_density, end, tolerance, current=True)
            yield found.highest if found is not None and found.sizes else math.inf


def _platings(steps: Any) -> Iterator[Plating]:
    for step in steps:
        given = getattr(step, "current_density", None)
        if step.step == "cycle":
            yield from _platings(step.steps)
        elif "plate" not in (step.step, getattr(step, "direction", "")) or varies(given):
            continue
        elif step.step == "pulse":
            yield Plating(number(given), step.on)
        else:
            J = number(given)
            ends = [step.duration, None if step.capacity is None or not J else step.capacity / J]
            yield Plating(J, min((t for t in ends if t is not None), default=None))


def salt(case: Case) -> tuple[Electrolyte, float] | None:
    """The binary electrolyte of a case and its concentration at the start, mol/m3."""
    from fem.case.species import own_ions
    from fem.materials import Electrolyte, material

    found = material(case.electrolyte, case.fillings, cation=case.metal)
    if own_ions(vars(case)) or not isinstance(found, Electrolyte) or varies(case.initial.c):
        return None
    c0 = float(found.c0) if case.initial.c is None else number(case.initial.c)
    return (found, c0) if c0 > 0.0 else None


class Slab(NamedTuple):
    """A layer across a cell whose layers are flat.

    Attributes:
        name: of its region.
        thickness: m.
        region: its entry in [regions]; None without one.
    """

    name: str
    thickness: float
    region: Any


def slabs(case: Case) -> list[Slab]:
    """Layers of a planar cell from the collector upwards; none of any other geometry."""
    from fem.case.geometry import layers_of

    return [Slab(name, thickness, _entry(case, name))
            for name, thickness in layers_of(vars(case))]


def _entry(case: Case, name: str) -> Any:
    """Entry of a region in [regions]."""
    return next((r for glob, r in case.regions.items() if fnmatchcase(name, glob)), None)


class AtRest(NamedTuple):
    """Kinetics of a surface at the concentration of the start.

    Attributes:
        i0: exchange current density, A/m2.
        alphas: anodic and cathodic transfer coefficient.
        film: resistance of films, ohm m2.
    """

    i0: float
    alphas: tuple[float, float]
    film: float


def at_rest(case: Case, name: str, solid: str, c0: float) -> AtRest | None:
    """Kinetics of a surface; None where they are not known or vary in space.

    Args:
        case: that says them, or whose library does.
        name: of the surface.
        solid: that it is of.
        c0: salt, mol/m3.
    """
    from fem.case.coatings import films_on, meeting
    from fem.case.names import surface_of

    T = case.temperature
    try:
        surface = surface_of(name, solid, vars(case))
        if surface is None:
            return None
        pair = case.pair_data(surface, strict=False)
        place = meeting(name, solid, films_on(name, case.coatings, case.fillings))
    except CaseError:
        return None
    given: dict[str, Any] = {}
    for entry in case.kinetics:
        if fnmatchcase(name, entry.surface):
            keys = ("i0", "alpha_a", "alpha_c", "film_resistance", "c_ref")
            given |= {k: v for k in keys if (v := getattr(entry, k)) is not None}
    if not pair.has("i0_ref") and not {"i0", "alpha_a", "alpha_c"} <= given.keys():
        return None
    alphas = tuple(float(given.get(k) or getattr(pair, k)) for k in ("alpha_a", "alpha_c"))
    i0 = given.get("i0")
    if i0 is None:
        i0 = pair.i0(c0, T)
    elif i0.variables - {*LAW_VARIABLES}:
        return None  # varies in space
    else:
        i0 = i0.at(c=c0, T=T)
    film = given.get("film_resistance")
    if film is not None and varies(film) and film.variables - {"T"}:
        return None
    resistance = float(film.at(T=T)) if film is not None and varies(film) else (
        number(film) if film is not None else 0.0
    )
    resistance += place.resistance if place is not None else 0.0
    return AtRest(float(i0), (alphas[0], alphas[1]), resistance)
