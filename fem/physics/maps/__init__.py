"""Field maps: a potential between driven boundaries, without kinetics, salt or time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field as Key

from fem.base.errors import CaseError
from fem.contract.physics import Column, Field, Figure, Physics, Place, Study
from fem.values.kinds import PLACE_VARIABLES, Glob, Name, Table
from fem.values.properties import Property, PropertyOf, number, varies
from fem.values.units import Quantity

__all__ = ["PHYSICS", "Map", "MapBoundary", "MapRegion"]

Volts = Annotated[float, Quantity("V")]


class MapRegion(Table):
    """Overrides for some regions; their materials hold where nothing is given."""

    eps_r: Annotated[Property, PropertyOf("", PLACE_VARIABLES, gt=0)] | None = Key(
        None, description="relative permittivity; makes a dielectric of a conductor"
    )
    conductivity: Annotated[Property, PropertyOf("S/m", PLACE_VARIABLES, gt=0)] | None = Key(
        None, description="for a conduction map, in place of the larger of sigma and kappa"
    )
    rho: Annotated[Property, PropertyOf("C/m^3", PLACE_VARIABLES)] | None = Key(
        None, description="fixed charge density, electrostatics"
    )
    phi: Volts | None = Key(None, description="potential at which a conductor is held")


class MapBoundary(Table):
    """A boundary that is driven; others are insulated."""

    phi: Volts = Key(description="potential of the boundary, or behind its layer")
    resistance: Annotated[float, Quantity("ohm*m^2", gt=0)] | None = Key(
        None, description="conduction: of a contact or coating in front of it"
    )
    capacitance: Annotated[float, Quantity("F/m^2", gt=0)] | None = Key(
        None, description="electrostatics: of a layer in front of it, eps_0 eps_r/thickness"
    )


class Map(Table):
    """A potential between driven boundaries and conductors."""

    kind: Literal["electrostatics", "conduction"] = Key(
        description="electrostatics: div(eps_0 eps_r grad phi) = -rho; "
        "conduction: div(s grad phi) = 0 with s the larger of sigma and kappa"
    )
    boundaries: dict[Name, MapBoundary] = Key(
        default_factory=dict, description="driven boundaries; all others are insulated"
    )
    regions: dict[Glob, MapRegion] = Key(
        default_factory=dict, description="by name or pattern; later ones win"
    )
    tip: Name | None = Key(
        None,
        description="driven boundary or held region whose largest field is compared with the far "
        "field",
    )
    far: Name | None = Key(
        None, description="boundary whose mean field is the far one; default the other driven one"
    )


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Entries of the other kind of map, and boundaries that drive nothing."""
    for glob, region in (sections.get("regions") or {}).items():
        if sections.get("study") == "map" and region.kappa_along is not None:
            yield (
                f"regions.{glob}.kappa_along: maps take one number for each region; give kappa "
                "along the current"
            )
    table = sections.get("map")
    if table is None:
        return
    yield from _of_other_kind(table)
    yield from _undriven(table)
    yield from _tip_and_far(table)
    if table.kind == "electrostatics":
        yield from _without_permittivity(table, sections)
    if table.tip is not None and table.far is None:
        others = [n for n in table.boundaries if n != table.tip]
        if len(others) != 1:
            yield f"map.far: missing; the tip is compared with one boundary: {_known(others)}"


def _of_other_kind(table: Map) -> Iterator[str]:
    """Entries that a map of its kind does not know."""
    electrostatic = table.kind == "electrostatics"
    other = "conduction" if electrostatic else "electrostatics"
    for name, region in table.regions.items():
        for key in ("conductivity",) if electrostatic else ("eps_r", "rho"):
            if getattr(region, key) is not None:
                yield (
                    f"map.regions.{name}.{key}: is of {other}; leave it out, or give "
                    f'map.kind = "{other}"'
                )
        if electrostatic and region.phi is not None:
            for key in ("rho", "eps_r"):
                if getattr(region, key) is not None:
                    yield (
                        f"map.regions.{name}.{key}: a conductor held at {region.phi:g} V has no "
                        "field inside; keep one of phi and " + key
                    )
    for name, boundary in table.boundaries.items():
        key = "resistance" if electrostatic else "capacitance"
        if getattr(boundary, key) is not None:
            yield (
                f"map.boundaries.{name}.{key}: is of {other}; give "
                f"{'capacitance' if electrostatic else 'resistance'}"
            )


def _undriven(table: Map) -> Iterator[str]:
    """Potentials that make no field."""
    held = {f"map.boundaries.{n}.phi": b.phi for n, b in table.boundaries.items()}
    held |= {f"map.regions.{n}.phi": r.phi for n, r in table.regions.items() if r.phi is not None}
    charged = any(r.rho is not None for r in table.regions.values())
    if not held:
        yield (
            "map.boundaries: nothing is driven; give two boundaries a potential, as "
            '[map.boundaries.collector] with phi = "0 V"'
        )
    elif len({*held.values()}) == 1 and not charged:
        named = ", ".join(held)
        yield (
            f"{named}: {next(iter(held.values())):g} V: all that is driven is at one potential, so "
            "there is no field; give another one a different phi"
        )


