"""From a case to its map: what each region conducts or how it polarises, what drives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.constants import EPSILON_0
from fem.base.errors import CaseError
from fem.case.coatings import Film, films_on, meeting
from fem.compat import MPI, cell_vertices
from fem.materials import library as materials
from fem.mesh.domain import Domain
from fem.physics.maps import Map, MapBoundary
from fem.physics.maps.potential import Driven, Potential
from fem.physics.maps.wagner import wagner
from fem.setup.setup import Filled
from fem.values.properties import Along, number, varies

__all__ = ["build"]

#: Largest conductivity of a conductor over the least of all others, so that linear solvers
#: converge.
MAX_CONDUCTIVITY_RATIO = 1e7
#: Least conductivity at which it is capped, over the best of the others: its drop is negligible.
BETTER_RATIO = 1e4

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Medium:
    """The part that a region plays in the map.

    Attributes:
        value: eps_r, or conductivity in S/m; a number or property of place; None of a conductor of
            an electrostatic map, and of an insulator of a conduction map.
        conductor: of electrons, so good that it may be capped.
        why: where the value comes from.
    """

    value: Any
    conductor: bool
    why: str


def _require_conductors(
    media: Mapping[str, _Medium], held: Mapping[str, float], electrostatic: bool
) -> None:
    """Regions that are held at a potential conduct.

    Args:
        media: of all regions.
        held: region -> its potential, V.
        electrostatic: the map is one of fields, else of currents.

    Raises:
        CaseError: one does not.
    """
    for name in held:
        if not media[name].conductor and (electrostatic or media[name].value is None):
            raise CaseError(
                f"map.regions.{name}.phi: {held[name]:g} V: {name!r} is no conductor "
                f"({media[name].why}); hold a boundary, or give the region a material that conducts"
            )


def _charge(domain: Domain, table: Map, media: Mapping[str, _Medium]) -> Any:
    """Given charge of regions, C/m3, a field of cells; None without any.

    Raises:
        CaseError: it stands on a conductor.
    """
    charge = None
    for name, medium in media.items():
        rho = _given(table, name).get("rho")
        if rho is None:
            continue
        if medium.conductor:
            raise CaseError(
                f"map.regions.{name}.rho: {name!r} is a conductor ({medium.why}), on which "
                "charge sits at the surface; leave it out, or give it eps_r if it is a dielectric"
            )
        charge = domain.field({}, "rho") if charge is None else charge
        values = _at(domain, name, rho, f"map.regions.{name}.rho")
        charge.x.array[domain.in_regions([name])] = values
    return charge


def build(setup: Filled, table: Map) -> Iterator[Potential]:
    """The map of a case.

    Raises:
        CaseError: a material lacks what the map needs, or a charge stands on a conductor.
    """
    case, domain = setup.case, setup.domain
    electrostatic = table.kind == "electrostatics"
    c0 = _concentration(setup)
    read = _permittivity if electrostatic else _conductivity
    media = {name: read(setup, name, _given(table, name), c0) for name in domain.regions}
    held = {n: phi for n in domain.regions if (phi := _given(table, n).get("phi")) is not None}
    _require_conductors(media, held, electrostatic)
    values, ends = _values(setup, media, c0)
    unit = EPSILON_0 if electrostatic else 1.0
    coefficient = domain.field({}, "coefficient")
    regions = [n for n, medium in media.items() if medium.value is not None or medium.conductor]
    if not regions:
        raise CaseError("regions: nothing conducts, so there is no conduction map; give kind = "
                        '"electrostatics", or a region a material that conducts')
    for name in regions:
        coefficient.x.array[domain.in_regions([name])] = unit * values[name]
    charge = _charge(domain, table, {name: media[name] for name in regions})
    driven = {
        name: Driven(b.phi, _layers(setup, name, b, regions, electrostatic))
        for name, b in table.boundaries.items()
    }
    for name in driven:
        if not domain.faces_of(name, regions):
            raise CaseError(
                f"map.boundaries.{name}: touches no region that the map is solved in "
                f"({', '.join(regions)}); drive another one"
            )
    pores = [n for n in regions if _is_pore(setup, n)]
    porous = [n for n in regions if _is_porous(setup, n)]
    coated = _films(setup, regions, electrostatic)
    if table.tip is not None and table.tip not in {*driven, *held}:
        raise CaseError(
            f"map.tip: {table.tip!r}: is not driven; name one of {', '.join((*driven, *held))}"
        )
    if table.tip in coated:
        raise CaseError(
            f"map.tip: {table.tip!r}: lies under a film, where its field is not seen; resolve the "
            "film as a region, or take its coating off"
        )
    yield Potential(
        kind=table.kind, regions=tuple(regions), coefficient=coefficient, charge=charge,
        driven=driven, held=held, coated=coated,
        conductors=tuple(n for n in regions if media[n].conductor),
        liquids=tuple(n for n in regions if setup.fillings[n].electrolyte is not None),
        pores=tuple(pores if pores or porous else regions), porous=tuple(porous),
        tip=table.tip or "", far=_far(table),
        media={n: _told(m, ends.get(n)) for n, m in media.items()},
        wagner=wagner(setup, c0), salt=c0, temperature=case.temperature, solvent=_solvent(case),
    )  # fmt: skip


def _solvent(case: Any) -> float:
    """Relative permittivity of the electrolyte of the case; 20 where nobody knows it."""
    found = materials.material(case.electrolyte, case.fillings, cation=case.metal)
    return float(found.eps_r) if found.has("eps_r") else 20.0


def _per_area(inverse: float) -> float:
    """Conductance or capacitance by area, from its inverse; 0 where nothing passes."""
    return 0.0 if np.isinf(inverse) else 1.0 / inverse


def _far(table: Map) -> str:
    """The boundary whose field is the far one; empty without a tip."""
    if table.tip is None:
        return ""
    return table.far or next(n for n in table.boundaries if n != table.tip)


def _given(table: Map, name: str) -> dict[str, Any]:
    """Overrides of a region; later entries that fit its name win."""
    given: dict[str, Any] = {}
    for pattern, entry in table.regions.items():
        if fnmatchcase(name, pattern):
            given |= {k: v for k, v in vars(entry).items() if v is not None}
    return given


def _concentration(setup: Filled) -> float:
    """Salt everywhere, mol/m3: that of the case if it is one number, else as the salt is made."""
    initial = setup.case.initial.c
    if initial is not None and not initial.variables:
        return float(initial.at())
    for filling in setup.fillings.values():
        if isinstance(filling.electrolyte, materials.Electrolyte):
            return float(filling.electrolyte.c0)
    return 1000.0


def _is_pore(setup: Filled, name: str) -> bool:
    """A region of plain electrolyte."""
    filling = setup.fillings[name]
    return isinstance(filling.material, materials.Electrolyte) and filling.porosity is None


def _is_porous(setup: Filled, name: str) -> bool:
    """A porous region whose pores are averaged; separators are not of a host."""
    filling = setup.fillings[name]
    separator = isinstance(filling.material, materials.Separator)
    return filling.electrolyte is not None and filling.porosity is not None and not separator


def _films(setup: Filled, regions: list[str], electrostatic: bool) -> dict[str, float]:
    """Conductance of the films on each coated solid by area, S/m2 or F/m2; 0 where nothing passes.

    Raises:
        CaseError: as `_film`.
    """
    found = {}
    for name in regions:
        filling = setup.fillings[name]
        if filling.electrolyte is None:
            inverse = _film(setup.case, name, filling.material.name, electrostatic)
            if inverse > 0.0:
                found[name] = _per_area(inverse)
    return found


def _layers(
    setup: Filled, name: str, boundary: MapBoundary, regions: list[str], electrostatic: bool
) -> dict[str, float]:
    """Conductance or capacitance by area of the layers on a boundary, for each region behind one.

    The layer of the table lies on all of the boundary, coatings (of the collector; other boundaries
    have none) where it touches electrolyte.

    Raises:
        CaseError: as `_film`.
    """
    case, film = setup.case, 0.0
    layer = boundary.resistance or 0.0
    if boundary.capacitance is not None:
        layer = 1.0 / boundary.capacitance
    if name == "collector":
        film = _film(case, name, case.collector.material or case.metal, electrostatic)
    inverse = {
        n: layer + (film if setup.fillings[n].electrolyte is not None else 0.0) for n in regions
    }
    return {n: _per_area(value) for n, value in inverse.items() if value > 0.0}


def _film(case: Any, name: str, solid: str, electrostatic: bool) -> float:
    """Resistance (ohm m2) or inverse capacitance (m2/F) of coatings; inf where nothing passes.

    A film that electrons pass drops nothing in an electrostatic map.

    Raises:
        CaseError: a film whose eps_r nobody knows, or films that stop everything unasked.
    """
    if not electrostatic:
        place = meeting(name, solid, films_on(name, case.coatings, case.fillings))
        return np.inf if place is None else place.resistance
    inverse = 0.0
    for k, coating in enumerate(case.coatings):
        if not fnmatchcase(name, coating.on):
            continue
        where = f"coatings.{k}"
        if Film.of(where, coating, case.fillings).electrons is None:
            found: Any = materials.material(coating.material, case.fillings)
            if not found.has("eps_r"):
                raise CaseError(
                    f"{where}.material: {coating.material!r}: its eps_r is not known; give it in "
                    "a user-defined material"
                )
            inverse += coating.thickness / (EPSILON_0 * float(found.eps_r))
    return inverse


# -- media -------------------------------------------------------------------------------------


def _permittivity(setup: Filled, name: str, given: dict[str, Any], c0: float) -> _Medium:
    """Relative permittivity of a region.

    Raises:
        CaseError: nobody knows it.
    """
    filling, way_out = setup.fillings[name], f"[map.regions.{name}] eps_r"
    if "eps_r" in given:
        return _Medium(given["eps_r"], False, "as given")
    material = filling.material
    if isinstance(material, materials.Solid):
        if filling.sigma is not None:
            return _Medium(None, True, f"{material.name} conducts electrons")
        return _Medium(_eps_of(material, name, way_out), False, material.name)
    liquid = _eps_of(filling.electrolyte, name, way_out)
    if filling.porosity is None:
        return _Medium(liquid, False, filling.electrolyte.name)
    if not isinstance(material, materials.Separator):
        raise CaseError(
            f"map, region {name!r}: eps_r of a porous region of {material.name!r} is not known, "
            f"since nobody says what its solid is; give {way_out}"
        )
    film = _eps_of(material, name, way_out)
    porosity, tortuosity = _averages(filling)
    mixed = liquid * porosity / tortuosity + film * (1.0 - porosity)
    return _Medium(mixed, False, f"{material.name} filled with {filling.electrolyte.name}")


def _eps_of(material: Any, name: str, way_out: str) -> float:
    """Relative permittivity of a material.

    Raises:
        CaseError: it is not known.
    """
    if not material.has("eps_r"):
        raise CaseError(
            f"map, region {name!r}: eps_r of {material.name!r} is not known; give {way_out}, or "
            "eps_r in a user-defined material"
        )
    return float(material.eps_r)


def _averages(filling: Any) -> tuple[Any, Any]:
    """Porosity and tortuosity of an averaged region, numbers."""
    tortuosity = 1.0 if filling.tortuosity is None else number(filling.tortuosity)
    return number(filling.porosity), tortuosity


def _conductivity(setup: Filled, name: str, given: dict[str, Any], c0: float) -> _Medium:
    """The larger of sigma and kappa of a region, S/m."""
    if "conductivity" in given:
        return _Medium(given["conductivity"], False, "as given")
    case, filling = setup.case, setup.fillings[name]
    override = case.region(name).kappa
    electrolyte = filling.electrolyte
    kappa: Any = None
    if override is not None:
        kappa = override if varies(override) else number(override)
    elif isinstance(electrolyte, materials.Electrolyte):
        kappa = float(electrolyte.kappa(c0, case.temperature))
    elif electrolyte is not None:
        kappa = float(electrolyte.kappa)
    if kappa is not None and filling.porosity is not None and not varies(kappa):
        porosity, tortuosity = _averages(filling)
        kappa *= porosity / tortuosity
    sigma = filling.sigma
    if sigma is None and kappa is None:
        return _Medium(None, False, f"{filling.material.name} conducts nothing")
    if kappa is None or (sigma is not None and not varies(sigma) and not varies(kappa)
                         and number(sigma) >= kappa):
        return _Medium(sigma, True, "sigma")
    if sigma is None or (not varies(sigma) and not varies(kappa)):
        return _Medium(kappa, False, "kappa")
    raise CaseError(
        f"map, region {name!r}: sigma and kappa vary in space, and which one is larger is not "
        f"followed; give [map.regions.{name}] conductivity"
    )


# -- values ------------------------------------------------------------------------------------


def _values(
    setup: Filled, media: dict[str, _Medium], c0: float
) -> tuple[dict[str, Any], dict[str, tuple[float, float, bool]]]:
    """Value of each region, a number or one a cell, and its ends (collective).

    The ends are the lowest and the highest value, and whether a conductor was capped to it.

    Raises:
        CaseError: a property is not positive somewhere.
    """
    domain, T = setup.domain, setup.case.temperature
    found: dict[str, Any] = {}
    ends: dict[str, tuple[float, float, bool]] = {}
    for name, medium in media.items():
        if medium.value is None:
            continue
        found[name] = _at(domain, name, medium.value, f"map, region {name!r}", c=c0, T=T)
        low = domain.comm.allreduce(float(np.min(found[name], initial=np.inf)), op=MPI.MIN)
        high = domain.comm.allreduce(float(np.max(found[name], initial=-np.inf)), op=MPI.MAX)
        if not low > 0.0:
            raise CaseError(f"map, region {name!r}: falls to {low:g} on this mesh; it must stay "
                            "above 0")
        ends[name] = low, high, False
    others = [ends[n][:2] for n, m in media.items() if n in ends and not m.conductor]
    conductors = [n for n, m in media.items() if m.conductor]
    if not others:  # metals alone
        return {n: found.get(n, 1.0) for n in conductors}, ends
    least, best = min(low for low, _ in others), max(high for _, high in others)
    cap = max(MAX_CONDUCTIVITY_RATIO * least, BETTER_RATIO * best)
    capped = {n for n in conductors if n not in ends or ends[n][1] > cap}
    for name in capped:
        low = min(ends[name][0], cap) if name in ends else cap
        ends[name] = low, cap, True
        found[name] = np.minimum(found[name], cap) if name in found else cap
    return found, ends


def _at(domain: Domain, name: str, value: Any, where: str, **known: float) -> Any:
    """A property in the middle of each local cell of a region, or a number (collective).

    A list along a place keeps its end values beyond its ends.

    Raises:
        CaseError: it has no value somewhere.
    """
    if not varies(value):
        return number(value)
    places = {**domain.coordinates(), **known}
    problem = None
    out: Any = np.empty(0)
    if missing := sorted(value.variables - places.keys()):
        why = "the mesh has no host" if "depth" in missing else f"not in {domain.dim}D"
        problem = f"{where}: depends on {', '.join(missing)}, which does not exist; {why}"
    else:
        corners = cell_vertices(domain.mesh)[domain.in_regions([name])]
        middle = domain.mesh.geometry.x[corners].mean(axis=1)
        at = domain.places(middle) | known
        try:
            if isinstance(value, Along):
                out = np.interp(at[value.along], value.curve.x, value.curve.y)
            else:
                out = np.broadcast_to(value.at(**at), len(middle)).astype(float)
        except CaseError as error:
            problem = f"{where}: {error}"
    for text in domain.comm.allgather(problem):
        if text:
            raise CaseError(text)
    return out


def _told(medium: _Medium, ends: tuple[float, float, bool] | None) -> dict[str, Any]:
    """Entry of a region in the summary."""
    if ends is None:
        return {"conductor" if medium.conductor else "insulator": medium.why}
    low, high, capped = ends
    entry = {"value": low if low == high else [low, high], "from": medium.why}
    return entry | ({"capped": True} if capped else {})
