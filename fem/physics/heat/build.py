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
from fem.physics.heat.data import Thermal, thermal
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
    found = {name: _of_region(setup, table, name) for name in domain.regions}
    pores = [n for n in domain.regions if case.study == "growth" and _pore(setup, n)]
    media = []
    for regions in ([n for n in domain.regions if n not in pores], pores):
        if regions:
            metal = _metal(setup, table) if regions is pores else None
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

    entropy = _entropy(setup, table)
    settled = case.study in TIMED and any(T != case.temperature for T in held.values())
    yield Conduction(
        tuple(media), around, held, _contacts(setup, table), entropy, limit, outside, require,
        settled=settled,
    )
    melting = {
        name: Melting(m.at, m.width, m.factor)
        for name in domain.regions if (m := _given(table, name).get("shutdown"))
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


def _of_region(setup: Setup, table: Heat, name: str) -> Thermal:
    """Thermal numbers of a region."""
    given = {k: v for k, v in _given(table, name).items() if k != "shutdown"}
    way_out = f"[heat.regions.{name}]"
    known = setup.case.numbers_of("heat")
    return thermal(setup.fillings[name].material, given, known, f"heat, region {name!r}", way_out)


def _given(table: Heat, name: str) -> dict[str, Any]:
    """Data that a case gives for a region; later entries that fit its name win."""
    given: dict[str, Any] = {}
    for pattern, entry in table.regions.items():
        if fnmatchcase(name, pattern):
            given |= {k: v for k, v in vars(entry).items() if v is not None}
    return given


def _metal(setup: Setup, table: Heat) -> tuple[float, float]:
    """Conductivity and rho c_p of the metal that grows."""
    given = {} if table.metal is None else vars(table.metal)
    known = setup.case.numbers_of("heat")
    data = thermal(setup.case.metal_data, given, known, "heat, plated metal", "[heat.metal]")
    return number(data.k), data.heat_capacity


def _entropy(setup: Setup, table: Heat) -> float:
    """dU/dT of the electrode reaction, V/K.

    Raises:
        CaseError: nobody knows it.
    """
    if table.dU_dT is not None:
        return table.dU_dT
    metal = setup.case.metal_data.name
    numbers = setup.case.numbers_of("heat")
    entry = numbers.get(metal)
    if entry is None or entry.dU_dT is None:
        known = ", ".join(n for n, e in numbers.items() if e.dU_dT is not None)
        raise CaseError(
            f"heat.dU_dT: of {metal} it is not known (known: {known}); give it in [heat], "
            'or dU_dT = "0 V/K" for no reversible heat'
        )
    return float(entry.dU_dT)


def _media(
    setup: Setup, found: dict[str, Thermal], metal: tuple[float, float] | None
) -> list[HeatMedium]:
    """Regions whose numbers vary each by itself; all others as fields, one for each number."""
    domain, places = setup.domain, setup.domain.coordinates()
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


def _nothing(given: Any) -> bool:
    """No heat is given, or none of it."""
    return given is None or (not varies(given) and number(given) == 0.0)


def _source(given: Any, places: dict[str, Any]) -> Any:
    """Given heat as a function of T, W/m3 (UFL)."""
    return lambda T: given.at(**places, T=T)
