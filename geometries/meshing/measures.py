"""Measures of a mesh: volumes, porosity, walls, connectivity, tortuosity, quality."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometries.meshing.mesh import Floats, Ints, TaggedMesh, is_pore
from geometries.meshing.thickness import frame


def upright(mesh: TaggedMesh, sidecar: dict[str, Any]) -> tuple[TaggedMesh, Any]:
    """The mesh turned until its thickness is the last axis, and the ends of its host (m).

    None for the host of a mesh that has no such direction: around its collector, or thick along the
    radius of an axisymmetric mesh.
    """
    up = sidecar.get("up", np.eye(mesh.dimension)[-1].tolist())
    if up is None or (mesh.axisymmetric and up[-1] == 0.0):
        return mesh, None
    if up[-1] == 1.0:
        return mesh, sidecar["host"]
    axes = np.diag([1.0, up[-1]]) if mesh.axisymmetric else frame(np.array(up))
    return replace(mesh, points=mesh.points @ axes.T), sidecar["host"]


def slab_fractions(
    mesh: TaggedMesh, edges: list[float], region: str | None = None
) -> list[float]:
    """Pore (or a region's) share of the volume between heights (m), exact for straight cells.

    Axisymmetric cells that cross a height are weighted by their centroid's radius.
    """
    volumes = mesh.volumes()
    names = [n for n in mesh.regions if is_pore(n)] if region is None else [region]
    pore = mesh.region_mask(*names)
    height = mesh.points[mesh.cells, -1]
    below = np.array([volumes * _share_below(height, e) for e in edges])
    slabs = np.diff(below, axis=0)
    total = slabs.sum(axis=1)
    return [float(v) for v in slabs[:, pore].sum(axis=1) / np.where(total > 0, total, 1.0)]


def _share_below(height: Floats, level: float) -> Floats:
    """Share of each simplex's volume below a level, from the sorted heights of its corners."""
    h = np.sort(height, axis=1) - level
    share = np.where(h[:, -1] <= 0, 1.0, 0.0)
    cut = (h[:, 0] < 0) & (h[:, -1] > 0)
    h = h[cut]
    n = h.shape[1] - 1
    negative = np.sum(h < 0, axis=1)
    out = np.empty(len(h))
    one = negative == 1  # one corner below: a small simplex similar to the cell
    out[one] = np.prod(-h[one, :1] / (h[one, 1:] - h[one, :1]), axis=1)
    last = negative == n  # one corner above (corners on the level count as above)
    out[last] = 1 - np.prod(h[last, -1:] / (h[last, -1:] - h[last, :-1]), axis=1)
    if n == 3:
        two = negative == 2
        a, b, c, d = h[two].T
        # The part below is a prism; cut into three tetrahedra.
        ac, ad, bc, bd = -a / (c - a), -a / (d - a), -b / (c - b), -b / (d - b)
        out[two] = bc * bd + ac * ad * (1 - bd) + ac * bd * (1 - bc)
    share[cut] = out
    return share


def walls(mesh: TaggedMesh) -> tuple[Ints, Ints]:
    """Facets between solids and pores, and the region number of the solid."""
    facets, pairs, _ = mesh.neighbours
    pore = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    wall = pore[pairs[:, 0]] != pore[pairs[:, 1]]
    solid = np.where(pore[pairs[wall, 0]], pairs[wall, 1], pairs[wall, 0])
    return facets[wall], mesh.cell_tags[solid]


def wall_areas(mesh: TaggedMesh, host: dict[str, float] | None) -> dict[str, float]:
    """Wall between each solid region and the pores over the volume of the host (or cell), 1/m."""
    facets, solid = walls(mesh)
    areas = mesh.areas(facets)
    volume = float(mesh.volumes().sum())
    if host:
        height = float(np.ptp(mesh.points[:, -1]))
        volume *= (host["top"] - host["bottom"]) / height
    return {
        n: float(areas[solid == t].sum()) / volume
        for n, t in mesh.regions.items() if not is_pore(n)
    }


def wall_areas_by_depth(mesh: TaggedMesh, edges: list[float]) -> dict[str, list[float]]:
    """Wall of each solid region between heights (m) over the slab's volume, 1/m, downwards."""
    facets, solid = walls(mesh)
    areas, height = mesh.areas(facets), mesh.points[facets, -1]
    parts = np.diff([areas * _share_below(height, e) for e in edges], axis=0)
    slab = section(mesh) * np.diff(edges)
    return {
        n: (parts[:, solid == t].sum(axis=1) / slab)[::-1].tolist()
        for n, t in mesh.regions.items() if not is_pore(n) and np.any(solid == t)
    }


def section(mesh: TaggedMesh) -> float:
    """Projected area of the cell, its outline filled: m in 2D, m^2 in 3D and axisymmetric."""
    if mesh.axisymmetric:
        r = mesh.points[:, 0]
        return float(np.pi * (r.max() ** 2 - r.min() ** 2))
    across = mesh.points[:, :-1]
    low, high = across.min(axis=0), across.max(axis=0)
    box = float(np.prod(high - low))
    ends = np.stack([across == low, across == high], axis=2)
    if mesh.dimension == 2 or all(np.any(ends[:, 0, i] & ends[:, 1, j])
                                  for i in (0, 1) for j in (0, 1)):
        return box  # there are nodes at all of its corners
    from scipy.spatial import ConvexHull

    outline = float(ConvexHull(mesh.points[:, :-1]).volume)  # in the plane its area
    return box if outline > (1 - 1e-9) * box else outline


def by_region(mesh: TaggedMesh, cell_quality: Floats) -> dict[str, dict[str, float]]:
    """Cells, nodes, mean edge (m) and least quality of each region."""
    found: dict[str, dict[str, float]] = {}
    for name in mesh.regions:
        chosen = mesh.region_mask(name)
        corners = mesh.points[mesh.cells[chosen]]
        edges = corners - np.roll(corners, 1, axis=1)
        found[name] = {
            "cells": int(chosen.sum()),
            "nodes": len(np.unique(mesh.cells[chosen])),
            "edge": float(np.linalg.norm(edges, axis=2).mean()),
            "quality_min": float(cell_quality[chosen].min()),
        }
    return found


def cut_off(mesh: TaggedMesh) -> dict[str, float]:
    """Pore regions with a part that the counter electrode does not reach, and that share."""
    pores = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    if not pores.any():
        return {}
    body, reached = touching(mesh, pores, "counter")
    lost = pores & ~reached[body]
    volumes = mesh.volumes()
    return {
        n: float(volumes[lost & mesh.region_mask(n)].sum() / volumes[mesh.region_mask(n)].sum())
        for n in mesh.regions if (lost & mesh.region_mask(n)).any()
    }


def electronic(mesh: TaggedMesh, bottom: float, top: float) -> dict[str, Any]:
    """Connectivity and conductivity of the solids between two heights, see `inspect`."""
    chosen = mesh.region_mask(*[n for n in mesh.regions if not is_pore(n)])
    if not chosen.any():
        return {"bodies": 0, "share_connected": None, "conductivity": None}
    body, grounded = touching(mesh, chosen, "collector")
    volumes = mesh.volumes()
    return {
        "bodies": len(grounded),
        "share_connected": float(volumes[chosen & grounded[body]].sum() / volumes[chosen].sum()),
        "conductivity": conductance(mesh, chosen, bottom, top),
    }


def components(mesh: TaggedMesh, chosen: NDArray[np.bool_]) -> tuple[int, Ints]:
    """Bodies of the chosen cells that are connected by facets.

    Returns:
        their number, and for each cell its body (-1 for a cell that was not chosen).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, pairs, _ = mesh.neighbours
    number = np.full(len(mesh.cells), -1, dtype=np.int64)
    number[chosen] = np.arange(int(chosen.sum()))
    linked = number[pairs[chosen[pairs].all(axis=1)]]
    n = int(chosen.sum())
    graph = coo_array((np.ones(len(linked)), (linked[:, 0], linked[:, 1])), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    number[chosen] = label
    return int(count), number


def touching(
    mesh: TaggedMesh, chosen: NDArray[np.bool_], boundary: str
) -> tuple[Ints, NDArray[np.bool_]]:
    """Bodies of the chosen cells, and which of them have a facet on a boundary.

    Returns:
        the body of each cell (-1 for a cell that was not chosen), and one flag for each body.
    """
    count, body = components(mesh, chosen)
    flags = np.zeros(count, dtype=bool)
    flags[_bodies_at(mesh, body, boundary)] = True
    return body, flags


def _bodies_at(mesh: TaggedMesh, body: Ints, boundary: str) -> Ints:
    """Bodies with a facet on a boundary."""
    if boundary not in mesh.boundaries:
        return np.empty(0, dtype=np.int64)
    exterior = mesh.neighbours[2]
    facets = np.sort(mesh.facets[mesh.facet_tags == mesh.boundaries[boundary]], axis=1)
    row = np.dtype((np.void, 8 * mesh.dimension))  # a facet's nodes as one value
    all_of_them = np.ascontiguousarray(exterior[:, :-1]).view(row).ravel()
    wanted = np.isin(all_of_them, np.ascontiguousarray(facets, dtype=np.int64).view(row).ravel())
    touched: Ints = np.unique(body[exterior[:, -1][wanted]])
    return touched[touched >= 0]


#: Most floating bodies that are listed.
LISTED = 20


def floating_solids(mesh: TaggedMesh) -> int:
    """Number of solid bodies that have no facet on the collector."""
    return int(floating_conductors(mesh)["count"])


def floating_conductors(mesh: TaggedMesh) -> dict[str, Any]:
    """Solid bodies without a facet on the collector.

    Returns:
        count: their number; bodies: the largest `LISTED` ones, each with its regions, volume
        (m^2 or m^3) and centre (m).
    """
    solids = [n for n in mesh.regions if not is_pore(n)]
    if not solids:
        return {"count": 0, "bodies": []}
    body, grounded = touching(mesh, mesh.region_mask(*solids), "collector")
    inside = body >= 0
    volumes = mesh.volumes()
    size = np.bincount(body[inside], volumes[inside], minlength=len(grounded))
    order = np.argsort(-size, kind="stable")
    loose = order[~grounded[order]]
    label = {tag: name for name, tag in mesh.regions.items()}
    bodies = []
    for k in loose[:LISTED]:
        cells = np.flatnonzero(body == k)
        centre = np.average(mesh.points[mesh.cells[cells]].mean(axis=1), axis=0,
                            weights=volumes[cells])
        bodies.append({
            "regions": sorted(label[int(t)] for t in np.unique(mesh.cell_tags[cells])),
            "volume": float(size[k]), "centre": [float(x) for x in centre],
        })
    return {"count": len(loose), "bodies": bodies}


def pore_connectivity(mesh: TaggedMesh) -> tuple[bool, float]:
    """True if pores lead from the counter to the collector, and their share open to the counter."""
    pores = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    if not pores.any():
        return False, 0.0
    _, body = components(mesh, pores)
    open_bodies = _bodies_at(mesh, body, "counter")
    volumes = mesh.volumes()
    reached = np.isin(body, open_bodies)
    through = np.intersect1d(open_bodies, _bodies_at(mesh, body, "collector"))
    return len(through) > 0, float(volumes[reached].sum() / volumes[pores].sum())


def slab(mesh: TaggedMesh, chosen: NDArray[np.bool_], bottom: float, top: float) -> TaggedMesh:
    """The part of the chosen cells between two heights (m): cells that cross one are cut there."""
    from geometries.meshing.levelset import bisect

    points, cells = mesh.points, mesh.cells[chosen]
    inside, outside = 1, 2
    for level, sign in ((bottom, 1.0), (top, -1.0)):
        depth = sign * (points[:, -1] - level)
        phases = np.full(len(points), inside | outside)
        phases[depth > _tolerance(mesh, bottom, top)] = inside
        phases[depth < -_tolerance(mesh, bottom, top)] = outside

        def field(at: Floats, level: float = level, sign: float = sign) -> Floats:
            return sign * (at[:, -1:] - level) * np.array([-1.0, 1.0])

        points, cells, phases = bisect(points, cells, phases, field, margin=0.0)
        cells = cells[(phases[cells] & inside).all(axis=1)]
    return replace(mesh, points=points, cells=cells, cell_tags=np.ones(len(cells), np.int64))


def _tolerance(mesh: TaggedMesh, bottom: float, top: float) -> float:
    """Distance within which a node lies on a plane, m."""
    return max(1e-9 * (top - bottom), mesh.slack)


def tortuosity(mesh: TaggedMesh, bottom: float, top: float) -> float | None:
    """Tortuosity of the pores between two heights.

    P1 Laplace problem with potential 0 at the bottom plane and 1 at the top plane; the convention
    is D_eff = D porosity / tortuosity. None if no pore leads through.
    """
    pores = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    ratio = conductance(mesh, pores, bottom, top)
    return None if ratio is None else slab_fractions(mesh, [bottom, top])[0] / ratio


def tortuosity_tensor(
    mesh: TaggedMesh, bottom: float, top: float
) -> list[list[float | None]] | None:
    """Tortuosity tensor T of the pores between two heights: D_eff = D porosity inverse(T).

    Row i of D_eff is the mean flux for a potential difference between the two faces normal to axis
    i, the other faces insulating; off the diagonal the mean of both orders. None: axisymmetric.
    A cell that is no box, such as a round one, has no faces normal to the other axes.
    """
    if mesh.axisymmetric:
        return None
    pores = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    part = slab(mesh, pores, bottom, top)
    ends = [(float(x.min()), float(x.max())) for x in mesh.points.T[:-1]] + [(bottom, top)]
    box = float(np.prod([high - low for low, high in ends]))
    areas = [box / (high - low) for low, high in ends[:-1]] + [section(mesh)]
    last = mesh.dimension - 1
    straight = section(mesh) > (1 - 1e-6) * box / (top - bottom)
    rows = [conduction(part, axis, low, high, area) if straight or axis == last else None
            for axis, ((low, high), area) in enumerate(zip(ends, areas, strict=True))]
    open_ = [axis for axis, row in enumerate(rows) if row is not None]
    tensor: list[list[float | None]] = [[None] * mesh.dimension for _ in rows]
    if not open_:
        return tensor
    matrix = np.array([row[open_] for row in rows if row is not None])
    share = slab_fractions(mesh, [bottom, top])[0]
    inverse = share * np.linalg.inv(0.5 * (matrix + matrix.T))
    for a, i in enumerate(open_):
        for b, j in enumerate(open_):
            tensor[i][j] = float(inverse[a, b])
    return tensor


def conductance(
    mesh: TaggedMesh, chosen: NDArray[np.bool_], bottom: float, top: float
) -> float | None:
    """Effective over bulk conductivity of the chosen cells along the thickness.

    The reference is a full cross-section of the cell; insulating walls elsewhere.
    """
    part = slab(mesh, chosen, bottom, top)
    row = conduction(part, mesh.dimension - 1, bottom, top, section(mesh))
    return None if row is None else float(row[-1])


def conduction(
    part: TaggedMesh, axis: int, bottom: float, top: float, area: float
) -> Floats | None:
    """Mean flux vector over bulk conductivity and mean gradient along an axis.

    P1 with potential 0 at the plane `bottom` (m) and 1 at `top`, insulating walls elsewhere.

    Args:
        part: cells that conduct, between the two planes.
        axis: normal of the two planes.
        bottom: place of one, m.
        top: place of the other, m.
        area: cross-section that the flux is referred to (m, m^2).

    Returns:
        one component for each axis, or None if nothing leads through.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import LinearOperator, cg, spsolve

    if not len(part.cells):
        return None
    tol = _tolerance(part, bottom, top)
    _, body = components(part, np.ones(len(part.cells), dtype=bool))
    place = part.points[part.cells, axis]
    low = np.unique(body[(np.abs(place - bottom) < tol).any(axis=1)])
    high = np.unique(body[(np.abs(place - top) < tol).any(axis=1)])
    carrying = np.isin(body, np.intersect1d(low, high))
    if not carrying.any():
        return None
    used, local = np.unique(part.cells[carrying], return_inverse=True)
    local = local.reshape(-1, part.dimension + 1)
    points = part.points[used]
    along = points[:, axis]
    edges = points[local[:, 1:]] - points[local[:, :1]]
    inner = np.linalg.inv(edges).transpose(0, 2, 1)
    gradients = np.concatenate([-inner.sum(axis=1, keepdims=True), inner], axis=1)
    volumes = part.volumes()[carrying]
    matrices = (gradients @ gradients.transpose(0, 2, 1)) * volumes[:, None, None]
    rows = np.repeat(local, local.shape[1], axis=1).ravel()
    columns = np.tile(local, (1, local.shape[1])).ravel()
    n = len(points)
    matrix = coo_array((matrices.ravel(), (rows, columns)), shape=(n, n)).tocsr()
    potential = np.where(np.abs(along - top) < tol, 1.0, 0.0)
    free = np.flatnonzero((np.abs(along - top) >= tol) & (np.abs(along - bottom) >= tol))
    if len(free):
        inner_matrix = matrix[free][:, free]
        right = -(matrix @ potential)[free]
        if part.dimension == 2:
            potential[free] = spsolve(inner_matrix.tocsc(), right)
        else:
            diagonal = inner_matrix.diagonal()
            jacobi = LinearOperator(inner_matrix.shape, matvec=lambda v: v / diagonal)
            guess = (along[free] - bottom) / (top - bottom)
            potential[free] = cg(inner_matrix, right, guess, rtol=1e-9, maxiter=20_000, M=jacobi)[0]
    slopes = np.einsum("ck,ckd->cd", potential[local], gradients)
    row: Floats = volumes @ slopes
    row[axis] = float(potential @ (matrix @ potential)) * (top - bottom)
    return row / area
