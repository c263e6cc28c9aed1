"""Cells whose electrolyte holds fixed charge, in the units of their closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from tests.verification.cells import C0, IDEAL, D, L, case

#: Neutral limiting current where both ions move alike, A/m2.
LIMIT = 4 * FARADAY * D * C0 / L
ALIKE = IDEAL | {"t_plus": 0.5}
#: Finer where ions run out: there the salt falls by e in some micrometres.
GRADED = {
    "family": "planar", "length": "100 um", "size": "0.5 um", "size_width": "0.5 um",
    "size_collector": "0.05 um", "size_counter": "0.5 um", "growth": 1.1,
}
FINE = GRADED | {"size": "0.1 um", "size_collector": "0.1 um", "size_counter": "0.1 um"}


def charged(rho: float, *, region: str = "electrolyte", **more: Any) -> dict[str, Any]:
    """An entry whose charge is rho F c0."""
    return {"region": region, "density": f"{rho * FARADAY * C0!r} C/m^3"} | more


def host(rho: float, **changes: Any) -> dict[str, Any]:
    """A cell filled with a host of charge rho F c0; it begins with c0 of anions everywhere."""
    data = case(**{"materials": {"ideal": ALIKE}, "geometry": GRADED} | changes)
    return data | {"fixed_charge": [charged(rho, anions="1 mol/L")]} if rho else data


def anions(salt: float, rho: float) -> float:
    """Anions over c0 where the salt over c0 is known."""
    return float(salt**2 / (np.hypot(salt, rho / 2) - rho / 2))
