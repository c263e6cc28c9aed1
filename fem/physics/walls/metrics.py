"""Places where walls react and carry metal, as their files say."""

from __future__ import annotations

import numpy as np

from fem.post.spread import FLAT, Spread, frame, measures
from fem.results.result import Result

__all__ = ["spread"]


def spread(result: Result, t: float | None) -> Spread | None:
    """Current and metal of each corner of each piece of wall; lumped at nodes as it is solved."""
    here = frame(result)
    if here is None or "walls" not in result.blocks or "i_n" not in result.fields("walls"):
        return None
    points, cells = result.points("walls", t), result.cells("walls", t)
    area = measures(points, cells, here.axisymmetric)
    depth = here.depth(points)[cells]
    at_bottom = here.top - depth <= here.low + FLAT * max(here.thickness, 1e-300)
    foil = np.repeat(at_bottom.all(axis=1)[:, None], cells.shape[1], axis=1)
    i_n = result.array("i_n", t, "walls")[cells]
    q = result.array("q", t, "walls")[cells] if "q" in result.fields("walls") else np.zeros(1)
    return Spread(
        depth.ravel(), area.ravel(), (i_n * area).ravel(), (q * area).ravel(), foil.ravel()
    )
