"""Distance of a place from the collector: along a direction, or from its facets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Number of facets examined for each point: those whose middles are nearest.
NEAREST_FACETS = 16


def along(points: Floats, up: Floats) -> Floats:
    """Coordinate of points (n, at least dimension) in a direction, m; exact if it is an axis."""
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) == 1.0:
        return np.asarray(up[axis] * points[:, axis])
    return np.asarray(points[:, : len(up)] @ up)


def distance(points: Floats, facets: Floats) -> Floats:
    """Distance of points from the nearest of some facets, m.

    Args:
        points: (n, 2 or 3).
        facets: corners of segments or triangles, (facets, 2 or 3, 2 or 3).
    """
    from scipy.spatial import cKDTree

    if not len(points):
        return np.empty(0)
    count = min(NEAREST_FACETS, len(facets))
    near = cKDTree(facets.mean(axis=1)).query(points, k=count)[1].reshape(len(points), count)
    best = np.full(len(points), np.inf)
    for column in near.T:
        np.minimum(best, _to_simplex(points, facets[column]), out=best)
    return best


def _to_simplex(p: Floats, corners: Floats) -> Floats:
    """Distance of each point from its own segment or triangle."""
    if corners.shape[1] == 2:
        return _to_segment(p, corners[:, 0], corners[:, 1])
    a, b, c = np.moveaxis(corners, 1, 0)
    out = np.minimum.reduce([_to_segment(p, a, b), _to_segment(p, b, c), _to_segment(p, c, a)])
    normal = np.cross(b - a, c - a)
    square = (normal**2).sum(axis=1)
    weights = [(np.cross(v - u, p - u) * normal).sum(axis=1) for u, v in ((a, b), (b, c), (c, a))]
    inside = np.min(weights, axis=0) >= 0.0  # the foot of the perpendicular lies in the triangle
    height = np.abs(((p - a) * normal).sum(axis=1)) / np.sqrt(square)
    return np.where(inside, height, out)


def _to_segment(p: Floats, a: Floats, b: Floats) -> Floats:
    edge = b - a
    share = ((p - a) * edge).sum(axis=1) / (edge**2).sum(axis=1)
    return np.asarray(np.linalg.norm(p - a - share.clip(0.0, 1.0)[:, None] * edge, axis=1))
