"""Cells of layers: what the families on `carving` share, from parameters to the checked mesh.

A family is a `Layer` (its parameters and how it fills its slab with parts) and a `Cell` of such
layers; `stack` is a cell of any of them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np

from fem.base.errors import CaseError
from geometries.builders.layers import Cell, Site
from geometries.meshing.carving import HOST, Part, carve, nearest
from geometries.meshing.measures import components, pore_connectivity, slab_fractions
from geometries.meshing.mesh import Built, TaggedMesh, facet_pairs, is_pore
from geometries.meshing.primitives import Ball, Rod

POROSITY_TOLERANCE = 0.01
#: Largest change of radii to meet a porosity.
MAX_RADIUS_CHANGE = 0.04


def build(cell: Cell) -> Built:
    """The tagged mesh of a cell, with what was delivered in the sidecar.

    Raises:
        CaseError: a layer cannot be placed, or a porosity not be delivered; says what can.
        RunError: the mesher failed; names the place.
    """
    parts, whiskers = placed(cell)
    room = cell.room()
    mesh, parts, report = carve(room, parts)
    off = _misses(cell, mesh, whiskers)
    if off and max(map(abs, off.values())) > 0.6 * POROSITY_TOLERANCE:
        parts = _corrected(cell, mesh, parts, off)
        mesh, parts, report = carve(room, parts)
        off = _misses(cell, mesh, whiskers)
    wrong = [
        f"layers.{name}.porosity: {_asked(cell)[name]:g} was asked for, but the mesh has "
        f"{_asked(cell)[name] + miss:.4f}; refine size_wall, or ask for that porosity"
        for name, miss in off.items() if abs(miss) > POROSITY_TOLERANCE
    ]
    if wrong:
        raise CaseError("\n".join(wrong))
    return finish(cell, mesh, parts, report)


def placed(cell: Cell) -> tuple[list[Part], dict[str, str]]:
    """Parts of all layers, and the region of the whiskers of each layer that has some.

    Raises:
        CaseError: a layer cannot be placed; says what can.
    """
    numbers = itertools.count()
    parts: list[Part] = []
    sites = [
        (layer, Site(cell, low, high, np.random.default_rng([cell.seed, i]),
                     i == 0 or cell.layers[i - 1].full, [], numbers))
        for i, (layer, (_, low, high)) in enumerate(zip(cell.layers, cell.bounds(), strict=True))
    ]
    whiskers: dict[str, str] = {}
    for kind, group in itertools.groupby(sites, key=lambda pair: type(pair[0])):
        run = list(group)
        for _, site in run:
            site.below = list(parts)
        parts += kind.fill(run)
        for layer, site in run:
            if getattr(layer, "whiskers", None):
                from geometries.builders.grown import grown_on

                parts += grown_on(layer.whiskers, site, parts, cell.wall(layer))
                whiskers[layer.name] = layer.whiskers.region
    return parts, whiskers


def fitted(
    parts: list[Part], name: str, asked: float, reached: float, power: int, one: float
) -> list[Part]:
    """Parts of a layer with all radii scaled by up to 4 %, so that its porosity is met.

    Args:
        parts: of the layer.
        name: of the layer.
        asked: porosity.
        reached: porosity with the parts as they are.
        power: of the radius with which a part's volume grows.
        one: share of the layer that one part takes.

    Raises:
        CaseError: a larger change would be needed; names the reachable porosity.
    """
    scale = 1 + (reached - asked) / (power * max(1 - reached, 1e-9))
    if abs(scale - 1) > MAX_RADIUS_CHANGE:
        raise CaseError(
            f"layers.{name}.porosity: {asked:g} cannot be delivered within {POROSITY_TOLERANCE:g}; "
            f"reachable here {reached:.3f}; take a higher porosity, another seed or a larger cell "
            f"(one body is {100 * one:.2g} % of the layer)"
        )
    return [replace(p, shape=p.shape.grown((scale - 1) * p.shape.radius)) for p in parts]


def finish(cell: Cell, mesh: TaggedMesh, parts: list[Part], report: dict[str, Any]) -> Built:
    """Host, layers and what the mesh delivers: porosity, connectivity, floating solids."""
    bounds = cell.bounds()
    hosts = [b for layer, b in zip(cell.layers, bounds, strict=True)
             if any(n.startswith(("host_", "coating_")) for n in _regions_in(mesh, b))]
    cut_off = _cut_off(mesh)
    floating = _floating(mesh)
    extra: dict[str, Any] = {
        "porosity": {n: round(slab_fractions(mesh, [b, t])[0], 6) for n, b, t in bounds},
        "bodies": len({p.body for p in parts} - {None}),
        "contacts": _contacts(parts),
        "floating_solids": sum(floating.values()),
        "floating": floating,
        "connected": not floating,
        "pore_connected": pore_connectivity(mesh)[0],
        "cut_off_pores": cut_off,
        **report,
    }
    host = (hosts[0][1], hosts[-1][2]) if hosts else None
    return Built(mesh, host, bounds, extra)


def _contacts(parts: list[Part]) -> int:
    """Number of pairs of balls and rods of the host that merge (2D: without contact bars)."""
    shapes = [p.shape for p in parts if p.priority == HOST and isinstance(p.shape, Ball | Rod)]
    if not shapes:
        return 0
    starts, ends = (np.array(v) for v in zip(*(s.axis() for s in shapes), strict=True))
    radii = np.array([s.radius for s in shapes])
    return sum(
        int(np.sum(nearest(starts[i], ends[i], starts[:i], ends[:i]).apart < radii[:i] + radii[i]))
        for i in range(1, len(shapes))
    )


def _asked(cell: Cell) -> dict[str, float]:
    return {layer.name: getattr(layer, layer.porosity_asked) for layer in cell.layers
            if layer.porosity_asked and getattr(layer, layer.porosity_asked) is not None}


def _misses(cell: Cell, mesh: TaggedMesh, whiskers: dict[str, str]) -> dict[str, float]:
    """Delivered less asked porosity of each layer that asks for one; whiskers count as pore."""
    asked = _asked(cell)
    volumes = mesh.volumes()
    missed = {}
    for name, low, high in cell.bounds():
        if name in asked:
            got = slab_fractions(mesh, [low, high])[0]
            if whiskers.get(name) in mesh.regions:
                share = float(volumes[mesh.region_mask(whiskers[name])].sum())
                got += share / (math.prod(cell.across) * (high - low))
            missed[name] = got - asked[name]
    return missed


def _corrected(
    cell: Cell, mesh: TaggedMesh, parts: list[Part], off: dict[str, float]
) -> list[Part]:
    """Parts with their walls moved by what the flat faces of the mesh took from the round ones."""
    facets, pairs, _ = facet_pairs(mesh.cells)
    pore = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    wall = facets[pore[pairs[:, 0]] != pore[pairs[:, 1]]]
    height = mesh.points[wall, -1].mean(axis=1)
    areas = mesh.areas(wall)
    by = {}
    for name, low, high in cell.bounds():
        if name in off:
            area = float(areas[(height > low) & (height < high)].sum())
            by[low, high] = off[name] * (high - low) * math.prod(cell.across) / max(area, 1e-300)
    out = []
    for p in parts:
        middle = (p.shape.axis()[0][-1] + p.shape.axis()[1][-1]) / 2
        grow = next((b for (low, high), b in by.items() if low <= middle <= high), 0.0)
        out.append(replace(p, shape=p.shape.grown(-grow if is_pore(p.region) else grow)))
    return out


def _regions_in(mesh: TaggedMesh, bounds: tuple[str, float, float]) -> list[str]:
    height = mesh.points[mesh.cells, -1].mean(axis=1)
    inside = (height > bounds[1]) & (height < bounds[2])
    present = set(np.unique(mesh.cell_tags[inside]).tolist())
    return [n for n, t in mesh.regions.items() if t in present]


def _floating(mesh: TaggedMesh) -> dict[str, int]:
    """Number of solid bodies that do not reach the collector, by the region of most of it."""
    return _apart(mesh, [n for n in mesh.regions if not is_pore(n)], "collector")


def _cut_off(mesh: TaggedMesh) -> dict[str, int]:
    """Number of pore bodies that do not reach the counter electrode, by region."""
    return _apart(mesh, [n for n in mesh.regions if is_pore(n)], "counter")


def _apart(mesh: TaggedMesh, regions: list[str], boundary: str) -> dict[str, int]:
    if not regions:
        return {}
    count, body = components(mesh, mesh.region_mask(*regions))
    at = np.unique(mesh.facets[mesh.facet_tags == mesh.boundaries[boundary]])
    touching = np.isin(mesh.cells, at).sum(axis=1) == mesh.dimension
    alone = np.setdiff1d(np.arange(count), body[touching])
    names = {t: n for n, t in mesh.regions.items()}
    found: dict[str, int] = {}
    for b in alone.tolist():
        tags, cells = np.unique(mesh.cell_tags[body == b], return_counts=True)
        name = names[int(tags[cells.argmax()])]
        found[name] = found.get(name, 0) + 1
    return found
