"""Ingredients of the ions: the gradient of their salt."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from fem.case.ingredients import on_regions
from fem.contract.physics import Ingredient

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["ingredients"]

#: Diffusivity at which salt spreads at once, m2/s: 1000 times that of a good electrolyte.
AT_ONCE = "3e-7 m^2/s"


def ingredients(case: Case, run: bool) -> Iterator[Ingredient]:
    """The salt's gradient: a state has none in a secondary study, a run where salt is fast."""
    if not run:
        yield Ingredient("salt gradient", "c as at the start (secondary)",
                         lambda data: data.__setitem__("study", "secondary"), rank=2)
    elif liquid := _liquid(case):
        yield Ingredient("salt gradient", f"D = {AT_ONCE}",
                         on_regions(dict.fromkeys(liquid, AT_ONCE), "D"), rank=2)


def _liquid(case: Case) -> list[str]:
    """Regions through which salt spreads, by the names that the mesh will have."""
    from fem.case.geometry import geometry_parameters

    if case.geometry is None:
        return []
    model: Any = geometry_parameters(case.sized_geometry or {})
    pores = {glob for glob, region in case.regions.items() if region.porosity is not None}
    names = {n for n in model.names().all if n.startswith(("electrolyte", "separator"))}
    return sorted(pores | {next((g for g in case.regions if fnmatchcase(n, g)), n) for n in names})
