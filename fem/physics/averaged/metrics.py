"""Places where averaged hosts react and carry metal, as their files say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fem.base.constants import FARADAY
from fem.case.case import Case
from fem.post.spread import Pores, Spread, corners_of
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
    """Current and metal of each corner of each cell; its area is a_s dV."""
    corners = corners_of(result, t, "averaged")
    if corners is None:
        return None
    known, volume = result.fields("averaged"), corners.size

    def at_corners(name: str) -> npt.NDArray[np.float64]:
        found = result.array(name, t, "averaged")[corners.cells] if name in known else 0.0
        return np.asarray(found * volume)

    data = Case.load(result.folder / "case.toml").metal_data
    charge = data.z * FARADAY / float(data.molar_volume)  # C/m3
    metal = charge * at_corners("eps_m")
    on = np.zeros(volume.size, dtype=bool)
    pores = Pores(corners.depth, metal, metal + charge * at_corners("eps"))
    return Spread(corners.depth.ravel(), at_corners("a_s").ravel(), at_corners("i_v").ravel(),
                  metal.ravel(), on, (pores,))
