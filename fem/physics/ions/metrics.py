"""Metrics of the salt and of the field in the electrolyte."""

from __future__ import annotations

import numpy as np

from fem.post.spread import PLANE_RTOL, around_axis, frame, mean_of, measures
from fem.results.result import Result

__all__ = ["field_uniform", "salt_drop"]

#: Share of the mean by which a field may differ and still count as even.
EVEN = 0.1


def salt_drop(result: Result, t: float | None) -> float | None:
    """(c_top - c_bottom)/c0: mean c on both end planes of the host, c0 the mean of the start.

    Where ions move each by itself, c is that of the metal ion, which comes first.
    """
    here, ions = frame(result), [*result.summary.get("species", ())]
    salt = f"c_{ions[0]}" if ions else "c"
    blocks = [block for block in result.blocks if salt in result.fields(block)]
    if here is None or not blocks:
        return None
    points, cells = result.points(blocks[0], t), result.cells(blocks[0], t)
    c, depth = result.array(salt, t, blocks[0]), here.depth(points)
    ends = []
    for end in (0.0, here.thickness):
        on = np.abs(depth - end)[cells] <= PLANE_RTOL * here.thickness
        whole = on.sum(axis=1) == cells.shape[1] - 1  # cells with a facet in the plane
        facets = np.unique(np.sort(cells[whole][on[whole]].reshape(-1, cells.shape[1] - 1)), axis=0)
        if not len(facets):
            return None
        ends.append(mean_of(c, points, facets, here.axisymmetric))
    start = float(result.times[0])
    c0 = mean_of(result.array(salt, start, blocks[0]), result.points(blocks[0], start),
                 result.cells(blocks[0], start), here.axisymmetric)
    return (ends[0] - ends[1]) / c0


def field_uniform(result: Result, t: float | None) -> float | None:
    """Share of the electrolyte whose |grad phi_l| is within 10 % of its mean, by volume."""
    blocks = [block for block in result.blocks if "phi_l" in result.fields(block)]
    if not blocks:
        return None
    points, cells = result.points(blocks[0], t), result.cells(blocks[0], t)
    values = result.array("phi_l", t, blocks[0])
    dim = cells.shape[1] - 1
    edges = (points[cells[:, 1:]] - points[cells[:, :1]])[:, :, :dim]
    rise = values[cells[:, 1:]] - values[cells[:, :1]]
    field = np.linalg.norm(np.linalg.solve(edges, rise[:, :, None])[:, :, 0], axis=1)
    size = measures(points, cells, around_axis(result)).sum(axis=1)
    mean = field @ size / size.sum()
    return float(size[np.abs(field - mean) <= EVEN * mean].sum() / size.sum()) if mean else None
