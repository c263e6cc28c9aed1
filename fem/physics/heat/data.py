"""Thermal numbers of the library's materials, with their sources, and what a case says of them.

`hostplate check` asks for them as the run does, so that both miss the same.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from fem.base.errors import CaseError
from fem.materials.data import In, Number

__all__ = ["Thermal", "entropy", "given", "library", "missing", "of_metal", "of_region", "thermal"]


class Entry(BaseModel):
    """Numbers of one material.

    Attributes:
        k: thermal conductivity, W/(m K). k_through: across a sheet, where it is another one.
        density: kg/m3, where the materials of the solver do not know it.
        c_p: specific heat, J/(kg K).
        dU_dT: of a metal's electrode reaction, V/K.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True,
                              defer_build=True)
    k: Annotated[Number, In("W/m/K", gt=0)]
    k_through: Annotated[Number, In("W/m/K", gt=0)] | None = None
    density: Annotated[Number, In("kg/m^3", gt=0)] | None = None
    c_p: Annotated[Number, In("J/kg/K", gt=0)]
    dU_dT: Annotated[Number, In("V/K")] | None = None


@functools.cache
def library() -> dict[str, Entry]:
    """All entries by name of the material."""
    text = resources.files(__package__).joinpath("data.toml").read_text(encoding="utf-8")
    return {name: Entry.model_validate(entry) for name, entry in tomllib.loads(text).items()}


@dataclass(frozen=True)
class Thermal:
    """Numbers of what fills a region.

    Attributes:
        k: thermal conductivity, W/(m K), a number or property of place. k_through: across.
        heat_capacity: rho c_p, J/(m3 K).
        source: given heat, W/m3, a property of place and T, or None.
    """

    k: Any
    k_through: Any
    heat_capacity: float
    source: Any


def thermal(
    material: Any, given: dict[str, Any], known: Mapping[str, Entry], where: str, way_out: str
) -> Thermal:
    """Thermal numbers of a material: those of the case before those of the library.

    Args:
        material: of `fem.materials`; it may know its density.
        given: what the case says, by name.
        known: entries by name of the material.
        where: whose numbers they are, for messages.
        way_out: table of the case in which a number can be given.

    Raises:
        CaseError: a number that nobody knows.
    """
    entry = known.get(material.name)
    found: dict[str, Any] = {
        name: getattr(entry, name, None) for name in ("k", "k_through", "density", "c_p")
    }
    if material.__dict__.get("density") is not None:
        found["density"] = material.density
    if given.get("k") is not None:
        found["k_through"] = None
    found |= {name: value for name, value in given.items() if value is not None}
    if missing := [name for name in ("k", "density", "c_p") if found[name] is None]:
        others = ", ".join(sorted(known))
        raise CaseError(
            f"{where}: {', '.join(missing)} of {material.name!r} "
            f"{'is' if len(missing) == 1 else 'are'} not known; give {way_out} (materials with "
            f"thermal data: {others})"
        )
    capacity = float(found["density"]) * float(found["c_p"])
    return Thermal(found["k"], found["k_through"], capacity, found.get("source"))


def given(table: Any, name: str) -> dict[str, Any]:
    """Data that `[heat]` gives for a region; later entries that fit its name win."""
    found: dict[str, Any] = {}
    for pattern, entry in table.regions.items():
        if fnmatchcase(name, pattern):
            found |= {k: v for k, v in vars(entry).items() if v is not None}
    return found


def of_region(name: str, material: Any, table: Any, known: Mapping[str, Entry]) -> Thermal:
    """Thermal numbers of a region.

    Args:
        name: of the region.
        material: that fills it.
        table: `[heat]` of the case.
        known: entries by name of the material.

    Raises:
        CaseError: a number that nobody knows.
    """
    own = {k: v for k, v in given(table, name).items() if k != "shutdown"}
    return thermal(material, own, known, f"heat, region {name!r}", f"[heat.regions.{name}]")


def of_metal(metal: Any, table: Any, known: Mapping[str, Entry]) -> Thermal:
    """Thermal numbers of the metal that grows; arguments and errors as of `of_region`."""
    own = {} if table.metal is None else vars(table.metal)
    return thermal(metal, own, known, "heat, plated metal", "[heat.metal]")


def entropy(metal: str, table: Any, known: Mapping[str, Entry]) -> float:
    """dU/dT of the electrode reaction of a metal, V/K; the rest as of `of_region`."""
    if table.dU_dT is not None:
        return float(table.dU_dT)
    entry = known.get(metal)
    if entry is None or entry.dU_dT is None:
        others = ", ".join(n for n, e in known.items() if e.dU_dT is not None)
        raise CaseError(
            f"heat.dU_dT: of {metal} it is not known (known: {others}); give it in [heat], "
            'or dU_dT = "0 V/K" for no reversible heat'
        )
    return float(entry.dU_dT)


def missing(sections: Mapping[str, Any], known: Mapping[str, Entry]) -> Iterator[str]:
    """Numbers that nobody knows, of what the case's own mesh will be made of.

    Args:
        sections: of the case, by field name.
        known: entries by name of the material.
    """
    from fem.case import names
    from fem.materials import Electrolyte, recorded

    table, made = sections["heat"], names.of_sections(sections)
    growing = False
    for name in made.regions if made else ():
        material, entry = names.material_of(name, sections)
        if material is None:
            continue  # another check reports it
        pore = isinstance(material, Electrolyte) and (entry is None or entry.porosity is None)
        growing |= pore and sections.get("study") == "growth"
        try:
            of_region(name, material, table, known)
        except CaseError as error:
            yield str(error)
    try:
        metal = recorded.metal(sections.get("library", {}), sections.get("metal", ""))
    except CaseError:
        return  # another check reports it
    try:
        entropy(metal.name, table, known)
        if growing:
            of_metal(metal, table, known)
    except CaseError as error:
        yield str(error)
