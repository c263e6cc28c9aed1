"""[averaged] of a case: how the pores of its hosts react, conduct, fill and close."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from fem.base.errors import CaseError
from fem.contract.physics import Place
from fem.physics.averaged.areas import Given, distance
from fem.values.kinds import PLACE_VARIABLES, Conductivity, Glob, Length, Table
from fem.values.properties import Property, PropertyOf, number, varies
from fem.values.units import Quantity, shown_length

__all__ = [
    "Averaged", "AveragedRegion", "Clog", "Dead", "Surface", "check", "few_pores", "foiled",
    "notes", "places", "too_thin",
]  # fmt: skip

Share = Annotated[float, Quantity("", gt=0, lt=1)]
ShareInSpace = Annotated[Property, PropertyOf("", PLACE_VARIABLES, ge=0, le=1)]

#: Depths at which the distance of pores is taken, both ends of a layer among them.
DEPTHS = 65
#: Conductivity of a skeleton, S/m, below which it counts as an insulator: current then ends within
#: nanometres of what feeds it.
INSULATING = 1e-8

#: Distances of pores that a layer must be thick, and below which a run says that it is coarse.
LEAST_PORES, FEW_PORES = 5, 10
#: Keys that each area law needs.
NEEDS: dict[str, tuple[str, ...]] = {
    "fibres": ("radius",), "fibre_thin": ("radius",), "pores": ("radius",),
    "spheres": ("radius",), "constant": ("area",), "table": ("porosity", "areas"),
}  # fmt: skip


class Surface(Table):
    """Reacting area per volume, and how it changes as pores fill (`fem.physics.averaged.areas`)."""

    law: Literal["fibres", "fibre_thin", "pores", "spheres", "constant", "table"] = Field(
        "fibres", description="what the host is made of, or given numbers"
    )
    radius: Annotated[Property, PropertyOf("m", PLACE_VARIABLES, gt=0)] | None = Field(
        None, description="of fibres, pores or spheres before there is metal"
    )
    area: Annotated[Property, PropertyOf("1/m", PLACE_VARIABLES, gt=0)] | None = Field(
        None, description="law `constant`: a_s"
    )
    porosity: tuple[Annotated[float, Quantity("", ge=0, le=1)], ...] | None = Field(
        None, description="law `table`: pore fractions, rising, that `areas` belong to"
    )
    areas: tuple[Annotated[float, Quantity("1/m", ge=0)], ...] | None = Field(
        None, description="law `table`: a_s at each of them"
    )


class Clog(Table):
    """Pores that close."""

    porosity: Annotated[float, Quantity("", ge=1e-3, lt=1)] = Field(
        0.02, description="pore fraction below which a place is closed"
    )
    after: Literal["stop", "go_on"] = Field(
        "stop", description="the first place that closes ends the run, or plating goes on elsewhere"
    )


class Dead(Table):
    """Metal that loses its contact; an input, whose source the case should state."""

    law: Literal["fraction", "decay"] = Field(
        description="fraction: chi of what dissolves is stranded beside it; decay: gamma per time"
    )
    chi: Annotated[float, Quantity("", ge=0)] | None = Field(
        None, description="metal stranded per metal dissolved"
    )
    gamma: Annotated[float, Quantity("1/s", ge=0)] | None = Field(
        None, description="share of live metal that dies per time"
    )


class AveragedRegion(Table):
    """One host; its material, porosity, sigma (of the skeleton) are those of [regions]."""

    surface: Surface = Field(description="reacting area per volume")
    host_fraction: ShareInSpace | None = Field(
        None, description="volume of the skeleton per volume; default what porosity leaves"
    )
    exponent: Annotated[float, Quantity("", ge=0, le=10)] = Field(
        1.5, description="b of kappa_eff = kappa eps^b; of a measured tortuosity, how it follows"
    )
    tensor: tuple[tuple[float, ...], ...] | None = Field(
        None, description="measured tortuosity of the empty host as a symmetric matrix, in rows"
    )
    metal: ShareInSpace | None = Field(None, description="metal per volume at the start")
    metal_sigma: Conductivity | None = Field(
        None, description="of metal that percolates, added to the skeleton; default the metal's"
    )
    percolation: Share = Field(0.05, description="metal per volume at which it percolates")
    pore_distance: Length | None = Field(
        None, description="from one pore or fibre to the next; default from the area law"
    )
    nucleation_length: Annotated[float, Quantity("m", ge=0)] | None = Field(
        None, description="over which metal lowers the barrier around it; default pore_distance"
    )
    spread: Annotated[float, Quantity("V", ge=0)] = Field(
        0.0, description="standard deviation of eta_nuc within a representative volume"
    )
    foil: StrictBool = Field(
        False, description="the collector plates behind its pores, with all of its area"
    )
    clog: Clog = Field(default_factory=Clog, description="pores that close")
    dead: Dead | None = Field(None, description="metal that loses its contact while stripping")


class Averaged(Table):
    """Hosts that are volume averages: pores, metal and skeleton on the same cells."""

    regions: dict[Glob, AveragedRegion] = Field(description="by region")
    displacement: Literal["outflow", "none"] = Field(
        "outflow", description="electrolyte that metal displaces leaves at the counter electrode, "
        "or stays, with more and more salt in what is left of the pores",
    )


def check(sections: Mapping[str, Any]) -> Iterator[str]:
    """Hosts without pores, skeleton or laws' data, volumes that do not add up, thin layers."""
    averaged, regions = sections.get("averaged"), sections.get("regions")
    if averaged is None:
        return
    if not averaged.regions:
        yield "averaged.regions: empty; say which regions are averaged, or leave [averaged] out"
    for name, entry in averaged.regions.items():
        path = f"averaged.regions.{name}"
        yield from _law(f"{path}.surface", entry.surface)
        yield from _dead(f"{path}.dead", entry.dead)
        if entry.tensor is not None:
            yield from _tensor(f"{path}.tensor", entry.tensor)
        if regions is not None:
            for pattern, region in regions.items():
                if fnmatchcase(pattern, name) or fnmatchcase(name, pattern):
                    yield from _region(name, f"regions.{pattern}", entry, region)
        yield from filter(None, [_kinetics(name, sections)])
    yield from filter(None, (too_thin(*layer) for layer in _layers(sections)))


