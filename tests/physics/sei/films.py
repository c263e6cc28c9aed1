"""Cells with films that grow, in the units of their closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from tests.verification.cells import PLAIN, case, kinetics

V, N = 9.585e-5, 2.0  # m3/mol, electrons: those of the library
#: Collector under 100 um of electrolyte, one element wide; nothing varies along it.
COLUMN = {
    "family": "planar", "length": "100 um", "width": "50 um", "size": "50 um",
    "size_width": "50 um",
}
#: A wall that hardly does anything else, and a counter electrode that drops nothing.
IDLE = [kinetics("collector", 1e-8, eta_nuc="40 mV"), kinetics("counter", 1e4)]


def on(surface: str, law: str, **more: Any) -> dict[str, Any]:
    """An entry with the library's numbers."""
    return {"on": surface, "law": law, "data": "SEI_Li"} | more


def held(law: str, voltage: float, duration: float, **more: Any) -> dict[str, Any]:
    """A copper foil held at a voltage above that of the metal, whose film drops nothing."""
    film = on("collector", law, resistivity="1e-3 ohm*m", **more)
    return case(
        materials={"ideal": PLAIN}, geometry=COLUMN, kinetics=IDLE, collector={"material": "Cu"},
        protocol=[{"step": "hold", "voltage": f"{voltage!r} V", "duration": f"{duration!r} s"}],
        sei=[film],
    )


def cycled(film: dict[str, Any], *steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copper foil that is plated and stripped."""
    return case(**{
        "materials": {"ideal": PLAIN}, "geometry": COLUMN, "collector": {"material": "Cu"},
        "kinetics": [kinetics("collector", 10.0), kinetics("counter", 10.0)],
        "protocol": list(steps), "time": {"tolerance": 1e-3}, "sei": [film],
    } | changes)


def diffusion(L0: float, Dc: float, t: float) -> float:
    """Thickness by diffusion of solvent, m."""
    return float(np.sqrt(L0**2 + 2 * V * Dc * t))


def mixed(L0: float, D: float, k: float, c: float, t: float) -> float:
    """Thickness by reaction and diffusion of solvent, m."""
    a, b = k / (2 * D), L0 + L0**2 * k / (2 * D) + V * k * c * t
    return float((np.sqrt(1 + 4 * a * b) - 1) / (2 * a))


def tunnel(L0: float, beta: float, j: float, t: float) -> float:
    """Thickness by tunnelling electrons, m."""
    return float(L0 + np.log1p(beta * V * j * np.exp(-beta * L0) * t / (N * FARADAY)) / beta)


def lined(
    area: float, film: dict[str, Any], *steps: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    """An averaged host, 10 um thick, that hardly does anything but grow a film inside."""
    layers = [{"name": "mat", "thickness": "10 um", "region": "host_mat"},
              {"name": "gap", "thickness": "5 um", "region": "electrolyte"}]
    host = {"surface": {"law": "constant", "area": f"{area!r} 1/m"}, "pore_distance": "1 um"}
    return case(**{
        "materials": {"ideal": PLAIN},
        "geometry": {"family": "planar", "size": "5 um", "width": "10 um", "size_width": "10 um",
                     "layers": layers},
        "regions": {"host_mat": {"material": "Cu", "porosity": 0.9, "sigma": "1e4 S/m"}},
        "averaged": {"regions": {"host_mat": host}},
        "kinetics": [kinetics("host_mat", 1e-8, eta_nuc="40 mV"), kinetics("counter", 1e4)],
        "protocol": list(steps), "sei": [film],
    } | changes)
