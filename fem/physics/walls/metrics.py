"""Places where walls react and carry metal, as their files say."""

from __future__ import annotations

import numpy as np

from fem.post.spread import PLANE_RTOL, Spread, corners_of
from fem.results.result import Result

__all__ = ["spread"]


def spread(result: Result, t: float | None) -> Spread | None:
    """Current and metal of each corner of each piece of wall; lumped at nodes as it is solved."""
    corners = corners_of(result, t, "walls")
    if corners is None or "i_n" not in result.fields("walls"):
        return None
    here, cells, area, depth = corners.here, corners.cells, corners.size, corners.depth
    at_bottom = here.top - depth <= here.low + PLANE_RTOL * max(here.thickness, 1e-300)
    foil = np.repeat(at_bottom.all(axis=1)[:, None], cells.shape[1], axis=1)
    i_n = result.array("i_n", t, "walls")[cells]
    q = result.array("q", t, "walls")[cells] if "q" in result.fields("walls") else np.zeros(1)
    return Spread(depth.ravel(), area.ravel(), (i_n * area).ravel(), (q * area).ravel(),
                  foil.ravel())