def _kinetics(name: str, sections: Mapping[str, Any]) -> str | None:
    """Reason why the kinetics of a host, which reacts wherever it is, are not known."""
    from fem.case.names import conducts, missing_pair, surface_of
    from fem.materials import names

    wanted = {"metal", "electrolyte", "kinetics", "study", "coatings", "materials"}
    if not wanted <= sections.keys() or sections["metal"] not in names("metal"):
        return None
    solid, _ = conducts(name, sections)
    try:
        surface = None if solid is None else surface_of(name, solid, sections)
    except CaseError:
        return None  # reported by the check of coatings
    return None if surface is None else missing_pair(name, surface, sections)


def too_thin(name: str, thick: float, apart: float) -> str:
    """Reason why a host is no average, or nothing.

    Args:
        name: of the region.
        thick: its thickness, m.
        apart: largest distance of its pores, m.
    """
    if thick >= LEAST_PORES * apart:
        return ""
    return (
        f"averaged.regions.{name}: {shown_length(thick, 3)} thick, below {LEAST_PORES} distances "
        f"of {shown_length(apart, 3)} between pores: no average of them; resolve its pores, or "
        "give pore_distance if it is smaller"
    )


def few_pores(name: str, thick: float, apart: float) -> str:
    """Remark on a host that is a coarse average, or nothing; arguments as in `too_thin`."""
    if not LEAST_PORES * apart <= thick < FEW_PORES * apart:
        return ""
    return (f"{name!r} is {thick / apart:.1f} distances of pores thick; below {FEW_PORES} an "
            "average is coarse")


def notes(sections: Mapping[str, Any]) -> Iterator[str]:
    """Hosts of few pores."""
    yield from filter(None, (few_pores(*layer) for layer in _layers(sections)))


