"""Ingredients of walls: barriers, the resistance of their kinetics, coatings, films."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fem.case.ingredients import of_collector, of_pairs, on_all_walls
from fem.contract.physics import Ingredient
from fem.values.units import parse_quantity

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["ingredients"]

#: Times an exchange current density is multiplied by to be no resistance.
FASTER = 100.0


def ingredients(case: Case, _run: bool) -> Iterator[Ingredient]:
    """Ingredients of a case that are its walls'."""
    pairs, foil = of_pairs(case), of_collector(case)
    if any(e.eta_nuc is not None for e in case.kinetics) or any(
        pair.get("eta_nuc", 0.0) for pair in (*pairs.values(), *foil.values())
    ):
        yield Ingredient("barriers", "eta_nuc = 0", on_all_walls("eta_nuc", "0 V"), rank=0)
    rates = _rates(case, pairs or foil)  # a host may cover the foil, and no wall be left of it

    def fast(data: dict[str, Any]) -> None:
        data.setdefault("kinetics", []).extend(
            {"surface": n, "i0": f"{FASTER * i0:.9g} A/m^2"} for n, i0 in rates.items())

    if rates:
        yield Ingredient("kinetics", f"i0 times {FASTER:g}", fast, rank=2)
    if case.coatings:
        yield Ingredient("coatings", "none", lambda data: data.pop("coatings", None), rank=3)
    if any(e.film_resistance is not None for e in case.kinetics):
        yield Ingredient("films", "none", on_all_walls("film_resistance", "0 ohm*m^2"), rank=3)


def _rates(case: Case, pairs: dict[str, dict[str, float]]) -> dict[str, float]:
    """Exchange current density of each region's walls, A/m2: the case's, else the library's."""
    rates = {name: pair["i0_ref"] for name, pair in pairs.items() if "i0_ref" in pair}
    for entry in case.to_dict().get("kinetics", []):
        if entry["surface"] != "counter" and isinstance(entry.get("i0"), str):
            rates[entry["surface"]] = parse_quantity(entry["i0"], "A/m^2")
    return rates
