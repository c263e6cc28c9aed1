"""Temperature, and the heat that everything makes: what a case may say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field as Key

from fem.contract.physics import Column, Field, Figure, Physics, Place
from fem.values.kinds import PLACE_VARIABLES, Glob, Name, Table, Temperature, Text
from fem.values.properties import Property, PropertyOf
from fem.values.units import Quantity

__all__ = ["PHYSICS", "Heat", "HeatBoundary", "HeatRegion"]

#: Least contact resistance, m2 K/W: a tenth of that between two perfect crystals. Less is no wall
#: at all, and would only cost digits.
LEAST_CONTACT = 1e-10

ThermalConductivity = Annotated[Property, PropertyOf("W/m/K", PLACE_VARIABLES, gt=0)]


class ShutdownTable(Table):
    """Pores that melt shut where it has once been too hot."""

    at: Temperature = Key(description="temperature in the middle of the transition")
    width: Annotated[float, Quantity("K", gt=0)] = Key(4.0, description="its width")
    factor: Annotated[float, Quantity("", gt=0, lt=1)] = Key(
        1e-3, description="share of kappa and D that is left"
    )


class HeatRegion(Table):
    """Thermal data of some regions; those of the library where none are given."""

    k: ThermalConductivity | None = Key(None, description="thermal conductivity")
    k_through: ThermalConductivity | None = Key(
        None, description="from the collector to the counter electrode, where it is another one"
    )
    density: Annotated[float, Quantity("kg/m^3", gt=0)] | None = Key(None, description="density")
    c_p: Annotated[float, Quantity("J/kg/K", gt=0)] | None = Key(
        None, description="specific heat"
    )
    source: Annotated[Property, PropertyOf("W/m^3", (*PLACE_VARIABLES, "T"))] | None = Key(
        None, description="heat that is made besides, as of a short that is not resolved"
    )
    shutdown: ShutdownTable | None = Key(None, description="pores that melt")


class HeatBoundary(Table):
    """A boundary that is held at a temperature, or open; others are insulated."""

    T: Temperature | None = Key(None, description="temperature at which it is held")
    h: Annotated[float, Quantity("W/m^2/K", gt=0)] | None = Key(
        None, description="heat transfer to the surroundings; 1/h is a contact resistance"
    )
    ambient: Temperature | None = Key(
        None, description="temperature of the surroundings; default that of the case"
    )
    flux: Annotated[float, Quantity("W/m^2")] | None = Key(None, description="heat fed in")


class Heat(Table):
    """Temperature is solved for; kinetics and transport follow it."""

    regions: dict[Glob, HeatRegion] = Key(default_factory=dict, description="overrides by region")
    boundaries: dict[Name, HeatBoundary] = Key(
        default_factory=dict, description="boundaries that are not insulated"
    )
    contacts: dict[Text, Annotated[float, Quantity("m^2*K/W", ge=LEAST_CONTACT)]] = Key(
        default_factory=dict,
        description="contact resistance of walls, by two regions as \"separator/host_*\"",
    )
    metal: HeatRegion | None = Key(None, description="of the metal that is plated")
    dU_dT: Annotated[float, Quantity("V/K")] | None = Key(
        None, description="for the metal's electrode reaction; above 0 plating cools"
    )
    overheated: Temperature | None = Key(None, description="a run ends where it is exceeded")


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Boundaries say one thing each; what comes to rest loses its heat somewhere."""
    heat = sections.get("heat")
    if heat is None:
        return
    for name, b in heat.boundaries.items():
        where = f"heat.boundaries.{name}"
        if (b.T is None) == (b.h is None and b.flux is None):
            yield f"{where}: T, or h and flux, stand for different boundaries; give one of them"
        if b.ambient is not None and b.h is None:
            yield f"{where}.ambient: {b.ambient:g} K: nothing goes there without h; give h"
    for key in ("source", "shutdown"):
        if heat.metal is not None and getattr(heat.metal, key) is not None:
            yield f"heat.metal.{key}: metal has none; give it for regions that metal can fill"
    start = sections.get("temperature")
    for wall in heat.contacts:
        if len(wall.split("/")) != 2 or not all(wall.split("/")):
            yield (
                f"heat.contacts: {wall!r}: names no wall; give two regions with a stroke between "
                'them, as "separator/host_top"'
            )
    if heat.overheated is not None and start is not None and heat.overheated <= start:
        yield (
            f"heat.overheated: {heat.overheated:g} K is not above the temperature of the case, "
            f"{start:g} K, at which the run begins; raise it"
        )
    if sections.get("study") == "steady" and not any(
        b.T is not None or b.h is not None for b in heat.boundaries.values()
    ):
        yield "heat.boundaries: an insulated cell never comes to rest; give one of them T or h"
    for path, value in _of_the_case(sections):
        if "T" in getattr(value, "variables", ()):
            yield (
                f"{path}: is an expression of T, but is taken at the temperature of the case, not "
                "at the one that [heat] finds; give it without T"
            )
    yield from _unknown(sections)


def _unknown(sections: Mapping[str, Any]) -> Iterator[str]:
    """Thermal data that the run would miss."""
    from fem.base.errors import CaseError
    from fem.case.guests import entries
    from fem.physics.heat.data import missing

    try:
        known = entries(PHYSICS, sections.get("library", {}))
    except CaseError:
        return  # numbers that the case carries are wrong, which another check reports
    yield from missing(sections, known)


def _of_the_case(sections: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Paths and values of properties that are taken at the temperature of the case."""
    for name, region in (sections.get("regions") or {}).items():
        yield f"regions.{name}.sigma", region.sigma
        yield f"regions.{name}.bridge_sigma", region.bridge_sigma
    for k, entry in enumerate(sections.get("kinetics") or ()):
        yield f"kinetics.{k}.eta_nuc", entry.eta_nuc
        yield f"kinetics.{k}.film_resistance", entry.film_resistance
    for name, boundary in (sections.get("boundaries") or {}).items():
        yield f"boundaries.{name}.contact_resistance", boundary.contact_resistance


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """Regions and boundaries that the table names."""
    heat = sections.get("heat")
    for name in heat.regions if heat else ():
        yield Place(f"heat.regions.{name}", name, "region")
    for wall in heat.contacts if heat else ():
        for name in wall.split("/"):
            yield Place(f'heat.contacts."{wall}"', name, "region")
    for name in heat.boundaries if heat else ():
        yield Place(f"heat.boundaries.{name}", name, "boundary")


PHYSICS = Physics(
    "heat",
    "temperature, with ohmic, reaction and reversible heat",
    "fem.physics.heat.build:build",
    table=Heat,
    after=("electrons", "ions", "walls", "metal"),
    check=check,
    places=places,
    free=frozenset({"overheated"}),
    library="fem.physics.heat.data:library",
    fields=(
        Field("T", "K", "temperature $T$", colours="inferno", offset=True),
        Field("rise", "K", "temperature over that of the surroundings", balance="heat balance",
              colours="inferno"),
    ),
    columns=(
        Column("T_max", "K", "highest temperature", printed=True),
        Column("heat_made", "W/m^2", "heat that everything makes", per_area=True),
        Column("heat_reversible", "W/m^2", "of it i_n T dU/dT", per_area=True),
        Column("heat_out", "W/m^2", "heat that leaves", per_area=True),
        Column("heat", "", "heat stored, lost and given against heat made", closure=True),
        Column("first_law", "", "heat made, less the reversible, against work", closure=True),
    ),
    figures=(Figure("temperature", "the temperature", maps=("T",)),),
)
