"""From a case to its growing metal: which pores it fills, on which walls it starts."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.coatings import films_on
from fem.case.estimates import highest, salt
from fem.case.reading import short
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.physics.displacement import Displacement
from fem.physics.metal.covering import Barrier, Covering
from fem.physics.metal.crystal import Crystal
from fem.physics.metal.events import MetalEvents
from fem.physics.metal.ledger import MetalLedger
from fem.physics.metal.metal import Counter, Film, Metal
from fem.physics.metal.penetration import Penetration
from fem.physics.metal.resolution import Resolution
from fem.physics.metal.room import Room
from fem.physics.metal.supply import Supply
from fem.physics.metal.table import Growth
from fem.setup import pieces
from fem.setup.electrode import Surfaces
from fem.setup.media import ElectronMedia
from fem.setup.reaction import Reaction, bulk_metal
from fem.setup.setup import Setup
from fem.system.part import Part
from fem.theory import limiting_current
from fem.values.properties import Constant, number, varies
from fem.values.units import shown_length

__all__ = ["books", "build"]

#: Conductivity of an empty pore for electrons over that of the best electrolyte for ions. What
#: leaks through it is measured in every step.
FLOOR_SHARE = 1e-8
#: Share of the limiting current of a cell without pores from which on salt may not suffice: walls
#: and tortuous pores bring less.
NEAR_LIMIT = 0.25
#: Interface widths from collector to counter electrode, at least: xi goes from 0.12 to 0.88 in 4.
MIN_ROOM = 4

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def build(setup: Setup, growth: Growth) -> Iterator[Part]:
    """The metal of a case, with what it covers and displaces, and a counter electrode of metal.

    Raises:
        CaseError: data are missing.
    """
    case, found = setup.case, setup.surfaces
    _require_room(growth, setup.domain)
    yield (metal := _metal(setup, growth, setup.part("electrons")))
    yield from _covering(case, found, metal)
    ions = setup.part("ions")
    if growth.displacement != "none" and ions.salty:
        yield Displacement(ions, metal, growth.ion_volume or 0.0)
    if found.counter is not None and not case.counter.stores:
        reaction = found.reactions["counter"]
        yield Counter(reaction.at(case, {}, bare=False), found.faces["counter"],
                      reaction.film_resistance)


def books(setup: Setup, _growth: Growth) -> Iterator[Part]:
    """Observers of the metal of a case, and the limit of what its front draws."""
    case, metal, ions = setup.case, setup.part("front"), setup.part("ions")
    nuclei = setup.part("nuclei")
    yield (ledger := MetalLedger(metal))
    yield Room(ledger)
    yield Penetration(metal, case, setup.c0)
    yield MetalEvents(ledger)
    yield Resolution(metal, (*metal.films, *(nuclei.surfaces if nuclei else ())))
    if ions.salty and _may_limit(case, setup.domain):
        yield Supply(ions, metal)


def _may_limit(case: Case, domain: Domain) -> bool:
    """A voltage is held, or a given current comes near the limiting one of a cell without pores."""
    steps = (s for step in case.protocol for s in (step.steps if step.step == "cycle" else [step]))
    if any(step.step == "hold" for step in steps):
        return True
    known = salt(case)
    if known is None:
        return False
    liquid, c0 = known
    D, t_plus = (float(law(c0, case.temperature)) for law in (liquid.D, liquid.t_plus))
    if not t_plus < 1.0:
        return False
    low, high = domain.ends
    limit = limiting_current(float(high - low), c0, D, t_plus, liquid.z, liquid.z_minus)
    return bool(highest(case) > NEAR_LIMIT * limit)


def _require_room(growth: Growth, domain: Domain) -> None:
    """A cell is wider than the front that moves through it.

    Raises:
        CaseError: it is not.
    """
    low, high = domain.ends
    most = (high - low) / MIN_ROOM
    if growth.interface_width > most:
        raise CaseError(
            f"growth.interface_width: {shown_length(growth.interface_width)}: too wide for "
            f"a cell of {shown_length(high - low, 4)} from collector to counter electrode, which "
            f"has no room for a front; at most {shown_length(most, 3)}, and a tenth of that for "
            "shapes"
        )


def _films(
    setup: Setup, pores: Collection[str]
) -> tuple[list[Film], list[Film], dict[tuple[str, str], float]]:
    """Walls that metal covers by itself, side reactions of bare ones, cosines of contact angles.

    Args:
        setup: the case on its mesh.
        pores: regions that the metal fills.
    """
    case, domain, found = setup.case, setup.domain, setup.surfaces
    films, passive = [], []
    cosines: dict[tuple[str, str], float] = {}

    def at_points(law: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Points -> what holds there, from a function of places."""
        return lambda points: law(domain.places(points))

    def barrier(reaction: Reaction, places: dict[str, Any]) -> Any:
        return np.broadcast_to(reaction.barrier(case, places), len(places["x"]))

    for name, reaction in found.reactions.items():
        if name == "counter":
            continue
        walls = tuple(w for w in found.walls.get(name, ()) if w[1] in pores)
        faces = tuple(f for f in found.faces.get(name, ()) if f[1] in pores)
        film = functools.partial(Film, name, walls=walls, resistance=reaction.film_resistance)
        if not reaction.nucleating and (walls or faces):
            nucleates = varies(reaction.eta_nuc) or reaction.eta_nuc
            films.append(film(
                at_points(functools.partial(reaction.at, case, bare=True)), faces=faces,
                barrier=at_points(functools.partial(barrier, reaction)) if nucleates else None,
            ))
        if walls and not reaction.covered:
            passive.append(film(at_points(reaction.side)))
        if reaction.contact_angle is not None:
            cosines |= dict.fromkeys((*walls, *faces), math.cos(reaction.contact_angle))
    return films, passive, cosines


