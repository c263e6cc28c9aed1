"""Numbers of the library that a case carries: what a run used, so that it can be repeated.

A run writes every entry it takes numbers from into its `case.toml`, as `[library.KIND.NAME]`, in
the form of the library's own files. Read back, they win over the library of the installed version.
Laws stay functions of the program; two values of each are kept with them, so that a law that has
changed since is noticed and not used. Physics with numbers of their own, as heat, have them beside:
`[library.heat.NAME]`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from fem.base.constants import T_REF
from fem.base.errors import CaseError
from fem.materials import library
from fem.materials.data import Dependent, Number
from fem.materials.library import Electrolyte, Material, Metal, Pair, parse_material
from fem.values.units import format_quantity, parse_quantity

__all__ = ["Carried", "digest", "fillings", "metal", "pair", "read", "table"]

#: What `[library]` holds: kind -> name -> table.
Carried = Mapping[Any, Mapping[str, Mapping[str, Any]]]
#: Key of a recorded electrolyte: values of its laws at `_places`.
LAWS_KEY = "laws"
#: Relative difference of a law's values that counts as none.
LAW_RTOL = 1e-9


def table(entry: Material) -> dict[str, Any]:
    """An entry with all its numbers, sources and statuses, as it stands in a case."""
    out = entry.written()
    laws = {
        name: [format_quantity(law(c, T), law.unit) if law.unit else repr(law(c, T))
               for c, T in _places(entry)]
        for name, law in _laws(entry).items()
    }
    return out | ({LAWS_KEY: laws} if laws else {})


def read(kind: str, name: str, given: Mapping[str, Any]) -> Material:
    """A recorded entry.

    Raises:
        CaseError: it is faulty, or a law gives other values than when it was written.
    """
    where = f"library.{kind}.{name}"
    body = {key: part for key, part in given.items() if key != LAWS_KEY}
    entry = parse_material({**body, "kind": kind}, where, name=name)
    kept = given.get(LAWS_KEY, {})
    for law_name, law in _laws(entry).items():
        for (c, T), text in zip(_places(entry), kept.get(law_name, ()), strict=False):
            now, then = law(c, T), parse_quantity(text, law.unit)
            if not math.isclose(now, then, rel_tol=LAW_RTOL):
                raise CaseError(
                    f"{where}.{law_name}: the {law.given} has changed since the case was written: "
                    f"at c = {c:g} mol/m^3 and {T:g} K it gave {then:g} {law.unit}, now {now:g}; "
                    "run it with the version that wrote it, or delete this entry to take the law "
                    "as it is now"
                )
    return entry


def fillings(
    library_tables: Carried, materials: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Own materials, and the solids, electrolytes and separators that a case carries, by name.

    To be given to `fem.materials.material` as `own`.
    """
    carried: dict[str, Mapping[str, Any]] = {
        name: {**{k: v for k, v in table.items() if k != LAWS_KEY}, "kind": kind}
        for kind in ("solid", "electrolyte", "separator")
        for name, table in library_tables.get(kind, {}).items()
    }
    return {**carried, **materials}


def metal(library_tables: Carried, name: str) -> Metal:
    """A metal: the numbers that a case carries, else the library's.

    Raises:
        CaseError: as `fem.materials.metal`.
    """
    table = library_tables.get("metal", {}).get(name)
    found = library.metal(name) if table is None else read("metal", name, table)
    assert isinstance(found, Metal)
    return found


def pair(
    library_tables: Carried, metal_name: str, surface: str, electrolyte: str, *, strict: bool = True
) -> Pair:
    """A pair: the numbers that a case carries, else the library's.

    Raises:
        CaseError: as `fem.materials.pair`.
    """
    key = f"{metal_name}/{surface}/{electrolyte}"
    table = library_tables.get("pair", {}).get(key)
    if table is not None:
        found = read("pair", key, table)
        assert isinstance(found, Pair)
        if found.has("i0_ref") or not strict:
            return found
    return library.pair(metal_name, surface, electrolyte, strict=strict)


def plain(entry: BaseModel) -> dict[str, Any]:
    """Numbers of an entry of a physics' own library, with source and status."""
    return {name: value.written() for name, value in entry if isinstance(value, Number)}


def digest(
    entries: Mapping[tuple[str, str], Material],
    own: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType({}),
) -> str:
    """Digest of the numbers of entries by kind and name, whatever their sources are called.

    Args:
        entries: of the library.
        own: entries of the libraries of physics, by physics and material, as `plain` writes them.
    """
    numbers = {
        f"{kind} {key}": {
            name: dict(value.body) or value.given if isinstance(value, Dependent) else float(value)
            for name, value in entry.numbers().items()
        }
        for (kind, key), entry in entries.items()
    }
    for physics, tables in own.items():
        for name, table in tables.items():
            numbers[f"{physics} {name}"] = {key: part["value"] for key, part in table.items()}
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def _laws(entry: Material) -> dict[str, Dependent]:
    found = entry.numbers().items()
    return {n: v for n, v in found if isinstance(v, Dependent) and "law" in v.body}


def _places(entry: Material) -> tuple[tuple[float, float], ...]:
    """Concentrations and temperatures at which laws are compared."""
    assert isinstance(entry, Electrolyte)
    c0 = float(entry.c0)
    return (c0, T_REF), (0.5 * c0, T_REF + 10.0)
