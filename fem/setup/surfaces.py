"""Surfaces of a cell: which walls react, under which coating, with the numbers of which pair.

Surfaces that differ in numbers only become one `Electrode`, with fields for numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem.base.constants import T_REF
from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.coatings import no_electrons, nothing_reacts
from fem.compat import MPI, dfem
from fem.mesh.domain import Domain, on_side
from fem.setup import edges
from fem.setup.electrode import Electrode, Surfaces, Wall
from fem.setup.laws import find_law
from fem.setup.reaction import Reaction, coated, reaction_of
from fem.setup.setup import Filled
from fem.values.properties import Along, Formula, number, varies
from fem.values.units import shown_point

__all__ = ["read"]

#: Counter electrodes of metal, or of what holds it.
SOLID = ("metal", "foil", "cathode")


def read(filled: Filled, c0: float, kappa: float) -> Surfaces:
    """All surfaces that react.

    Args:
        filled: what is asked for, on its mesh.
        c0: initial concentration, mol/m3.
        kappa: largest ionic conductivity, S/m.

    Raises:
        CaseError: an entry matches no surface, a pair is unknown, or nothing reacts.
    """
    case, domain = filled.case, filled.domain
    _check_coated(filled)
    walls, touching = _touching(filled)
    ends = {n: tuple(domain.faces_of(n, filled.ionic)) for n in ("collector", "counter")}
    if case.study != "primary":
        _check_expressions(case, domain, walls | ends, c0)
    faces = {"counter": ends["counter"]} if case.counter.kind in SOLID else {}
    surfaces = {n: filled.fillings[n].material.name for n in (*walls, *filled.porous)}
    if touching:
        surfaces["collector"] = case.collector.material or case.metal
    found = {name: coated(case, name, surface) for name, surface in surfaces.items()}
    reactions = {name: reaction for name, reaction in found.items() if reaction is not None}
    dead, on = [n for n in found if n not in reactions], walls | {"collector": touching}
    if not reactions:
        raise CaseError(nothing_reacts(dead) if dead else (
            "nothing reacts: no electron conductor touches the electrolyte; give a region a "
            "conducting material, or let the electrolyte touch the boundary `collector`"
        ))
    electrode = functools.partial(_electrode, case, domain, _conductance(filled, kappa))
    plating = [
        electrode(f"walls_{k}", {n: reactions[n] for n in names},
                  walls=tuple(w for n in names for w in walls[n]))
        for k, names in enumerate(_alike({n: reactions[n] for n in walls if n in reactions}))
    ]
    counter: Electrode | None = None
    opposite: dict[str, Reaction] = {}
    if case.counter.kind == "cathode":
        counter = _cathode(domain, case.counter.resistance or 0.0, ends["counter"])
    elif case.counter.kind in SOLID:
        metal = reaction_of(case, "counter", case.metal).behind(edges.counter_contact(case))
        opposite = {"counter": metal}
        counter = electrode("counter", opposite, faces=ends["counter"], potential="ground")
    if "collector" in reactions:
        faces["collector"] = touching
        foil = {"collector": reactions["collector"]}
        plating.append(electrode("collector", foil, faces=touching, potential="driven"))
    return Surfaces(
        tuple(plating), counter,
        max(_largest(domain, r.eta_nuc) for r in reactions.values()),
        max(r.q_cov for r in reactions.values()),
        reactions | opposite, walls, faces,
        tuple(wall for name in dead for wall in on.get(name, ())),
    )


def _touching(filled: Filled) -> tuple[dict[str, tuple[Wall, ...]], tuple[Wall, ...]]:
    """Walls between each solid and electrolyte, and faces at which the collector reacts.

    Behind pores that react all through, the collector does so where a physics says it.
    """
    case, porous = filled.case, filled.porous
    liquid = [name for name in filled.ionic if name not in porous]
    walls: dict[str, tuple[Wall, ...]] = {}
    for wall in filled.domain.walls:
        if wall[0] in filled.solids and wall[1] in liquid:
            walls[wall[0]] = (*walls.get(wall[0], ()), wall)
    foiled = [name for physics in case.taking_part() for name in physics.foiled(vars(case))]
    behind = [n for n in porous if any(fnmatchcase(n, name) for name in foiled)]
    return walls, tuple(filled.domain.faces_of("collector", [*liquid, *behind]))


def _conductance(filled: Filled, kappa: float) -> float:
    """Conductance that stands for no kinetics, S/m2, films in series; 0 for kinetics.

    A wall then drops 1e-6 of what the electrolyte drops.
    """
    low, high = filled.domain.ends
    return 1e6 * kappa / (high - low) if filled.case.study == "primary" else 0.0


def _check_coated(filled: Filled) -> None:
    """Every [[coatings]] entry lies on something that brings it electrons.

    Raises:
        CaseError: all entries that lie on insulators or electrolytes only.
    """
    plating = {*filled.solids, *filled.porous, "collector"}
    lost = []
    for k, coating in enumerate(filled.case.coatings):
        on = [n for n in (*filled.domain.regions, "collector") if fnmatchcase(n, coating.on)]
        if on and not plating & {*on}:
            lost.append(f"coatings.{k}.on: {coating.on!r}: {no_electrons(on)}")
    if lost:
        raise CaseError("\n".join(lost))


def _alike(reactions: Mapping[str, Reaction]) -> list[list[str]]:
    """Surfaces in groups of one law; one whose numbers vary with place stands by itself."""
    groups: dict[Any, list[str]] = {}
    for name, r in reactions.items():
        key = (r.law, r.covered, r.film_resistance > 0.0, name if r.varied else None)
        groups.setdefault(key, []).append(name)
    return [*groups.values()]


#: Kinetic numbers that may be expressions: unit, and what they can be.
_PLACE_DEPENDENT = {"i0": ("A/m^2", "it must stay above 0"), "eta_nuc": ("V", "at least 0 V")}


def _check_expressions(
    case: Case, domain: Domain, on: dict[str, tuple[tuple[str, str], ...]], c: float
) -> None:
    """Expressions in [[kinetics]] keep to what they can be on this mesh (collective).

    Args:
        case: with the entries.
        domain: the mesh.
        on: surface -> its walls or faces.
        c: concentration of the start, mol/m3.

    Raises:
        CaseError: all that do not, with a place.
    """
    wrong = []

    def points(surface: str) -> Any:
        pairs = [pair for n, found in on.items() if fnmatchcase(n, surface) for pair in found]
        walls, faces = ([p for p in pairs if p in known] for known in (domain.walls, domain.faces))
        return domain.corners(walls, faces)

    for k, entry in enumerate(case.kinetics):
        for prop, (unit, rule) in _PLACE_DEPENDENT.items():
            value = getattr(entry, prop)
            if value is None or not varies(value):
                continue
            lost = sorted(value.variables - {"c", "T", *domain.coordinates()})
            if lost:
                why = "; the mesh has no host" if "depth" in lost else f" in {domain.dim}D"
                wrong.append(f"kinetics.{k}.{prop}: depends on {', '.join(lost)}, which does not "
                             f"exist{why}")
            elif isinstance(value, Formula):  # numbers of a list were checked when it was read
                here = points(entry.surface)
                low, at, problem = _lowest(domain, value, here, c, case.temperature)
                if problem:
                    wrong.append(f"kinetics.{k}.{prop}: {problem}")
                elif low < 0.0 or (low == 0.0 and prop == "i0"):
                    where = shown_point(at[: domain.dim])
                    of_c = f" and c = {c:.4g} mol/m^3" if "c" in value.variables else ""
                    wrong.append(f"kinetics.{k}.{prop}: falls to {low:.4g} {unit} at {where}"
                                 f"{of_c}; {rule}")
    if wrong:
        raise CaseError("\n".join(wrong))


def _lowest(
    domain: Domain, value: Formula, points: Any, c: float, T: float
) -> tuple[float, tuple[float, ...], str]:
    """Lowest value at points and where, or why there is none (collective)."""
    low, at, problem = np.inf, (), ""
    known = {k: v for k, v in (domain.places(points) | {"c": c, "T": T}).items()
             if k in value.variables}
    try:
        values = np.broadcast_to(value.at(**known), len(points))
        if len(values):
            worst = int(np.argmin(values))
            low, at = float(values[worst]), tuple(points[worst].tolist())
    except CaseError as error:  # only on ranks that have such a point
        problem = str(error)
    everyone = domain.comm.allgather((low, at, problem))
    return min(everyone)[0], min(everyone)[1], max(text for *_, text in everyone)


def _largest(domain: Domain, value: Any) -> float:
    """Largest value of a property of place at the nodes of the mesh (collective)."""
    if not varies(value):
        return number(value)
    if isinstance(value, Along):
        return float(np.max(value.curve.y))
    points = domain.mesh.geometry.x
    places = domain.places(points)
    known = {k: v for k, v in places.items() if k in value.variables}
    here = float(np.max(value.at(**known, T=T_REF), initial=0.0))
    return domain.comm.allreduce(here, op=MPI.MAX)


def _ohmic(eta: Any, i0: Any, *_: Any) -> Any:
    """A law i = i0 eta: i0 is a conductance, S/m2."""
    return i0 * eta


def _cathode(domain: Domain, resistance: float, faces: tuple[Wall, ...]) -> Electrode:
    """A counter electrode that goes by Ohm's law; what holds its metal gives it its `rest`."""
    conductance = dfem.Constant(domain.mesh, 1.0 / resistance)

    return Electrode("counter", lambda c, T: conductance, covered=True, law=_ohmic, faces=faces,
                     potential="ground")