def _metal(setup: Setup, growth: Growth, electrons: ElectronMedia | None) -> Metal:
    """The metal that grows.

    Where a mat bridges the pores out of the plane of a 2D cut, its conductivity is their `sigma`.
    """
    case, domain, found, cap = setup.case, setup.domain, setup.surfaces, setup.cap
    sigmas = {name: setup.fillings[name].sigma for name in setup.pores}
    bridges = {name: 0.0 if sigma is None else number(sigma) for name, sigma in sigmas.items()}
    data, energy = case.metal_data, growth.surface_energy
    films, passive, cosines = _films(setup, bridges)
    floor = FLOOR_SHARE * setup.kappa
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
        films=tuple(films),
        passive=tuple(passive) if floats.any() else (),
        afloat=afloat,
        bridged=bridged,
        cos_contact=cosines,
        crystal=Crystal(
            growth.anisotropy or 0.0,
            growth.kinetic_anisotropy or 0.0,
            growth.crystal_angle or 0.0,
        ),
        resistance=bulk.film_resistance,
        start=_start(case, domain, growth.interface_width),
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
    afloat = np.append(floats, False)[label]
    sealed = [n for n in found.walls if n in found.reactions and found.reactions[n].sealed]
    for name in sealed:
        here = bool((afloat & domain.in_regions([name])).any())
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


def _covering(case: Case, found: Surfaces, metal: Metal) -> Iterator[Covering]:
    """Film walls with a barrier, which goes with the charge they plate; nothing without any.

    Raises:
        CaseError: `q_cov` is meant for a surface that is no film wall.
    """
    for name, reaction in found.reactions.items():
        if reaction.names_q_cov and (reaction.nucleating or name == "counter"):
            raise CaseError(
                f"kinetics of {name!r}: q_cov is the charge after which a film wall is covered, "
                "and this is not one; give it for film walls only"
            )
    barriers = [Barrier(film.name, film.barrier, found.reactions[film.name].q_cov)
                for film in metal.films if film.barrier is not None]
    if barriers:
        yield Covering(metal, tuple(barriers))


def _start(case: Case, domain: Domain, width: float) -> Callable[[Array], Array] | None:
    """Points -> metal that is there at the start; None where there is none.

    It is a layer on the collector, with the resting profile. Of a thickness d that is a number
    there is as much metal as asked for, though the wall cuts the profile: with its middle at h it
    holds lambda ln(1 + exp(h/lambda)), so that h = d + lambda ln(1 - exp(-d/lambda)). Nodes sum
    that up within (size/lambda)^2/12. An expression of place says where the middle is.
    """
    layer = case.initial.metal_layer
    if layer is None:
        return None
    if isinstance(layer, Constant) and layer.value >= (room := domain.ends[1] - domain.ends[0]):
        raise CaseError(
            f"initial.metal_layer: {shown_length(layer.value, 4)}: leaves no electrolyte in a cell "
            f"of {shown_length(room, 4)}"
        )

    def start(points: Array) -> Array:
        places = domain.places(points)
        thickness = layer.at(**{k: v for k, v in places.items() if k in layer.variables})
        if isinstance(layer, Constant):
            thickness = thickness + width * math.log(-math.expm1(-layer.value / width))
        above = domain.along(points) - domain.ends[0] - thickness
        xi = np.asarray(0.5 - 0.5 * np.tanh(0.5 * above / width))
        if domain.comm.allreduce(float(xi.min(initial=1.0)), op=MPI.MIN) >= 0.5:
            raise CaseError(
                f"initial.metal_layer: {short(layer.written())}: leaves no electrolyte: metal "
                "fills all pores; it is where the height above the collector (m) is less than this"
            )
        return xi

    return start
