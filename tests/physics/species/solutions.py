"""Cells whose ions move each by itself."""

from __future__ import annotations

from typing import Any

from fem.base.constants import FARADAY
from tests.physics.charged.hosts import GRADED, host
from tests.verification.cells import C0, D, L, case

#: D F c0/L, A/m2; currents of three ions are given in it.
UNIT = FARADAY * D * C0 / L
#: A strip one cell wide, finer where ions run out.
STRIP = GRADED | {"width": "2 um", "size_width": "2 um", "size": "2 um", "size_counter": "2 um"}
IONS = {"electrolyte_model": {"model": "ions"}}


def ion(name: str, z: int, c0: float, **more: Any) -> dict[str, Any]:
    """An ion with the diffusivity of all."""
    return {"name": name, "z": z, "D": f"{D!r} m^2/s", "c0": f"{c0!r} mol/m^3"} | more


def two(**more: Any) -> list[dict[str, Any]]:
    """The metal ion and its anion; `more` changes the anion."""
    return [ion("Li", 1, C0, plates=True), ion("A", -1, C0, **more)]


def three(share: float) -> list[dict[str, Any]]:
    """The metal ion, a cation that does not plate with a share of the charge, and their anion."""
    return [
        ion("Li", 1, C0 * (1 - share), plates=True), ion("S", 1, C0 * share), ion("A", -1, C0)
    ]


def filled(rho: float, **changes: Any) -> dict[str, Any]:
    """A cell filled with a host of charge rho F c0, whose ions move each by itself."""
    return host(rho, **changes) | IONS


def steady(ions: list[dict[str, Any]], density: float, **changes: Any) -> dict[str, Any]:
    """A closed cell at rest with its current, A/m2."""
    step = {"step": "plate", "current_density": f"{density!r} A/m^2"}
    base = {"study": "steady", "protocol": [step], "geometry": STRIP, "ion": ions}
    return case(**base | IONS | changes)
