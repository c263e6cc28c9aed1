"""The thickness of a cell: how far a place lies from the collector, and along which direction.

Families stand on their collector, and the thickness is the last axis. In a mesh of one's own the
collector may lie at the top, at a side, on an inclined plane, or it may be no plane at all: then
the thickness is the distance from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fem.mesh.thickness import along, distance
from fem.values.units import shown_length
from geometries.meshing.mesh import Floats, Ints

if TYPE_CHECKING:
    from geometries.meshing.mesh import TaggedMesh

#: Least share of a collector's area seen along its mean normal for it to count as a plane.
MIN_FLATNESS = 0.75
#: Largest rise and fall of such a collector, as a share of the cell's thickness.
MAX_ROUGHNESS = 0.1
#: Angle (radian) within which a direction is an axis.
AXIS_ANGLE = 1e-3
#: Cosine to the last axis (2.5 degrees) above which a direction needs no remark.
UPRIGHT_COSINE = 0.999
#: Range of the thickness in m beyond which its unit is doubted. A cell of 5 um to 1 mm that is read
#: a thousand times too large or too small is out of it.
THINNEST, THICKEST = 1e-6, 5e-3


def doubt(thick: float) -> str:
    """Words on a cell of unlikely thickness, m; none if it is likely."""
    if THINNEST <= thick <= THICKEST:
        return ""
    return (f"a cell of {shown_length(thick, 3)} from collector to counter, outside of "
            f"{shown_length(THINNEST)} to {shown_length(THICKEST)}; is the unit right?")


def direction(mesh: TaggedMesh, corners: Floats, normals: Floats, areas: Floats) -> Floats | None:
    """Unit vector from a collector into the cell, or None if the collector is no plane.

    A plane may be uneven; the direction is then an axis if it is one within its unevenness. All of
    the mesh lies on one side of a plane.

    Args:
        mesh: the whole mesh.
        corners: of the collector's facets, m, (facets, corners, dimension).
        normals: of these facets, pointing out of the mesh.
        areas: of these facets, m2 (2D: m).
    """
    total = -(areas[:, None] * normals).sum(axis=0)
    length = float(np.linalg.norm(total))
    share = length / float(areas.sum())
    if share < MIN_FLATNESS:
        return None
    up = total / length
    uneven = np.sqrt(max(1.0 - share**2, 0.0))
    axis = int(np.abs(up).argmax())
    if np.arccos(min(abs(up[axis]), 1.0)) <= max(AXIS_ANGLE, uneven):
        up = np.sign(up[axis]) * np.eye(len(up))[axis]
    heights, levels = mesh.points @ up, corners @ up
    least = MAX_ROUGHNESS * np.ptp(heights)
    return up if np.ptp(levels) <= least and levels.min() - heights.min() <= least else None


def frame(up: Floats) -> Floats:
    """Rows: orthonormal axes, right-handed, of which the last one is `up`."""
    axis, d = int(np.abs(up).argmax()), len(up)
    if axis == d - 1 and up[axis] == 1.0:
        return np.eye(d)
    if d == 2:
        return np.array([[up[1], -up[0]], up])
    first = np.eye(3)[(axis + 1) % 3]
    first = first - (first @ up) * up
    first /= np.linalg.norm(first)
    return np.array([first, np.cross(up, first), up])


def corners_of(mesh: TaggedMesh, boundary: str) -> Floats:
    """Corners of the tagged facets of a boundary, m, (facets, corners, dimension)."""
    chosen: Ints = mesh.facets[mesh.facet_tags == mesh.boundaries[boundary]]
    return mesh.points[chosen]


def heights(mesh: TaggedMesh, up: Floats | None) -> Floats:
    """Coordinate of all nodes along the thickness, m; without a direction their distance."""
    if up is None:
        return distance(mesh.points, corners_of(mesh, "collector"))
    return along(mesh.points, up)


def remarks(up: Floats | None) -> list[str]:
    """Remarks on a thickness that is not the last axis upwards; none if it is."""
    if up is None:
        return [
            "boundary 'collector' is no plane with the whole mesh on one side of it: depth, "
            "thirds, tip and metal_layer go by the distance from it"
        ]
    if up[-1] > UPRIGHT_COSINE:
        return []
    shown = ", ".join(f"{x:.4g}" for x in up + 0.0)
    return [
        "boundary 'collector' is not at the bottom: depth, thirds, tip and metal_layer are "
        f"counted from it along ({shown})"
    ]
