"""What a mesh is: volumes, porosity, walls, connectivity, tortuosity, quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometries.mesh import Floats, Ints, TaggedMesh, facet_pairs, quality

BINS = 20


def is_pore(region: str) -> bool:
    """Regions that ions cross freely: `electrolyte*` and `separator*`."""
    return region.startswith(("electrolyte", "separator"))


def inspect(folder: Path) -> dict[str, Any]:
    """Numbers of a mesh folder.

    Returns:
        volumes: of each region (m^2 in 2D, m^3 in 3D and axisymmetric).
        porosity: of the host, or None without a host; `porosity_by_layer` by layer name;
            `porosity_by_depth`: 20 bins, the first at the separator side.
        wall_area: area of each solid region's wall to the pores, per host (else cell) volume, 1/m.
        floating_solids: connected solid bodies without a facet on the collector.
        pore_connected: the pores reach from the counter electrode to the collector.
        pore_reached: share of the pore volume that is connected with the counter electrode.
        tortuosity: of the pores of the host along the thickness, D_eff = D porosity/tortuosity;
            None without a host or without a path through it.
        quality_min, quality_1_percent: inverse condition number of cells (gmsh's SICN).
        cells, nodes, hash: as in mesh.json.

    Raises:
        CaseError: the folder holds no complete mesh.
    """
    from geometries.writing import read

    mesh, sidecar = read(folder)
    volumes = mesh.volumes()
    host = sidecar["host"]
    cell_quality = quality(mesh.points, mesh.cells)
    report: dict[str, Any] = {
        "family": sidecar["family"],
        "cells": len(mesh.cells),
        "nodes": len(mesh.points),
        "hash": sidecar["hash"],
        "volumes": {n: float(volumes[mesh.region_mask(n)].sum()) for n in mesh.regions},
        "porosity": None,
        "porosity_by_layer": {
            layer["name"]: slab_fractions(mesh, [layer["bottom"], layer["top"]])[0]
            for layer in sidecar["layers"]
        },
        "porosity_by_depth": None,
        "wall_area": wall_areas(mesh, host),
        "floating_solids": floating_solids(mesh),
        "tortuosity": None,
        "quality_min": float(cell_quality.min()),
        "quality_1_percent": float(np.quantile(cell_quality, 0.01)),
    }
    report["pore_connected"], report["pore_reached"] = pore_connectivity(mesh)
    if host:
        edges = np.linspace(host["bottom"], host["top"], BINS + 1)
        report["porosity"] = slab_fractions(mesh, [host["bottom"], host["top"]])[0]
        report["porosity_by_depth"] = slab_fractions(mesh, edges.tolist())[::-1]
        report["tortuosity"] = tortuosity(mesh, host["bottom"], host["top"])
    return report


def slab_fractions(mesh: TaggedMesh, edges: list[float]) -> list[float]:
    """Pore share of the volume between consecutive heights (m), exact for straight cells.

    Axisymmetric cells that cross a height are weighted by their centroid's radius.
    """
    volumes = mesh.volumes()
    names = [n for n in mesh.regions if is_pore(n)]
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


def wall_areas(mesh: TaggedMesh, host: dict[str, float] | None) -> dict[str, float]:
    """Wall between each solid region and the pores over the volume of the host (or cell), 1/m."""
    facets, pairs, _ = facet_pairs(mesh.cells)
    pore = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    wall = pore[pairs[:, 0]] != pore[pairs[:, 1]]
    areas = mesh.areas(facets[wall])
    solid = np.where(pore[pairs[wall, 0]], pairs[wall, 1], pairs[wall, 0])
    volume = float(mesh.volumes().sum())
    if host:
        height = float(np.ptp(mesh.points[:, -1]))
        volume *= (host["top"] - host["bottom"]) / height
    return {
        n: float(areas[mesh.cell_tags[solid] == t].sum()) / volume
        for n, t in mesh.regions.items() if not is_pore(n)
    }


def components(mesh: TaggedMesh, chosen: NDArray[np.bool_]) -> tuple[int, Ints]:
    """Bodies of the chosen cells that hang together by facets.

    Returns:
        their number, and for each cell its body (-1 for a cell that was not chosen).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, pairs, _ = facet_pairs(mesh.cells)
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
    exterior = facet_pairs(mesh.cells)[2]
    facets = np.sort(mesh.facets[mesh.facet_tags == mesh.boundaries[boundary]], axis=1)
    row = np.dtype((np.void, 8 * mesh.dimension))  # a facet's nodes as one value
    all_of_them = np.ascontiguousarray(exterior[:, :-1]).view(row).ravel()
    wanted = np.isin(all_of_them, np.ascontiguousarray(facets, dtype=np.int64).view(row).ravel())
    touched: Ints = np.unique(body[exterior[:, -1][wanted]])
    return touched[touched >= 0]


def floating_solids(mesh: TaggedMesh) -> int:
    """Number of solid bodies that have no facet on the collector."""
    return int(floating_conductors(mesh)["count"])


def floating_conductors(mesh: TaggedMesh, listed: int = 20) -> dict[str, Any]:
    """Solid bodies without a facet on the collector.

    Returns:
        count: their number; bodies: the largest `listed` ones, each with its regions, volume
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
    for k in loose[:listed]:
        cells = np.flatnonzero(body == k)
        centre = np.average(mesh.points[mesh.cells[cells]].mean(axis=1), axis=0,
                            weights=volumes[cells])
        bodies.append({
            "regions": sorted(label[int(t)] for t in np.unique(mesh.cell_tags[cells])),
            "volume": float(size[k]), "centre": [float(x) for x in centre],
        })
    return {"count": len(loose), "bodies": bodies}


def pore_connectivity(mesh: TaggedMesh) -> tuple[bool, float]:
    """Whether pores lead from the counter to the collector, and their share open to the counter."""
    pores = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    if not pores.any():
        return False, 0.0
    _, body = components(mesh, pores)
    open_bodies = _bodies_at(mesh, body, "counter")
    volumes = mesh.volumes()
    reached = np.isin(body, open_bodies)
    through = np.intersect1d(open_bodies, _bodies_at(mesh, body, "collector"))
    return len(through) > 0, float(volumes[reached].sum() / volumes[pores].sum())


def tortuosity(mesh: TaggedMesh, bottom: float, top: float) -> float | None:
    """Tortuosity of the pores between two heights that are planes of the mesh.

    P1 Laplace problem with potential 0 at the bottom plane and 1 at the top plane; the convention
    is D_eff = D porosity / tortuosity. None if no pore leads through.
    """
    mean = mesh.points[mesh.cells, -1].mean(axis=1)
    inside = (mean > bottom) & (mean < top)
    pores = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)]) & inside
    ratio = conductance(mesh, pores, bottom, top)
    if ratio is None:
        return None
    volumes = mesh.volumes()
    return float(volumes[pores].sum() / volumes[inside].sum() / ratio)


def conductance(
    mesh: TaggedMesh, chosen: NDArray[np.bool_], bottom: float, top: float
) -> float | None:
    """Effective over bulk conductivity of the chosen cells along the thickness.

    The reference is a full cross-section of the cell; insulating walls elsewhere.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import LinearOperator, cg, spsolve

    if not chosen.any():
        return None
    tol = 1e-9 * (top - bottom)
    _, body = components(mesh, chosen)
    height = mesh.points[mesh.cells, -1]
    low = np.unique(body[chosen & (np.abs(height - bottom) < tol).any(axis=1)])
    high = np.unique(body[chosen & (np.abs(height - top) < tol).any(axis=1)])
    carrying = np.isin(body, np.intersect1d(low, high))
    if not carrying.any():
        return None
    used, local = np.unique(mesh.cells[carrying], return_inverse=True)
    local = local.reshape(-1, mesh.dimension + 1)
    points = mesh.points[used]
    edges = points[local[:, 1:]] - points[local[:, :1]]
    inner = np.linalg.inv(edges).transpose(0, 2, 1)
    gradients = np.concatenate([-inner.sum(axis=1, keepdims=True), inner], axis=1)
    matrices = (gradients @ gradients.transpose(0, 2, 1)) * mesh.volumes()[carrying, None, None]
    rows = np.repeat(local, local.shape[1], axis=1).ravel()
    columns = np.tile(local, (1, local.shape[1])).ravel()
    n = len(points)
    matrix = coo_array((matrices.ravel(), (rows, columns)), shape=(n, n)).tocsr()
    potential = np.where(np.abs(points[:, -1] - top) < tol, 1.0, 0.0)
    free = np.flatnonzero(
        (np.abs(points[:, -1] - top) >= tol) & (np.abs(points[:, -1] - bottom) >= tol)
    )
    if len(free):
        inner_matrix = matrix[free][:, free]
        right = -(matrix @ potential)[free]
        if mesh.dimension == 2:
            potential[free] = spsolve(inner_matrix.tocsc(), right)
        else:
            diagonal = inner_matrix.diagonal()
            jacobi = LinearOperator(inner_matrix.shape, matvec=lambda v: v / diagonal)
            guess = (points[free, -1] - bottom) / (top - bottom)
            potential[free] = cg(inner_matrix, right, guess, rtol=1e-9, maxiter=20_000, M=jacobi)[0]
    energy = float(potential @ (matrix @ potential))
    section = float(mesh.volumes().sum()) / float(np.ptp(mesh.points[:, -1]))
    return energy * (top - bottom) / section
