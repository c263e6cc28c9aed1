"""Entries of the material library from which a case takes numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fem.materials import Material


def used_materials(case: Any) -> list[Material]:
    """Every entry the case takes numbers from: metal, electrolyte, fillings, coatings, pairs.

    Pairs without data are left out: whether they are needed depends on the mesh.
    """
    entries = _fillings(case)
    pairs = [case.pair_data(surface, strict=False) for surface in _surfaces(case, entries)]
    return [case.metal_data, *entries, *(pair for pair in pairs if pair.has("i0_ref"))]


def library_entries(case: Any) -> dict[tuple[str, str], Material]:
    """Entries of `used_materials` that are not the case's own, by kind and key in `[library]`.

    Pairs without data are among them: a later library may know some.
    """
    entries = _fillings(case)
    found: dict[tuple[str, str], Material] = {("metal", case.metal): case.metal_data}
    found |= {(m.kind, m.name): m for m in entries if m.name not in case.materials}
    for surface in _surfaces(case, entries):
        key = f"{case.metal}/{surface}/{case.electrolyte}"
        found["pair", key] = case.pair_data(surface, strict=False)
    return found


def filling_names(case: Any) -> list[str]:
    """Names of the materials of regions, collector and coatings, each once."""
    names = [case.electrolyte]
    names += [region.material for region in case.regions.values() if region.material]
    names += [case.collector.material] if case.collector.material else []
    names += [coating.material for coating in case.coatings]
    return list(dict.fromkeys(names))


def _fillings(case: Any) -> list[Material]:
    """Materials of regions, collector and coatings, own ones included."""
    from fem.materials import material

    own = case.fillings
    return [material(name, own, cation=case.metal) for name in filling_names(case)]


def _surfaces(case: Any, entries: list[Material]) -> list[str]:
    """Names of solids on which the metal may plate: itself, and all that conduct electrons."""
    from fem.materials import Solid

    given = {r.material for r in case.regions.values() if r.sigma is not None}
    conduct = [m.name for m in entries if isinstance(m, Solid) and (m.sigma > 0 or m.name in given)]
    return list(dict.fromkeys([case.metal, *conduct]))
