"""Cells in which a field means something: those of the host, of the metal, of its front."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.post.fields import cut_off_of, field_of, phase_of
from fem.results.result import Result

__all__ = ["cells_afloat", "cells_showing", "front", "host_cells", "phase_field_at"]


def phase_field_at(result: Result, t: float | None, block: str) -> Any:
    """Phase field at the points of a block, 0 where no metal can be."""
    from scipy.spatial import cKDTree

    xi = result.array(phase_of(result), t, "metal")
    if block == "metal":
        return xi
    points = result.points(block, t)
    away, nearest = cKDTree(result.points("metal", t)).query(points)
    return np.where(away <= 1e-9 * np.ptp(points, axis=0).max(), xi[nearest], 0.0)


def host_cells(result: Result, t: float | None) -> Any:
    """Mark cells of the block `solid` that are the host's; in a growth study it has pores, too."""
    regions = [result.array("region", t, block) for block in ("solid", "pore")]
    return ~np.isin(regions[0], np.unique(regions[1]))


def cells_afloat(result: Result, t: float | None) -> Any:
    """Mark the cells of the block `metal` at nodes of metal without electronic contact.

    Nodes beyond the contour xi = 1/2 are not marked, but the surface is in their cells, too.
    """
    cells, name = result.cells("metal", t), cut_off_of(result)
    if not name:
        return np.zeros(len(cells), dtype=bool)
    return (result.array(name, t, "metal")[cells] > 0.5).any(axis=1)


def cells_showing(result: Result, t: float | None, name: str, block: str) -> Any:
    """Mark the cells of a block that show a field of a growth study: those of its medium."""
    return _cells_with(result, t, field_of(result, name).medium, block)


def _cells_with(result: Result, t: float | None, medium: str, block: str) -> Any:
    xi = phase_field_at(result, t, block)[result.cells(block, t)]
    if medium == "wall":
        return (xi.min(axis=1) < 0.5) & (xi.max(axis=1) >= 0.5)
    if medium == "all":
        return np.ones(len(xi), dtype=bool)
    full = xi.mean(axis=1) >= 0.5
    return full | host_cells(result, t) if medium == "conductor" else ~full


def front(result: Result, t: float | None, name: str) -> tuple[Any, Any]:
    """The contour xi = 1/2 in 2D: ends of its pieces, m (n, 2, 2), and a field there (n, 2)."""
    points, xi = result.points("metal", t)[:, :2], phase_field_at(result, t, "metal")
    field = result.array(name, t, "metal")
    a = result.cells("metal", t)[_cells_with(result, t, "wall", "metal")]
    b = np.roll(a, 1, axis=1)  # edges of the triangles; the contour cuts two of three
    cut = (xi[a] >= 0.5) != (xi[b] >= 0.5)
    a, b = a[cut], b[cut]
    share = (0.5 - xi[a]) / (xi[b] - xi[a])
    ends = points[a] + share[:, None] * (points[b] - points[a])
    values = field[a] + share * (field[b] - field[a])
    return ends.reshape(-1, 2, 2), values.reshape(-1, 2)
