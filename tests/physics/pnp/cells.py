"""Cases with space charge: a strip of a symmetric salt between two metal electrodes."""

from __future__ import annotations

from typing import Any

from fem.base.constants import EPSILON_0, FARADAY
from tests.physics.pnp.strips import EPS_R, D, concentration, graded
from tests.verification.cells import IDEAL, L, case, kinetics

__all__ = ["charged_cell", "limiting"]


def limiting(c0: float) -> float:
    """Limiting current of the closed cell, A/m2."""
    return 4 * FARADAY * D * c0 / L


def charged_cell(
    debye: float = 1e-2, J: float = 0.5, *, cells: float = 0.2, largest: float = 0.02,
    fast: float = 1e3, **changes: Any,
) -> dict[str, Any]:
    """The strip of `fem.physics.pnp` as a case.

    Args:
        debye: Debye length over L.
        J: current over the limiting one.
        cells: first cells in Debye lengths.
        largest: cell over L.
        fast: exchange current over the limiting one.
        changes: of entries of the case.
    """
    c0 = concentration(debye)
    salt = {"c0": f"{c0!r} mol/m^3", "D": f"{D!r} m^2/s", "t_plus": 0.5}
    stern = EPSILON_0 * EPS_R / (0.1 * debye * L)
    walls = [kinetics(n, fast * limiting(c0), c_ref=f"{c0!r} mol/m^3")
             for n in ("collector", "counter")]
    plate = {"step": "plate", "current_density": f"{J * limiting(c0)!r} A/m^2"}
    return case(**{
        "study": "steady", "geometry": graded(cells * debye, largest),
        "materials": {"ideal": IDEAL | salt}, "kinetics": walls, "protocol": [plate],
        "electrolyte_model": {"model": "pnp", "eps_r": EPS_R, "stern": f"{stern!r} F/m^2"},
        "time": {"dt0": "10 ms", "dt_min": "1e-9 s"},
    } | changes)  # fmt: skip
