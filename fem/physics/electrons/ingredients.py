"""Ingredients of the electrons: steps of sigma, their resistance, connections outside the mesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fem.case.ingredients import conductors, given, on_regions, thicknesses
from fem.contract.physics import Ingredient

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["ingredients"]

#: Conductivity that resists nothing, S/m; solids are capped anyway.
HUGE = "1e9 S/m"


def ingredients(case: Case, _run: bool) -> Iterator[Ingredient]:
    """Ingredients of a case that are the electrons'."""
    bridges = given(case, "bridge_sigma")
    for key, values in ("sigma", given(case, "sigma")), ("bridge_sigma", bridges):
        if len({*values.values()}) > 1:
            mean = f"{np.average([*values.values()], weights=thicknesses(case, values)):.6g} S/m"
            yield Ingredient(f"steps of {key}", f"their mean, {mean}",
                             on_regions(dict.fromkeys(values, mean), key), rank=1)
    solids = on_regions(dict.fromkeys(conductors(case), HUGE), "sigma")
    bridged = on_regions(dict.fromkeys(bridges, HUGE), "bridge_sigma")

    def conducting(data: dict[str, Any]) -> None:
        solids(data)
        bridged(data)

    if conductors(case) or bridges:
        yield Ingredient("resistance of electrons", f"sigma = {HUGE}", conducting, rank=2)
    joined = [name for name, region in case.regions.items() if region.connected]
    if joined:
        yield Ingredient("connections", "none outside the mesh",
                         on_regions(dict.fromkeys(joined, False), "connected"), rank=4)
