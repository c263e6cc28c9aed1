"""Metrics of growing metal: where it is, how high, how rough, from the files of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fem.post.occupancy import front
from fem.post.spread import Frame, Pores, Spread, corners_of, fill_by_depth, frame
from fem.results.result import Result

__all__ = [
    "branches", "clog_depth", "contour", "fill_half", "fullest", "overflow", "pieces", "roughness",
    "spread", "tip",
]

Array = npt.NDArray[np.float64]

#: Columns in which the height of a front is looked for, across the cell.
COLUMNS = 400
#: Slices of a host in which its pores are looked at, and the share of them that counts as closed.
SLICES, CLOSED = 60, 0.98
#: Share of the metal by which two times hold as much: a rest changes none of it.
EQUAL_METAL = 1e-6


def spread(result: Result, t: float | None) -> Spread | None:
    """Metal, by its volume, m3 (2D: m2), at corners of cells; in 2D the front with its current."""
    if (corners := corners_of(result, t, "metal")) is None:
        return None
    here, cells, volume = corners.here, corners.cells, corners.size
    metal = np.clip(result.array("xi", t, "metal")[cells] * volume, 0.0, None)
    none = np.zeros(metal.size)
    found = [Spread(corners.depth.ravel(), none, none, metal.ravel(), none.astype(bool),
                    (Pores(corners.depth, metal, volume),))]
    if cells.shape[1] == 3:
        ends, currents = front(result, t, "i_n")
        if len(ends):
            length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
            if here.axisymmetric:
                length = length * 2.0 * np.pi * ends[:, :, 0].mean(axis=1)
            where, none = here.depth(ends.mean(axis=1)), np.zeros(len(length))
            current = currents.mean(axis=1) * length
            found.append(Spread(where, length, current, none, none.astype(bool)))
    return Spread.together(found)


def fullest(result: Result, t: float | None) -> float | None:
    """Stored time with the most metal, the last of those that are alike, s; of a whole run."""
    series, times = result.series, result.times
    if t is not None or "plated" not in series or not len(times):
        return None
    metal = np.interp(times, series["t"], series["plated"])
    if not metal.max() > 0.0:
        return None
    return float(times[metal >= (1.0 - EQUAL_METAL) * metal.max()][-1])


def _front(result: Result, t: float | None) -> tuple[Array, Frame] | None:
    """Contour xi = 1/2 in 2D, ends of its pieces, m (n, 2, 2); None without one."""
    here = frame(result)
    if here is None or "metal" not in result.blocks or len(here.up) != 2:
        return None
    ends, _ = front(result, t, "i_n")
    return (ends, here) if len(ends) else None


def _heights(found: tuple[Array, Frame]) -> tuple[Array, Array]:
    """Place across the cell and height over the collector of both ends of each piece, m (n, 2)."""
    ends, here = found
    return np.asarray(ends @ _across(here)), np.asarray(ends @ here.up - here.low)


def _across(here: Frame) -> Array:
    """Unit vector along the collector (2D)."""
    return np.array([here.up[1], -here.up[0]])


def tip(result: Result, t: float | None) -> float | None:
    """Highest place with xi = 1/2 over the collector, m (2D)."""
    found = _front(result, t)
    return None if found is None else float(_heights(found)[1].max())


def contour(result: Result, t: float | None) -> float | None:
    """Length of the contour xi = 1/2 over the width of the cell (2D)."""
    if (found := _front(result, t)) is None:
        return None
    ends, here = found
    wide = float(np.ptp(result.extent(t, axes=_across(here)[None])))
    return float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum() / wide)


def roughness(result: Result, t: float | None) -> float | None:
    """Root mean square of the height of the outermost metal about its mean, m (2D)."""
    if (found := _front(result, t)) is None:
        return None
    x, h = _heights(found)
    low, high = float(x.min()), float(x.max())
    places = low + (np.arange(COLUMNS) + 0.5) / COLUMNS * (high - low)
    top = np.full(COLUMNS, -np.inf)
    for (a, b), (ha, hb) in zip(x, h, strict=True):
        if a != b:
            inside = (places >= min(a, b)) & (places <= max(a, b))
            here = ha + (places[inside] - a) / (b - a) * (hb - ha)
            top[inside] = np.maximum(top[inside], here)
    top = top[np.isfinite(top)]
    return float(np.std(top)) if len(top) else None


def overflow(result: Result, t: float | None) -> float | None:
    """Share of the metal that stands above the host."""
    found, here = spread(result, t), frame(result)
    if found is None or here is None or not found.metal.sum() > 0.0:
        return None
    return float(found.metal[found.depth < 0.0].sum() / found.metal.sum())


def fill_half(result: Result, t: float | None) -> Any:
    """Depth above which half of the metal lies, over the thickness of the host."""
    found, here = spread(result, t), frame(result)
    if found is None or here is None or not found.metal.sum() > 0.0:
        return None
    order = np.argsort(found.depth)
    total = np.cumsum(found.metal[order])
    return float(found.depth[order][np.searchsorted(total, 0.5 * total[-1])] / here.thickness)


def clog_depth(result: Result, t: float | None) -> float | None:
    """Depth of the highest slice of the host whose pores metal has closed, m; None without one."""
    if (found := fill_by_depth(result, t, SLICES)) is None:
        return None
    depth, share = found
    closed = np.flatnonzero(share >= CLOSED)
    return float(depth[closed[0]]) if len(closed) else None


# -- bodies ----------------------------------------------------------------------------------------


def _bodies(result: Result, t: float | None) -> tuple[Array, Any, Array] | None:
    """Nodes in metal (xi >= 1/2), m, the lengths of edges between them, and those on its skin.

    None without metal.
    """
    if "metal" not in result.blocks:
        return None
    points, cells = result.points("metal", t), result.cells("metal", t)
    inside = result.array("xi", t, "metal") >= 0.5
    if not inside.any():
        return None
    from scipy.sparse import coo_array  # small runs without metal do not wait for it

    corners = cells.shape[1]
    pairs = np.concatenate([cells[:, [a, b]] for a in range(corners) for b in range(a)])
    skin = np.zeros(len(points), dtype=bool)
    mixed = inside[pairs[:, 0]] != inside[pairs[:, 1]]
    skin[pairs[mixed].ravel()] = True
    within = np.unique(np.sort(pairs[inside[pairs].all(axis=1)], axis=1), axis=0)
    number = np.cumsum(inside) - 1
    length = np.linalg.norm(points[within[:, 0]] - points[within[:, 1]], axis=1)
    size = int(inside.sum())
    edges = coo_array((length, tuple(number[within].T)), shape=(size, size)).tocsr()
    return points[inside], edges + edges.T, skin[inside]


def pieces(result: Result, t: float | None) -> float | None:
    """Bodies of metal that touch nowhere, xi >= 1/2."""
    if (found := _bodies(result, t)) is None:
        return None
    from scipy.sparse.csgraph import connected_components

    return float(connected_components(found[1], directed=False)[0])


def branches(result: Result, t: float | None) -> float | None:
    """Ends of the metal that stands on the collector: 1 for a body without branches.

    They are the maxima of the way through the metal from its lowest nodes that stand out from the
    fork below them by more than the radius of the thickest place. Of a metal that touches nothing
    below, its lowest node is where the way begins.
    """
    found, here = _bodies(result, t), frame(result)
    if found is None or here is None:
        return None
    from scipy.sparse.csgraph import connected_components, dijkstra
    from scipy.spatial import cKDTree

    points, edges, skin = found
    height = points[:, : len(here.up)] @ here.up
    _, body = connected_components(edges, directed=False)
    if not skin.any():
        return float(body.max() + 1)
    radius = cKDTree(points[skin]).query(points)[0].max()
    lowest = np.full(body.max() + 1, np.inf)
    np.minimum.at(lowest, body, height)
    step = float(np.median(edges.data))
    roots = np.flatnonzero(height <= lowest[body] + 0.5 * step)
    way = dijkstra(edges, directed=False, indices=roots, min_only=True)
    return float(_peaks(way, edges, radius))


def _peaks(value: Array, edges: Any, least: float) -> int:
    """Maxima of a function on a graph that rise by more than `least` over the pass to a higher one.

    Nodes join from the highest down; where two hills meet the lower one ends. The highest hill of
    each body counts always.
    """
    order = np.argsort(-value, kind="stable")
    hill = np.full(len(value), -1)
    top: list[float] = []
    above: list[int] = []

    def find(k: int) -> int:
        while above[k] != k:
            above[k] = above[above[k]]
            k = above[k]
        return k

    count = 0
    for node in order:
        near = edges.indices[edges.indptr[node] : edges.indptr[node + 1]]
        around = sorted({find(int(hill[n])) for n in near if hill[n] >= 0}, key=lambda k: -top[k])
        if not around:
            hill[node] = len(top)
            above.append(len(top))
            top.append(float(value[node]))
            continue
        hill[node] = around[0]
        for lower in around[1:]:
            count += top[lower] - value[node] > least
            above[lower] = around[0]
    return count + len({find(k) for k in range(len(top))})
