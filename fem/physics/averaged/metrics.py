"""Places where averaged hosts react and carry metal, as their files say."""

from __future__ import annotations

import numpy as np

from fem.base.constants import FARADAY
from fem.case.case import Case
from fem.post.spread import Spread, frame, measures
from fem.results.result import Result

__all__ = ["margin", "spread"]


def margin(result: Result, t: float | None) -> float | None:
    """Smallest `lead` until t while metal plates, mV; None of one host, or without plating."""
    series = result.series
    if "lead" not in series or "current_density" not in series:
        return None
    plating = series["current_density"] < 0.0
    if t is not None:
        plating &= series["t"] <= t * (1.0 + 1e-12)
    lead = series["lead"][plating]
    return float(1e3 * lead.min()) if lead.size and np.isfinite(lead).all() else None


def spread(result: Result, t: float | None) -> Spread | None:
    """Current and metal of each corner of each cell; the volume of a host counts as its area."""
    here = frame(result)
    if here is None or "averaged" not in result.blocks:
        return None
    points, cells = result.points("averaged", t), result.cells("averaged", t)
    volume = measures(points, cells, here.axisymmetric)
    known = result.fields("averaged")
    i_v = result.array("i_v", t, "averaged")[cells] if "i_v" in known else np.zeros(1)
    eps_m = result.array("eps_m", t, "averaged")[cells] if "eps_m" in known else np.zeros(1)
    on = np.zeros(volume.size, dtype=bool)
    depth = here.depth(points)[cells].ravel()
    data = Case.load(result.folder / "case.toml").metal_data
    metal = eps_m * volume * data.z * FARADAY / float(data.molar_volume)
    return Spread(depth, volume.ravel(), (i_v * volume).ravel(), metal.ravel(), on)
