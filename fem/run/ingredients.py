"""Ingredients of a case: what can be switched off in it, and what it is then.

What changes from layer to layer or along the depth becomes its mean; what resists, resists no more;
what is there besides is left out. `fem.run.why` switches them off in all combinations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from fem.case.case import Case
from fem.case.estimates import slabs
from fem.materials import material
from fem.physics.averaged.table import Averaged
from fem.values.properties import number, varies
from fem.values.units import format_quantity, parse_quantity

__all__ = ["Ingredient", "ingredients"]

Data = dict[str, Any]

#: Times an exchange current density is multiplied by to be no resistance.
FASTER = 100.0
#: Conductivity of electrons that resists nothing, S/m; solids are capped anyway.
HUGE = "1e9 S/m"
#: Diffusivity at which salt spreads at once, m2/s: 1000 times that of a good electrolyte.
AT_ONCE = "3e-7 m^2/s"
#: Parameters of a host that may be given as several values from the separator side downwards.
GRADED = ("diameter", "thickness", "spacing")
#: Parameters of layers whose mean says nothing.
UNEVENED = ("thickness", "size", "size_wall", "cells")
#: Relative spread below which values are the same.
SAME = 1e-9
#: Places along a host at which what depends on depth is evaluated.
PLACES = 400


@dataclass(frozen=True)
class Ingredient:
    """Something of a case that can be switched off.

    Attributes:
        name: of it.
        off: what it is then.
        switch: changes a case's data in place.
    """

    name: str
    off: str
    switch: Callable[[Data], None]


def ingredients(case: Case, *, run: bool = False) -> list[Ingredient]:
    """Ingredients that a case has, most telling first.

    Args:
        case: that is asked about.
        run: its whole run is asked about, not a state.
    """
    found = []
    barriers = any(e.eta_nuc is not None for e in case.kinetics) or any(
        pair.get("eta_nuc", 0.0) for pair in _pairs(case).values())
    if barriers:
        found.append(Ingredient("barriers", "eta_nuc = 0", _all_walls("eta_nuc", "0 V")))
    for key in ("sigma", "bridge_sigma"):
        given = _given(case, key)
        if len({*given.values()}) > 1:
            mean = f"{sum(given.values()) / len(given):.6g} S/m"
            found.append(Ingredient(
                f"steps of {key}", f"their mean, {mean}", _regions({n: mean for n in given}, key)))
    found += [*_of_geometry(case), *_of_averaged(case)]
    conduct = {name: HUGE for name in _conductors(case)}
    bridged = {name: HUGE for name in _given(case, "bridge_sigma")}

    def conducting(data: Data) -> None:
        _regions(conduct, "sigma")(data)
        _regions(bridged, "bridge_sigma")(data)

    if conduct or bridged:
        found.append(Ingredient("resistance of electrons", f"sigma = {HUGE}", conducting))
    if not run:
        found.append(Ingredient("salt gradient", "c as at the start (secondary)",
                                lambda data: data.__setitem__("study", "secondary")))
    elif liquid := _liquid(case):
        found.append(Ingredient("salt gradient", f"D = {AT_ONCE}",
                                _regions({name: AT_ONCE for name in liquid}, "D")))
    rates = _rates(case)
    if rates:
        def fast(data: Data) -> None:
            data.setdefault("kinetics", []).extend(
                {"surface": n, "i0": f"{FASTER * i0:.9g} A/m^2"} for n, i0 in rates.items())

        found.append(Ingredient("kinetics", f"i0 times {FASTER:g}", fast))
    if case.coatings:
        found.append(Ingredient("coatings", "none", lambda data: data.pop("coatings", None)))
    if any(e.film_resistance is not None for e in case.kinetics):
        found.append(
            Ingredient("films", "none", _all_walls("film_resistance", "0 ohm*m^2")))
    if joined := [name for name, region in case.regions.items() if region.connected]:
        def apart(data: Data) -> None:
            for name in joined:
                data["regions"][name]["connected"] = False

        found.append(Ingredient("connections", "none outside the mesh", apart))
    return found


# -- along the depth -------------------------------------------------------------------------------


def _of_geometry(case: Case) -> Iterator[Ingredient]:
    """Parameters of a host that differ between its layers or along their depth."""
    data = case.to_dict().get("geometry") or {}
    places: dict[str, list[tuple[tuple[Any, ...], Any, float]]] = {}
    for k, layer in enumerate(data.get("layers", ())):
        for key, value in layer.items():
            if _length_or_share(value) is not None and key not in UNEVENED:
                kind = str(layer.get("kind", ""))
                weight = parse_quantity(layer.get("thickness", "1 m"), "m")
                places.setdefault(f"{kind} {key}".strip(), []).append(
                    (("layers", k, key), value, weight))
    for name, found in places.items():
        values = [_length_or_share(value) or 0.0 for _, value, _ in found]
        if max(values) - min(values) <= SAME * max(values):
            continue
        mean = float(np.average(values, weights=[weight for *_, weight in found]))
        text = _written(mean, found[0][1])
        yield Ingredient(f"geometry {name}", f"{text} in all layers",
                         _geometry({path: text for path, *_ in found}))
    graded = {path: value for path, value in _walk(data)
              if path[-1] in GRADED and isinstance(value, list) and len(set(value)) > 1}
    for path, several in graded.items():
        values = [parse_quantity(v, "m") for v in several]
        ends = 0.5 * (values[0] + values[-1])
        text = format_quantity(float(f"{(sum(values[1:-1]) + ends) / (len(values) - 1):.9g}"), "m")
        where = " of ".join(str(p) for p in reversed(path) if isinstance(p, str) and p != "layers")
        yield Ingredient(f"geometry gradient of {where}", f"{text} at all depths",
                         _geometry({path: text}))


def _length_or_share(value: Any) -> float | None:
    """A length, m, or a plain number of a parameter; None of anything else."""
    if isinstance(value, float):
        return value
    try:
        return parse_quantity(value, "m") if isinstance(value, str) else None
    except ValueError:
        return None


def _written(value: float, like: Any) -> Any:
    value = float(f"{value:.9g}")
    return value if isinstance(like, float) else format_quantity(value, "m")


def _walk(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All values of nested tables with their paths; lists of tables are gone into."""
    pairs = data.items() if isinstance(data, Mapping) else enumerate(data)
    for key, value in pairs:
        here = (*path, key)
        nested = isinstance(value, Mapping) or (
            isinstance(value, list) and any(isinstance(v, Mapping) for v in value))
        if nested:
            yield from _walk(value, here)
        else:
            yield here, value


