"""Ingredients of a case: what can be switched off in it, and what it is then.

What changes from layer to layer or along the depth becomes its mean; what resists, resists no more;
what is there besides is left out. Each is declared by the physics that owns it
(`fem.contract.physics.Ingredient`), those of the geometry by its room; `fem.run.why` switches them
off in all combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from fem.contract.physics import Ingredient, named
from fem.values.properties import number, varies
from fem.values.units import parse_quantity

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = [
    "EQUAL_RTOL", "conductors", "given", "ingredients", "of_collector", "of_pairs", "on_all_walls",
    "on_regions", "thicknesses",
]

Data = dict[str, Any]

#: Relative spread below which values are the same.
EQUAL_RTOL = 1e-9


def ingredients(case: Case, *, run: bool = False) -> list[Ingredient]:
    """Ingredients that a case has, most telling first.

    Args:
        case: that is asked about.
        run: its whole run is asked about, not a state.
    """
    found: list[Ingredient] = []
    for physics in case.taking_part():
        if physics.ingredients:
            found += named(physics.ingredients)(case, run)
    return sorted([*found, *_of_geometry(case)], key=lambda ingredient: ingredient.rank)


def _of_geometry(case: Case) -> Iterator[Ingredient]:
    """Parameters of a host that differ between its layers or along their depth."""
    from geometries.evening import uneven

    for parameter in uneven(case.to_dict().get("geometry") or {}):
        yield Ingredient(f"geometry {parameter.name}", parameter.evened,
                         _geometry(parameter.values), rank=1)


def _geometry(values: Mapping[tuple[str | int, ...], Any]) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        for path, value in values.items():
            at = data["geometry"]
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value

    return switch


# -- for physics that declare some -----------------------------------------------------------------


def on_all_walls(key: str, value: str) -> Callable[[Data], None]:
    """Give all walls a value of [[kinetics]]."""

    def switch(data: Data) -> None:
        data.setdefault("kinetics", []).append({"surface": "*", key: value})

    return switch


def on_regions(values: Mapping[str, Any], key: str) -> Callable[[Data], None]:
    """Give regions their value of a key of [regions]."""

    def switch(data: Data) -> None:
        for name, value in values.items():
            data.setdefault("regions", {}).setdefault(name, {})[key] = value

    return switch


def conductors(case: Case) -> list[str]:
    """Entries of regions whose material conducts electrons."""
    from fem.materials import material

    own = case.fillings
    return [
        name for name, region in case.regions.items() if region.material
        and float(getattr(material(region.material, own, cation=case.metal), "sigma", 0.0) or 0.0)
    ]


def given(case: Case, key: str) -> dict[str, float]:
    """Numbers that regions give for a key, SI; what varies in space is left out."""
    found = {}
    for name, region in case.regions.items():
        value = getattr(region, key)
        if value is not None and not varies(value):
            found[name] = number(value)
    return found


def of_pairs(case: Case) -> dict[str, dict[str, float]]:
    """Numbers of the pair of each conductor's material with the metal, by entry of [regions]."""
    return {name: _pair(case, str(case.regions[name].material)) for name in conductors(case)}


def of_collector(case: Case) -> dict[str, dict[str, float]]:
    """Numbers of the pair of the collector's material; empty where the case names none."""
    foil = case.collector.material
    return {"collector": _pair(case, foil)} if foil else {}


def _pair(case: Case, material: str) -> dict[str, float]:
    numbers = case.pair_data(material, strict=False).numbers()
    return {k: float(v) for k, v in numbers.items() if not callable(v)}


def thicknesses(case: Case, names: Iterable[str]) -> list[float]:
    """Thickness of the layers of the geometry that each entry of regions names, m.

    All 1 where the layers do not say it of each.
    """
    found = dict.fromkeys(names, 0.0)
    for layer in (case.to_dict().get("geometry") or {}).get("layers", ()):
        own, thick = str(layer.get("name", "")), layer.get("thickness")
        regions = str(layer.get("region", "")), f"host_{own}", f"electrolyte_{own}"
        for name in found:
            mixed = name.startswith(f"host_{own}_")  # one of several kinds of fibre
            if isinstance(thick, str) and (mixed or any(fnmatchcase(r, name) for r in regions)):
                found[name] += parse_quantity(thick, "m")
    return [*found.values()] if all(found.values()) else [1.0] * len(found)
