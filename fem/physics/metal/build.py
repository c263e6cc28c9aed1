"""From a case to its growing metal: which pores it fills, on which walls it starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.coatings import films_on
from fem.compat import MPI
from fem.materials import library
from fem.mesh.domain import Domain
from fem.physics.metal.covering import Barrier, Covering
from fem.physics.metal.crystal import Crystal
from fem.physics.metal.deposit import Deposit
from fem.physics.metal.displacement import Displacement
from fem.physics.metal.events import MetalEvents
from fem.physics.metal.metal import Counter, Film, Metal
from fem.physics.metal.penetration import Penetration
from fem.physics.metal.resolution import Resolution
from fem.physics.metal.room import Room
from fem.physics.metal.supply import Supply
from fem.physics.metal.table import Growth
from fem.setup import pieces
from fem.setup.media import ElectronMedia, IonMedia
from fem.setup.surfaces import Reaction, Surfaces, bulk_metal
from fem.system.part import Part
from fem.system.system import System
from fem.values.properties import Constant, varies

__all__ = ["books", "counter", "covering", "displacement", "metal", "pores", "set_initial"]

#: Conductivity of an empty pore for electrons over that of the best electrolyte for ions. What
#: leaks through it is measured in every step.
FLOOR_SHARE = 1e-8

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def _table(case: Case) -> Growth:
    """The table of the metal, which a growth study has."""
    growth = case.table(Growth)
    assert growth is not None
    return growth


def pores(fillings: Mapping[str, Any]) -> list[str]:
    """Regions that metal can fill: electrolyte by itself, not in an averaged medium.

    Raises:
        CaseError: there is none.
    """
    out = [
        name for name, filling in fillings.items()
        if isinstance(filling.material, library.Electrolyte) and filling.porosity is None
    ]
    if not out:
        raise CaseError("regions: a growth study needs a region of plain electrolyte to grow into")
    return out


def _law_of(reaction: Reaction, case: Case, domain: Domain) -> Callable[[Any], Any]:
    """Points -> law of a bare wall there."""

    def at(points: Any) -> Any:
        places = domain.places(points)
        return reaction.at(case, places, bare=True)

    return at


def _barrier_of(reaction: Reaction, case: Case, domain: Domain) -> Callable[[Any], Any] | None:
    """Points -> eta_nuc of a bare wall there, V; None without any."""
    if not (varies(reaction.eta_nuc) or reaction.eta_nuc):
        return None

    def at(points: Any) -> Any:
        return np.broadcast_to(reaction.barrier(case, domain.places(points)), len(points))

    return at


def _side_law_of(reaction: Reaction, case: Case, domain: Domain) -> Callable[[Any], Any]:
    """Points -> side reaction of a bare wall there."""

    def at(points: Any) -> Any:
        return reaction.side(domain.places(points))

    return at


def counter(case: Case, found: Surfaces) -> Counter | None:
    """The counter electrode of a growth study, if it is metal."""
    if found.counter is None:
        return None
    law = found.reactions["counter"].at(case, {}, bare=False)
    return Counter(law, found.faces["counter"], found.reactions["counter"].film)


def metal(
    case: Case, domain: Domain, found: Surfaces, bridges: Mapping[str, float], kappa: float,
    cap: float, electrons: ElectronMedia | None,
) -> Metal:
    """The metal of a case.

    Args:
        case: what is asked for.
        domain: its mesh.
        found: surfaces on which it may start.
        bridges: the pores, with the conductivity of the mat that bridges them out of the plane of a
            2D cut, S/m; 0 without one.
        kappa: largest ionic conductivity, S/m.
        cap: conductivity that is enough for any solid, S/m.
        electrons: what conducts them.

    Raises:
        CaseError: data are missing.
    """
    growth = _table(case)
    data, energy = case.metal_data, growth.surface_energy
    films, passive = [], []
    cosines: dict[tuple[str, str], float] = {}
    for name, reaction in found.reactions.items():
        walls = tuple(w for w in found.walls.get(name, ()) if w[1] in bridges)
        faces = tuple(f for f in found.faces.get(name, ()) if f[1] in bridges)
        if name == "counter":
            continue
        if not reaction.nucleating:
            law, barrier = _law_of(reaction, case, domain), _barrier_of(reaction, case, domain)
            films.append(Film(name, law, walls, faces, reaction.film, barrier))
        if walls and not reaction.covered:
            side = _side_law_of(reaction, case, domain)
            passive.append(Film(name, side, walls, resistance=reaction.film))
        if reaction.contact_angle is not None:
            cosines |= dict.fromkeys((*walls, *faces), math.cos(reaction.contact_angle))
    floor = FLOOR_SHARE * kappa
    bridged = tuple(name for name, bridge in bridges.items() if bridge > floor)
    label, floats = pieces.afloat(domain, electrons, {*bridges} - {*bridged})
    _require_open(case, domain, found, label, floats)
    afloat = domain.field({}, "afloat")
    afloat.x.array[:] = np.append(floats, False)[label]  # -1, no piece: the last entry
    sigma_floor = domain.field(
        {name: min(max(bridge, floor), cap) for name, bridge in bridges.items()}, "sigma_floor"
    )
    bulk = bulk_metal(case, found.front_film)
    return Metal(
        tuple(bridges),
        bulk.at(case, {}, bare=False),
        float(data.molar_volume),
        growth.interface_width,
        sigma=min(float(data.sigma), cap),
        sigma_floor=sigma_floor,
        z=data.z,
        surface_energy=float(data.surface_energy) if energy is None else energy,
        mobility=growth.mobility,
        max_change=growth.max_change,
        films=tuple(f for f in films if f.walls or f.faces),
        passive=tuple(passive) if floats.any() else (),
        afloat=afloat,
        bridged=bridged,
        cos_contact=cosines,
        crystal=Crystal(
            growth.anisotropy or 0.0,
            growth.kinetic_anisotropy or 0.0,
            growth.crystal_angle or 0.0,
        ),
        resistance=bulk.film,
    )


def _require_open(
    case: Case, domain: Domain, found: Surfaces, label: Ints, floats: Mask
) -> None:
    """No solid floats under a coating that metal plates beneath (collective).

    Metal that comes from elsewhere does not touch the solid through such a coating, and metal that
    has grown beneath it does: both would be the same xi at the same node.

    Args:
        case: what is asked for.
        domain: its mesh.
        found: its surfaces.
        label: number of the piece of every local cell, -1 where nothing conducts.
        floats: which pieces float.

    Raises:
        CaseError: one does.
    """
    tags, afloat = domain.cell_tag_array, np.append(floats, False)[label]
    sealed = [n for n in found.walls if n in found.reactions and found.reactions[n].sealed]
    for name in sealed:
        here = bool((afloat & (tags == domain.regions[name])).any())
        if not domain.comm.allreduce(here, op=MPI.LOR):
            continue
        films = films_on(name, case.coatings, case.fillings)
        film = next(f for f in films if f.electrons is None)
        raise CaseError(
            f"{film.place}: {film.material!r} stops electrons and lets ions pass, so metal plates "
            f"under it; on {name!r}, which touches no collector, a growth study cannot tell that "
            "metal from metal that comes from outside and is kept off. Give blocks_ions = true "
            "(nothing plates there, and what comes is kept off), let the solid touch the collector "
            "(contacts, connected or bridge_sigma), or leave the coating out"
        )


def displacement(case: Case, ions: IonMedia, metal: Metal) -> Displacement | None:
    """Electrolyte that metal displaces; None where it stays or nothing dissolves salt."""
    growth = _table(case)
    if growth.displacement == "none" or not ions.salty:
        return None
    return Displacement(ions, metal, growth.ion_volume or 0.0)


def covering(case: Case, domain: Domain, found: Surfaces, metal: Metal) -> Covering | None:
    """Film walls with a barrier, which goes with the charge they plate; None without any.

    Raises:
        CaseError: `q_cov` is meant for a surface that is no film wall.
    """
    for name, reaction in found.reactions.items():
        if reaction.names_q_cov and (reaction.nucleating or name == "counter"):
            raise CaseError(
                f"kinetics of {name!r}: q_cov is the charge after which a film wall is covered, "
                "and this is not one; give it for film walls only"
            )
    barriers = []
    for film in metal.films:
        reaction = found.reactions[film.name]
        if film.barrier is not None:
            barriers.append(Barrier(film.name, film.barrier, reaction.q_cov))
    return Covering(metal, tuple(barriers)) if barriers else None


def books(case: Case, metal: Metal, c0: float, starts: Sequence[Any]) -> tuple[Part, ...]:
    """Observers of the metal of a case.

    Args:
        case: what is asked for.
        metal: that grows.
        c0: initial salt concentration, mol/m3.
        starts: surfaces on which it appears besides its films.
    """
    deposit = Deposit(metal)
    return (
        deposit, Room(deposit), Penetration(metal, case, c0), MetalEvents(deposit),
        Resolution(deposit, (*metal.films, *starts)),
    )  # fmt: skip


def supply(case: Case, ions: IonMedia, metal: Metal) -> Supply | None:
    """Limit of what a voltage that is held draws; None where none is, or without salt."""
    steps = (s for step in case.protocol for s in (step.steps if step.step == "cycle" else [step]))
    holds = any(step.step == "hold" for step in steps)
    return Supply(ions, metal) if holds and ions.salty else None


def set_initial(case: Case, domain: Domain, s: System) -> None:
    """Metal that is there at the start: a layer on the collector, with the resting profile.

    Of a thickness d that is a number there is as much metal as asked for, though the wall cuts the
    profile: with its middle at h it holds lambda ln(1 + exp(h/lambda)), so that
    h = d + lambda ln(1 - exp(-d/lambda)). Nodes sum that up within (size/lambda)^2/12.
    An expression of place says where the middle is.
    """
    layer = case.initial.metal_layer
    if layer is None:
        return
    width = _table(case).interface_width
    xi = s.unknowns["xi"]
    points = xi.space.tabulate_dof_coordinates()
    places = domain.places(points)
    thickness = layer.at(**{k: v for k, v in places.items() if k in layer.variables})
    if isinstance(layer, Constant):
        room = domain.ends[1] - domain.ends[0]
        if layer.value >= room:
            raise CaseError(
                f"initial.metal_layer: {1e6 * layer.value:.4g} um: leaves no electrolyte in a cell "
                f"of {1e6 * room:.4g} um"
            )
        thickness = thickness + width * math.log(-math.expm1(-layer.value / width))
    above = domain.along(points) - domain.ends[0] - thickness
    xi.value.x.array[:] = 0.5 - 0.5 * np.tanh(0.5 * above / width)
