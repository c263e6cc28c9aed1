"""Ingredients of averaged hosts: pores, ways and area that differ in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from fem.base.errors import CaseError
from fem.case.estimates import slabs
from fem.case.ingredients import EQUAL_RTOL, on_regions
from fem.contract.physics import Ingredient
from fem.physics.averaged.table import Averaged
from fem.values.properties import number, varies
from fem.values.units import format_quantity

if TYPE_CHECKING:
    from fem.case.case import Case

__all__ = ["ingredients"]

#: Places along a host at which what depends on depth is evaluated.
PLACES = 400


def ingredients(case: Case, _run: bool) -> Iterator[Ingredient]:
    """Ingredients of a case that are its averaged hosts': differences become their mean."""
    table = case.table(Averaged)
    assert table is not None
    hosts = dict(table.regions)
    spans = _spans(case, [*hosts])
    for key, unit in (("porosity", ""), ("tortuosity", ""), ("radius", "m"), ("area", "1/m")):
        on_region = key in ("porosity", "tortuosity")
        given = {}
        for name in case.regions if on_region else hosts:
            if on_region and not any(fnmatchcase(name, glob) for glob in hosts):
                continue
            value = getattr(case.regions[name] if on_region else hosts[name].surface, key)
            if value is not None:
                given[name] = value
        try:
            values = {name: _along(value, spans.get(name)) for name, value in given.items()}
        except CaseError:
            continue  # of something else than depth, or layers are not known
        if not values:
            continue
        there, size = (np.concatenate(found) for found in zip(*values.values(), strict=True))
        if np.ptp(there) <= EQUAL_RTOL * np.abs(there).max():
            continue
        mean = float(f"{np.average(there, weights=size):.9g}")
        text: Any = format_quantity(mean, unit) if unit else mean
        evened = dict.fromkeys(given, text)
        switch = on_regions(evened, key) if on_region else _surfaces(evened, key)
        yield Ingredient(f"gradient of {key}", f"{text} everywhere", switch, rank=1)


def _spans(case: Case, hosts: list[str]) -> dict[str, tuple[float, float]]:
    """Depth at which each averaged host of a planar cell begins and ends, m."""
    below: dict[str, tuple[float, float]] = {}
    depth = 0.0
    for slab in reversed(slabs(case)):
        for glob in (g for g in [*hosts, *case.regions] if fnmatchcase(slab.name, g)):
            if any(fnmatchcase(slab.name, host) for host in hosts):
                start = below.get(glob, (depth, depth))[0]
                below[glob] = start, depth + slab.thickness
        if any(fnmatchcase(slab.name, host) for host in hosts):
            depth += slab.thickness
    return below


def _along(value: Any, span: tuple[float, float] | None) -> tuple[Any, Any]:
    """Values along the depth of a host, and the thickness that each stands for.

    Raises:
        CaseError: it depends on something else, or the host's layer is not known.
    """
    start, end = span or (0.0, 1.0)
    size = np.full(PLACES, (end - start) / PLACES)
    if not varies(value):
        return np.full(PLACES, number(value)), size
    if span is None or {*value.variables} != {"depth"}:
        raise CaseError(f"depends on {', '.join(value.variables)}")
    depth = start + (np.arange(PLACES) + 0.5) * (end - start) / PLACES
    return np.asarray(value.at(depth=depth), dtype=float) * np.ones(PLACES), size


def _surfaces(values: Mapping[str, Any], key: str) -> Callable[[dict[str, Any]], None]:
    def switch(data: dict[str, Any]) -> None:
        for name, value in values.items():
            data["averaged"]["regions"][name]["surface"][key] = value

    return switch
