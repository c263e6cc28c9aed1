"""A metal cell in a charged host, and one with a cation that does not plate, ion by ion."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from fem import Case
from fem.results.result import Result
from fem.run.session import run
from tests.physics.charged.hosts import FINE, GRADED, LIMIT, khoo, off_comsol
from tests.physics.charged.test_host import STEADY
from tests.physics.species.solutions import IONS, UNIT, filled, steady, three
from tests.verification.cells import C0, FAST, RT_F, L, overpotential
from tests.verification.khoo import C_EXACT, ETA_0, ETA_1, TIMES


@pytest.mark.parametrize(("J", "rho"), STEADY)
def test_steady_closed_cell(J: float, rho: float, tmp_path: Path) -> None:
    """Closed forms below the neutral limiting current and beyond it."""
    step = {"step": "plate", "current_density": f"{J * LIMIT} A/m^2"}
    geometry = FINE if J > 1 else GRADED
    data = filled(rho, study="steady", protocol=[step], geometry=geometry)
    found = run(Case.from_dict(data), tmp_path / "r").summary
    at_anode, at_cathode = found["c_max"] / C0 + rho, found["c_least"] / C0
    taken = sum(
        overpotential(J * LIMIT, FAST * math.sqrt(c - rho)) for c in (at_anode, at_cathode)
    )
    reached = at_anode, math.log(at_cathode), (found["voltage"] + taken) / RT_F
    print("ions, steady", J, rho, np.array(reached) / STEADY[J, rho] - 1)
    assert reached == pytest.approx(STEADY[J, rho], rel=1e-5)
    assert max(found["closures"].values()) < 1e-8


def test_overlimiting_current_against_comsol() -> None:
    """rho_s = -0.05, up to two Sand times."""
    assert off_comsol(**IONS) < 1e-3


def test_neutral_cell_against_comsol() -> None:
    """All columns of COMSOL's table at rho_s = 0; it is itself 0.16 % off at the last time."""
    found = [
        (cell.s["ions"].at_places()[1].min() / C0,
         (cell.voltage - cell.at_height("phi_l", 0.0)) / RT_F, -cell.at_height("phi_l", L) / RT_F)
        for cell in khoo(0.0, TIMES, 2e-6, **IONS)
    ]
    off = np.abs(np.array(found) / np.array([C_EXACT, ETA_1, ETA_0]).T - 1).max(axis=0)
    print("ions, khoo 0", off)
    assert off[0] < 1e-3
    assert off[1:].max() < 3e-3


# -- three ions of one D; S and A at rest, so that A is linear and S = k/A ---------------------

#: Share of S -> limiting flux of the metal ion in D c0/L, from 1.5 of the design's closed forms.
LIMITS = {0.1: 2.872452, 0.5: 1.216678}


def at(result: Result, name: str, y: float) -> float:
    """A field at a height."""
    block = next(b for b in result.blocks if name in result.fields(b))
    on = np.abs(result.points(block)[:, 1] - y) < 1e-12
    return float(result.array(name, block=block)[on].mean())


def test_profiles_of_three_ions(tmp_path: Path) -> None:
    """Half of the limiting flux, a tenth of the cations not plating."""
    found = run(Case.from_dict(steady(three(0.1), 0.5 * LIMITS[0.1] * UNIT)), tmp_path / "r")
    values = [at(found, f"c_{name}", 0.0) / C0 for name in ("Li", "S", "A")]
    reached = np.array([*values, (at(found, "phi_l", 0.0) - at(found, "phi_l", L)) / RT_F])
    known = np.array([0.491876, 0.149068, 0.640944, -1.714810])
    print("three ions", reached / known - 1)
    assert reached == pytest.approx(known, rel=1e-4)
    assert max(found.summary["closures"].values()) < 1e-8


@pytest.mark.parametrize(("over", "ends"), [(0.999, []), (1.001, ["depletion"])])
def test_limiting_flux_of_three_ions(over: float, ends: list[str], tmp_path: Path) -> None:
    """A thousandth below the limit a steady state, a thousandth above metal ions run out."""
    data = steady(three(0.5), over * LIMITS[0.5] * UNIT, time={"dt_min": "0.1 s"})
    found = run(Case.from_dict(data), tmp_path / "r").summary
    print("limit", over, found["c_min"])
    assert [e["event"] for e in found["events"]] == ends
