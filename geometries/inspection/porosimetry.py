"""Pore sizes of a host by local thickness: the largest ball inside the pores that holds a place.

(Hildebrand and Rueegsegger, J. Microsc. 185 (1997) 67.) The mesh is sampled on a regular grid; a
ball ends at solids and at the collector, not at the sides and not at the free electrolyte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geometries.meshing.mesh import Floats, TaggedMesh

#: Number of points of the grid, by dimension.
GRID_POINTS = {2: 100_000, 3: 250_000}
#: Number of ball sizes that are tried.
BALL_SIZES = 40


def pore_sizes(mesh: TaggedMesh, bottom: float, top: float) -> dict[str, Any] | None:
    """Mean, deciles and histogram of the pore diameter between two heights (m), by volume.

    Returns:
        mean, d10, d50, d90 in m; edges (m) and shares of the pore volume between them; `grid` (m),
        the spacing of the samples, which is also the error. None without pores.
    """
    pores, spacing = sampled(mesh, bottom, top)
    if not pores.any():
        return None
    size = local_thickness(pores) * spacing
    inside = size[pores]
    d10, d50, d90 = (float(q) for q in np.quantile(inside, (0.1, 0.5, 0.9)))
    edges = np.linspace(0.0, float(inside.max()) * (1 + 1e-9), 21)
    shares = np.histogram(inside, edges)[0] / len(inside)
    return {"mean": float(inside.mean()), "d10": d10, "d50": d50, "d90": d90,
            "edges": edges.tolist(), "shares": shares.tolist(), "grid": spacing}


def sampled(
    mesh: TaggedMesh, bottom: float, top: float
) -> tuple[NDArray[np.bool_], float]:
    """Pores on a grid of points between two heights, and its spacing in m."""
    from geometries.meshing.mesh import is_pore

    dim = mesh.dimension
    low = np.append(mesh.points[:, :-1].min(axis=0), bottom)
    high = np.append(mesh.points[:, :-1].max(axis=0), top)
    spacing = float((np.prod(high - low) / GRID_POINTS[dim]) ** (1 / dim))
    shape = np.maximum(1, np.round((high - low) / spacing)).astype(int)
    pores = np.zeros(shape, dtype=bool)
    chosen = mesh.region_mask(*[n for n in mesh.regions if is_pore(n)])
    # Corners in steps of the grid; then all grid points in the box around each cell are tried.
    corners = (mesh.points[mesh.cells[chosen]] - low) / (high - low) * shape - 0.5
    first = np.maximum(np.ceil(corners.min(axis=1) - 1e-9).astype(int), 0)
    count = np.minimum(np.floor(corners.max(axis=1) + 1e-9).astype(int), shape - 1) - first + 1
    inverse = np.linalg.inv(corners[:, 1:] - corners[:, :1])
    boxes, which = np.unique(count, axis=0, return_inverse=True)
    for k, box in enumerate(boxes):
        if np.any(box <= 0):
            continue
        cells = np.flatnonzero(which.ravel() == k)
        offsets = np.indices(box).reshape(dim, -1).T
        for part in np.array_split(cells, 1 + len(cells) * len(offsets) // 2_000_000):
            places = first[part, None] + offsets
            weights = (places - corners[part, :1]) @ inverse[part]
            inside = (weights.min(axis=2) >= -1e-9) & (weights.sum(axis=2) <= 1 + 1e-9)
            pores[tuple(places[inside].T)] = True
    return pores, spacing


def local_thickness(pores: NDArray[np.bool_]) -> Floats:
    """Diameter in grid spacings of the largest ball inside the pores that covers each point."""
    from scipy.ndimage import distance_transform_edt

    floor = [(0, 0)] * (pores.ndim - 1) + [(1, 0)]
    cut = (slice(None),) * (pores.ndim - 1) + (slice(1, None),)
    # A pore point lies half a spacing from the wall that the next solid point stands for.
    radius = distance_transform_edt(np.pad(pores, floor))[cut] - 0.5
    radius = np.where(pores, radius, 0.0)
    size = radius.copy()
    for r in np.linspace(max(radius.max(), 0.5), 0.5, BALL_SIZES):
        centres = radius >= r - 1e-9
        covered = distance_transform_edt(~centres) <= r
        size = np.where(pores & covered & (size < r), r, size)
    out: Floats = 2.0 * size
    return out