def _geometry(values: Mapping[tuple[Any, ...], Any]) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        for path, value in values.items():
            at = data["geometry"]
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value

    return switch


def _of_averaged(case: Case) -> Iterator[Ingredient]:
    """Pores, ways and area of averaged hosts that differ between them or along the depth."""
    table = case.table(Averaged)
    if table is None:
        return
    hosts = dict(table.regions)
    spans = _spans(case, [*hosts])
    for key, unit in (("porosity", ""), ("tortuosity", ""), ("radius", "m"), ("area", "1/m")):
        on_region = key in ("porosity", "tortuosity")
        places = [*case.regions] if on_region else [*hosts]
        given = {}
        for name in places:
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
        if np.ptp(there) <= SAME * np.abs(there).max():
            continue
        mean = float(f"{np.average(there, weights=size):.9g}")
        text: Any = format_quantity(mean, unit) if unit else mean
        evened = {name: text for name in given}
        switch = _regions(evened, key) if on_region else _surfaces(evened, key)
        yield Ingredient(f"gradient of {key}", f"{text} everywhere", switch)


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


def _surfaces(values: Mapping[str, Any], key: str) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        for name, value in values.items():
            data["averaged"]["regions"][name]["surface"][key] = value

    return switch


# -- entries of the case ---------------------------------------------------------------------------


def _liquid(case: Case) -> list[str]:
    """Regions through which salt spreads, by the names that the mesh will have."""
    from fem.case.geometry import geometry_parameters

    if case.geometry is None:
        return []
    model: Any = geometry_parameters(case.sized_geometry or {})
    table = case.table(Averaged)
    hosts = () if table is None else tuple(table.regions)
    given = {glob for glob in case.regions if any(fnmatchcase(glob, h) for h in hosts)}
    names = {n for n in model.names().all if n.startswith(("electrolyte", "separator"))}
    return sorted(given | {next((g for g in case.regions if fnmatchcase(n, g)), n) for n in names})


def _pairs(case: Case) -> dict[str, dict[str, float]]:
    """Numbers of the pair of each region's material with the metal."""
    out = {}
    for name in _conductors(case):
        pair = case.pair_data(str(case.regions[name].material), strict=False)
        out[name] = {k: float(v) for k, v in pair.numbers().items() if not callable(v)}
    return out


def _conductors(case: Case) -> list[str]:
    """Entries of regions whose material conducts electrons."""
    own = case.fillings
    return [
        name for name, region in case.regions.items() if region.material
        and float(getattr(material(region.material, own, cation=case.metal), "sigma", 0.0) or 0.0)
    ]


def _given(case: Case, key: str) -> dict[str, float]:
    """Numbers that regions give for a key, S/m."""
    found = {}
    for name, region in case.regions.items():
        value = getattr(region, key)
        if value is not None and not getattr(value, "variables", None):
            found[name] = float(value.at() if hasattr(value, "at") else value)
    return found


def _rates(case: Case) -> dict[str, float]:
    """Exchange current density of each region's walls, A/m2: the case's, else the library's."""
    rates = {name: pair["i0_ref"] for name, pair in _pairs(case).items() if "i0_ref" in pair}
    for entry in case.to_dict().get("kinetics", []):
        if entry["surface"] != "counter" and isinstance(entry.get("i0"), str):
            rates[entry["surface"]] = parse_quantity(entry["i0"], "A/m^2")
    return rates


def _all_walls(key: str, value: str) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        data.setdefault("kinetics", []).append({"surface": "*", key: value})

    return switch


def _regions(values: Mapping[str, Any], key: str) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        for name, value in values.items():
            data.setdefault("regions", {}).setdefault(name, {})[key] = value

    return switch
