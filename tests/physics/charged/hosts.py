"""Cells whose electrolyte holds fixed charge, in the units of their closed forms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from tests.verification.cells import C0, IDEAL, RT_F, Cell, D, L, case, kinetics
from tests.verification.khoo import CHARGED

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


# -- Khoo, Zhao, Bazant, J. Electrochem. Soc. 166 (2019) A2280 -----------------------------------

SHARE, I0 = 1.5, 0.1 * LIMIT
SAND = math.pi / (16 * SHARE**2) * L**2 / D


def khoo(rho: float, times: Sequence[float], tolerance: float, **more: Any) -> Iterator[Cell]:
    """The cell at 1.5 times the neutral limiting current, at times in Sand's times.

    Equations and kinetics are those of `test_khoo_neutral`, with c_plus = c_minus - rho_s and J0 =
    Da sqrt(k c_plus): walls see the ions of the host. `more` are entries of the case.
    """
    electrodes = [kinetics(name, I0) for name in ("collector", "counter")]
    cell = Cell(host(rho, kinetics=electrodes) | more, rtol=1e-9)
    cell.rest(-SHARE * LIMIT)
    for _ in cell.march(-SHARE * LIMIT, [t * SAND for t in times], tolerance, 1e-5):
        yield cell


def off_comsol(**more: Any) -> float:
    """Largest relative error of eta at the cathode, rho_s = -0.05, against COMSOL's."""
    off = [
        (cell.voltage - cell.at_height("phi_l", 0.0)) / RT_F / eta - 1
        for cell, eta in zip(khoo(-0.05, [*CHARGED], 5e-5, **more), CHARGED.values(), strict=True)
    ]
    print("khoo -0.05", *more, [f"{x:.1e}" for x in off])
    return float(np.abs(off).max())