def _layers(sections: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Name, thickness and distance of pores, m, of hosts that are layers of a planar cell.

    Only of those whose distance follows from their depth, if it is not the same all over.
    """
    import numpy as np

    from fem.case.geometry import layers_of

    averaged, regions = sections.get("averaged"), sections.get("regions") or {}
    spans: dict[str, tuple[float, float]] = {}
    height = 0.0
    if averaged is None:
        return
    for name, thickness in layers_of(sections):
        spans[name] = spans.get(name, (height, height))[0], height + thickness
        height += thickness
    top = max((spans[n][1] for n in spans if n.startswith("host_")), default=height)
    for name, (low, high) in spans.items():
        entries = [e for glob, e in averaged.regions.items() if fnmatchcase(name, glob)]
        filled = [r for glob, r in regions.items() if fnmatchcase(name, glob)]
        if len(entries) == len(filled) == 1:
            depth = top - np.linspace(low, high, DEPTHS)
            apart = _apart(entries[0], filled[0], depth)
            if apart is not None:
                yield name, high - low, apart


def _apart(entry: AveragedRegion, region: Any, depth: Any) -> float | None:
    """Largest distance of pores of a host, m; None where it depends on more than depth, m."""
    if entry.pore_distance is not None:
        return entry.pore_distance
    surface, metal = entry.surface, entry.metal or 0.0
    values = (region.porosity, metal, entry.host_fraction, surface.radius, surface.area)
    if region.porosity is None or surface.law == "table" or any(_law("", surface)):
        return None
    if any({*getattr(v, "variables", ())} - {"depth"} for v in values):
        return None
    import numpy as np

    def at(value: Any) -> Any:
        if value is None or not varies(value):
            return np.full(len(depth), 0.0 if value is None else number(value))
        return np.asarray(value.at(depth=depth), dtype=float)

    pores = at(region.porosity) + at(metal)
    if not 0.0 < pores.min() <= pores.max() < 1.0:
        return None
    host = 1.0 - pores if entry.host_fraction is None else at(entry.host_fraction)
    given = Given(pores, host, at(surface.radius), at(surface.area))
    return float(np.max(distance(surface.law, given)))


def _law(path: str, surface: Surface) -> Iterator[str]:
    missing = [key for key in NEEDS[surface.law] if getattr(surface, key) is None]
    if missing:
        yield f"{path}: law {surface.law!r} needs {' and '.join(missing)}; give it"
    known = {key for keys in NEEDS.values() for key in keys} - {*NEEDS[surface.law]}
    for key in sorted(known):
        if getattr(surface, key) is not None:
            yield f"{path}.{key}: law {surface.law!r} takes none; leave it out"
    if surface.porosity is not None and surface.areas is not None:
        at = surface.porosity
        if len(at) < 2 or len(at) != len(surface.areas):
            yield f"{path}.areas: {len(surface.areas)} for {len(at)} porosities; give one for each"
        elif any(b <= a for a, b in itertools.pairwise(at)):
            yield f"{path}.porosity: must rise from entry to entry"


def _dead(path: str, dead: Dead | None) -> Iterator[str]:
    if dead is None:
        return
    wanted, other = ("chi", "gamma") if dead.law == "fraction" else ("gamma", "chi")
    if getattr(dead, wanted) is None:
        yield f"{path}: law {dead.law!r} needs {wanted}; give it"
    if getattr(dead, other) is not None:
        yield f"{path}.{other}: law {dead.law!r} takes none; leave it out"


def _tensor(path: str, rows: tuple[tuple[float, ...], ...]) -> Iterator[str]:
    import numpy as np

    n = len(rows)
    if n not in (2, 3) or any(len(row) != n for row in rows):
        yield f"{path}: must be a matrix of 2 by 2 (2D) or 3 by 3 (3D)"
        return
    matrix = np.array(rows)
    if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix).min() < 1.0 - 1e-9:
        yield f"{path}: must be symmetric, with no principal value below 1"


def _region(name: str, path: str, entry: AveragedRegion, region: Any) -> Iterator[str]:
    if region.porosity is None:
        yield f"{path}.porosity: missing; an averaged host has pores: give their share of volume"
    if region.sigma is None:
        yield (
            f"{path}.sigma: missing; give that of the skeleton as it stands, which is far below "
            "that of its wire"
        )
    elif not varies(region.sigma) and number(region.sigma) < INSULATING:
        yield (
            f"{path}.sigma: {number(region.sigma):g} S/m: an insulating skeleton brings no "
            "electrons to metal that would begin on it; resolve the pores (study = 'growth'), or "
            "give the sigma of what conducts"
        )
    if region.tortuosity is not None and entry.tensor is not None:
        yield f"averaged.regions.{name}.tensor: {path}.tortuosity is given too; keep one of them"
    if region.bridge_sigma is not None:
        yield f"{path}.bridge_sigma: an averaged host has sigma; leave it out"
    pores, host = region.porosity, entry.host_fraction
    parts = [v for v in (pores, host, entry.metal) if v is not None]
    if host is not None and not any(varies(v) for v in parts):
        total = sum(number(v) for v in parts)
        if total > 1.0 + 1e-9:
            yield (
                f"averaged.regions.{name}.host_fraction: pores, skeleton and metal add up to "
                f"{total:.4g} of the volume; lower one of them"
            )


def foiled(sections: Mapping[str, Any]) -> Iterator[str]:
    """Hosts behind whose pores the collector reacts, too."""
    averaged = sections.get("averaged")
    yield from (name for name, e in (averaged.regions if averaged else {}).items() if e.foil)


def places(sections: Mapping[str, Any]) -> Iterator[Place]:
    """Regions that the table names."""
    averaged = sections.get("averaged")
    for name in averaged.regions if averaged else ():
        yield Place(f"averaged.regions.{name}", name, "region")