def _electrode(
    case: Case, domain: Domain, conductance: float, name: str, reactions: Mapping[str, Reaction],
    **place: Any,
) -> Electrode:
    """One electrode whose numbers are fields over the solids, or constants at a boundary.

    Args:
        case: gives its own laws, and the temperature.
        domain: the mesh.
        conductance: that stands for no kinetics, S/m2; 0 for kinetics.
        name: of the electrode.
        reactions: of its surfaces.
        place: walls or faces, and which potential the metal has, as `Electrode` names them.
    """
    first = next(iter(reactions.values()))
    side = "+" if place.get("walls") else ""

    def value(prop: str) -> Any:
        values = {n: getattr(r, prop) for n, r in reactions.items()}
        if varies(getattr(first, prop)):
            return getattr(first, prop).at(**domain.coordinates(), T=case.temperature)
        if side:
            return domain.field(values, prop)
        return dfem.Constant(domain.mesh, float(values.popitem()[1]))

    if conductance:
        films = {n: 1.0 / (1.0 / conductance + r.film_resistance) for n, r in reactions.items()}
        ohmic = domain.field(films, "conductance")("+") if side else films.popitem()[1]
        return Electrode(name, lambda c, T: ohmic, covered=True, law=_ohmic, **place)
    in_i0 = [n for n in ("i0", "c_ref", "alpha_a", "Ea") if not varies(getattr(first, n))]
    numbers = {n: value(n) for n in in_i0}

    def exchange(c: Any, T: Any) -> Any:
        here = replace(first, **{n: on_side(number, side) for n, number in numbers.items()})
        return here.exchange_current(c, T, domain.coordinates())

    return Electrode(
        name,
        exchange,
        alpha_a=numbers["alpha_a"],
        alpha_c=value("alpha_c"),
        eta_nuc=value("eta_nuc"),
        q_cov=value("q_cov"),
        film_resistance=value("film_resistance") if first.film_resistance > 0.0 else None,
        covered=first.covered,
        law=find_law(first.law, case.hooks.module if case.hooks else None),
        **place,
    )
