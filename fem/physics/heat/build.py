"""From a case to its heat balance: what conducts, what is held, where heat leaves."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from fem.base.errors import CaseError, nearest
from fem.contract.physics import TIMED
from fem.materials import library as materials
from fem.physics.heat import Heat
from fem.physics.heat.conduction import Conduction, HeatMedium, Surroundings
from fem.physics.heat.data import Thermal, entropy, given, of_metal, of_region
from fem.physics.heat.shutdown import Melting, Shutdown
from fem.setup.setup import Setup
from fem.values.properties import number, varies

__all__ = ["build"]


def build(setup: Setup, table: Heat) -> Iterator[Conduction | Shutdown]:
    """The heat balance of a case.

    Raises:
        CaseError: a datum of a material is missing, or regions do not touch that have a contact.
    """
    case, domain = setup.case, setup.domain
    known = case.numbers_of("heat")
    found = {
        name: of_region(name, setup.fillings[name].material, table, known)
        for name in domain.regions
    }
    pores = [n for n in domain.regions if case.study == "growth" and _pore(setup, n)]
    media = []
    for regions in ([n for n in domain.regions if n not in pores], pores):
        if regions:
            metal = of_metal(case.metal_data, table, known) if regions is pores else None
            media += _media(setup, {n: found[n] for n in regions}, metal)
    held = {n: b.T for n, b in table.boundaries.items() if b.T is not None}
    around = {
        name: Surroundings(b.h or 0.0, b.ambient or case.temperature, b.flux or 0.0)
        for name, b in table.boundaries.items() if name not in held
    }  # fmt: skip
    limit = float("inf") if table.overheated is None else table.overheated
    liquids = {
        f.electrolyte for f in setup.fillings.values()
        if isinstance(f.electrolyte, materials.Electrolyte)
    }  # fmt: skip

    def outside(T: float) -> list[str]:
        return [text for e in liquids for text in e.outside(e.c0, e.c0, T)]

    def require(*ends: float) -> None:
        for electrolyte in liquids:
            for T in ends:
                electrolyte.require(electrolyte.c0, electrolyte.c0, T)

    settled = case.study in TIMED and any(T != case.temperature for T in held.values())
    yield Conduction(
        tuple(media), around, held, _contacts(setup, table),
        entropy(case.metal_data.name, table, known), limit, outside, require, settled=settled,
    )
    melting = {
        name: Melting(m.at, m.width, m.factor)
        for name in domain.regions if (m := given(table, name).get("shutdown"))
    }  # fmt: skip
    if melting:
        yield Shutdown(melting)


def _contacts(setup: Setup, table: Heat) -> dict[tuple[tuple[str, str], ...], float]:
    """Walls that resist heat, by their resistance, m2 K/W; later entries win.

    Raises:
        CaseError: two regions do not touch.
    """
    resistance: dict[tuple[str, str], float] = {}
    for entry, value in table.contacts.items():
        one, other = entry.split("/")
        found = [
            wall for wall in setup.domain.walls
            if any(fnmatchcase(a, one) and fnmatchcase(b, other) for a, b in (wall, wall[::-1]))
        ]
        if not found:
            touching = [f"{a}/{b}" for a, b in setup.domain.walls]
            raise CaseError(
                f"heat.contacts: {entry!r}: they do not touch; {nearest(entry, touching)}"
            )
        resistance |= dict.fromkeys(found, value)
    walls = sorted(resistance)
    return {
        tuple(wall for wall in walls if resistance[wall] == value): value
        for value in sorted({*resistance.values()})
    }


def _pore(setup: Setup, name: str) -> bool:
    """Metal may grow in a region."""
    filling = setup.fillings[name]
    return isinstance(filling.material, materials.Electrolyte) and filling.porosity is None


def _media(
    setup: Setup, found: dict[str, Thermal], plated: Thermal | None
) -> list[HeatMedium]:
    """Regions whose numbers vary each by itself; all others as fields, one for each number."""
    domain, places = setup.domain, setup.domain.coordinates()
    metal = None if plated is None else (number(plated.k), plated.heat_capacity)
    single = [n for n, t in found.items() if varies(t.k) or varies(t.k_through) or t.source]
    plain = {n: t for n, t in found.items() if n not in single}
    out = []
    if plain:
        k = domain.field({n: number(t.k) for n, t in plain.items()}, "k")
        if any(t.k_through is not None for t in plain.values()):
            through = {
                n: number(t.k if t.k_through is None else t.k_through) for n, t in plain.items()
            }
            k = k, domain.field(through, "k_through")
        capacity = domain.field({n: t.heat_capacity for n, t in plain.items()}, "heat_capacity")
        out.append(HeatMedium(tuple(plain), k, capacity, metal=metal))

    def at(value: Any) -> Any:
        return value.at(**places) if varies(value) else number(value)

    for name in single:
        t = found[name]
        k = at(t.k) if t.k_through is None else (at(t.k), at(t.k_through))
        source = None if _nothing(t.source) else _source(t.source, places)
        out.append(HeatMedium((name,), k, t.heat_capacity, source, metal))
    return out


def _nothing(source: Any) -> bool:
    """No heat is given, or none of it."""
    return source is None or (not varies(source) and number(source) == 0.0)


def _source(source: Any, places: dict[str, Any]) -> Any:
    """Given heat as a function of T, W/m3 (UFL)."""
    return lambda T: source.at(**places, T=T)
