"""Metrics of growing metal: where it is, how high, how rough, from the files of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fem.post.occupancy import front
from fem.post.spread import Frame, Spread, frame, measures
from fem.results.result import Result

__all__ = ["contour", "fill_half", "overflow", "roughness", "spread", "tip"]

Array = npt.NDArray[np.float64]

#: Columns in which the height of a front is looked for, across the cell.
COLUMNS = 400


def spread(result: Result, t: float | None) -> Spread | None:
    """Metal, by its volume, m3 (2D: m2), at corners of cells; in 2D the front with its current."""
    here = frame(result)
    if here is None or "metal" not in result.blocks:
        return None
    points, cells = result.points("metal", t), result.cells("metal", t)
    volume = measures(points, cells, here.axisymmetric)
    depth = here.depth(points)[cells].ravel()
    metal = np.clip(result.array("xi", t, "metal")[cells] * volume, 0.0, None).ravel()
    none = np.zeros(len(metal))
    found = [Spread(depth, none, none, metal, none.astype(bool))]
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
    across = np.array([here.up[1], -here.up[0]])
    return np.asarray(ends @ across), np.asarray(ends @ here.up - here.low)


def tip(result: Result, t: float | None) -> float | None:
    """Highest place with xi = 1/2 over the collector, m (2D)."""
    found = _front(result, t)
    return None if found is None else float(_heights(found)[1].max())


def contour(result: Result, t: float | None) -> float | None:
    """Length of the contour xi = 1/2 over the width of the cell (2D)."""
    if (found := _front(result, t)) is None:
        return None
    ends, here = found
    corners = result.extent(t)[:, :2]
    wide = abs(np.ptp(corners, axis=0) @ np.abs([here.up[1], here.up[0]]))
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