def _tip_and_far(table: Map) -> Iterator[str]:
    """Places whose fields are compared, and which do not fit what is driven."""
    driven = {*table.boundaries, *(n for n, r in table.regions.items() if r.phi is not None)}
    if table.tip is not None and not any(fnmatchcase(table.tip, name) for name in driven):
        yield (
            f"map.tip: {table.tip!r}: is not driven; name what fits one of "
            f"{', '.join(sorted(driven))}, or give it a phi"
        )
    if table.far is not None and table.far not in table.boundaries:
        yield f"map.far: {table.far!r}: is no driven boundary; {_known(table.boundaries)}"
    if table.far is not None and table.tip is None:
        yield f"map.far: {table.far!r}: only compared with a tip; give map.tip, or leave it out"


def _without_permittivity(table: Map, sections: Mapping[str, Any]) -> Iterator[str]:
    """Solids of a mesh file whose eps_r nobody gives, as far as tables alone can tell.

    Of a family's regions some may not be made; those are looked at on the mesh.
    """
    from fem.materials import Solid, material, recorded

    if sections.get("mesh") is None:
        return
    own = recorded.fillings(sections.get("library", {}), sections.get("materials", {}))
    given = [pattern for pattern, region in table.regions.items() if region.eps_r is not None]
    for name, entry in sections.get("regions", {}).items():
        pattern = bool({*name} & {*"*?["})
        if (pattern and given) or any(fnmatchcase(name, g) for g in given):
            continue
        try:
            found = material(str(entry.material), own)
        except CaseError:
            continue  # reported by another check
        if isinstance(found, Solid) and not found.has("eps_r"):
            sigma = found.sigma if entry.sigma is None else entry.sigma
            if not varies(sigma) and not number(sigma) > 0.0:
                yield (
                    f"map, region {name!r}: eps_r of {found.name!r} is not known; give "
                    f"[map.regions.{name}] eps_r, or eps_r in a user-defined material"
                )


def _known(names: Any) -> str:
    return f"one of {', '.join(names)}" if names else "drive a boundary first"


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """Regions and boundaries that the table names."""
    table = sections.get("map")
    if table is not None:
        yield from (Place(f"map.regions.{n}", n, "region") for n in table.regions)
        yield from (Place(f"map.boundaries.{n}", n, "boundary") for n in table.boundaries)


#: What is measured of the field, over all pores of the host and over the thirds of its depth.
MEASURES = {"mean": "mean", "p95": "exceeded in 5 % of the volume", "max": "largest"}
#: Parts of the pores: suffix of a column, and words.
THIRDS = {"": "", "_top": " of the top third", "_bottom": " of the bottom third"}


def _columns() -> Iterator[Column]:
    for (part, where), (name, words) in itertools.product(THIRDS.items(), MEASURES.items()):
        yield Column(f"E_{name}{part}", "V/m", f"{words} |E| in the pores{where}")
    yield Column("uniformity", "", "share of the pores with |E| within 20 % of its mean")
    yield Column("shielding", "", "mean |E| in the pores of the host over that above it")
    yield Column("enhancement", "", "largest field on the tip over the far field")
    yield Column("flux_balance", "", "sum of all fluxes over the largest", closure=True)


def answer(summary: Mapping[str, Any]) -> str:
    """The fields found, in a clause; empty where no pores are measured."""
    if "E_mean" not in summary:
        return ""
    mean, most, even = (float(summary[name]) for name in ("E_mean", "E_max", "uniformity"))
    return (f"Map of {summary['map']}: field {mean:.4g} V/m in the mean, {most:.4g} V/m at most, "
            f"within 20% of the mean in {even:.0%} of the pores")


PHYSICS = Physics(
    "map",
    "a field map: electrostatics or conduction between driven boundaries",
    "fem.physics.maps.build:build",
    table=Map,
    studies=frozenset({"map"}),
    study=Study("map", "field map: phi alone, electrostatics or conduction; one solve",
                answer="fem.physics.maps:answer"),
    check=check,
    places=places,
    fields=(
        Field("phi", "V", r"potential $\varphi$", balance="flux balance", colours="cividis",
              block="map"),
        Field("phi_coated", "V", r"potential under films $\varphi$", balance="flux balance",
              colours="cividis", block="solid"),
        Field("E", "V/m", r"field $|E|$", colours="magma", magnitude=True, gradient_of="phi"),
    ),
    columns=tuple(_columns()),
    figures=(
        Figure("map_potential", "field map: the potential", maps=("phi",)),
        Figure("map_field", "field map, 2D: |E| with field lines",
               draw="fem.physics.maps.figures:field"),
    ),
)
