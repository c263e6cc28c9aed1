"""A metal cell in a charged host: closed forms of the steady cell, and COMSOL's transient one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from fem import Case
from fem.run.session import run
from tests.physics.charged.hosts import FINE, GRADED, LIMIT, anions, charged, host, khoo, off_comsol
from tests.verification.cells import C0, FAST, RT_F, L, case, kinetics, overpotential
from tests.verification.khoo import C_EXACT, ETA_0, ETA_1, TIMES

#: J over the neutral limiting current, rho over F c0: anions at the anode, logarithm of those at
#: the cathode, drop of phi_l in RT/F. With equal ions and as many anions as at the start, 2 c_minus
#: - rho ln c_minus is linear with slope -4J; all values from a quadrature without this code.
STEADY = {
    (0.9, -0.1): (1.861055, -1.724173, -4.297780),
    (1.5, -0.05): (2.424617, -22.129634, -26.917125),
}


@pytest.mark.parametrize(("J", "rho"), STEADY)
def test_steady_closed_cell(J: float, rho: float, tmp_path: Path) -> None:
    """Below the neutral limiting current and beyond it, where the charge carries on."""
    step = {"step": "plate", "current_density": f"{J * LIMIT} A/m^2"}
    geometry = FINE if J > 1 else GRADED
    data = host(rho, study="steady", protocol=[step], geometry=geometry)
    found = run(Case.from_dict(data), tmp_path / "r").summary
    at_anode, at_cathode = anions(found["c_max"] / C0, rho), found["c_minus_min"] / C0
    taken = sum(
        overpotential(J * LIMIT, FAST * math.sqrt(c - rho)) for c in (at_anode, at_cathode)
    )
    reached = at_anode, math.log(at_cathode), (found["voltage"] + taken) / RT_F
    print("steady", J, rho, np.array(reached) / STEADY[J, rho] - 1)
    assert reached == pytest.approx(STEADY[J, rho], rel=1e-3)
    assert max(found["closures"].values()) < 1e-8


# -- Khoo, Zhao, Bazant, J. Electrochem. Soc. 166 (2019) A2280 -----------------------------------


def test_overlimiting_current_against_comsol() -> None:
    """rho_s = -0.05, up to two Sand times; the neutral cell ends before one."""
    assert off_comsol() < 1e-3


def test_next_to_no_charge_is_none() -> None:
    """All columns of COMSOL's table at rho_s = 0, from a charged medium of charge -1e-9."""
    found = [
        (cell.at_height("c", 0.0) / C0, (cell.voltage - cell.at_height("phi_l", 0.0)) / RT_F,
         -cell.at_height("phi_l", L) / RT_F)
        for cell in khoo(-1e-9, TIMES, 2e-6)
    ]
    off = np.abs(np.array(found) / np.array([C_EXACT, ETA_1, ETA_0]).T - 1).max(axis=0)
    print("khoo 0", off)
    assert off[0] < 1e-3
    assert off[1:].max() < 3e-3


# -- positive charge -----------------------------------------------------------------------------

#: Charge 0.05 F c0, 80 um, 3000 A/m2, i0 10 A/m2: V at 0.55 s, then s and V when 1e-6 c0 of metal
#: ions is left; finite volumes in c_plus on 1600 graded cells, BDF to 1e-8, without this code.
RUN_OUT = -0.95365, 0.56250, -1.46010


@pytest.mark.parametrize(
    ("size", "off"), [("2 um", (2e-2, 1e-2, 0.07)), ("0.5 um", (1e-3, 5e-3, 0.035))]
)
def test_metal_ions_that_run_out_beside_positive_charge(
    size: str, off: tuple[float, float, float], tmp_path: Path
) -> None:
    """The voltage before and the time are not those of the mesh; the run ends there.

    The last voltage is read where 1e-6 c0 are left: it falls by 40 mV for each factor of e, and how
    little is left after the last step is a matter of its length.
    """
    steps = [{"step": "plate", "current_density": "3000 A/m^2", "duration": f"{t} s"}
             for t in (0.55, 1.0)]  # fmt: skip
    data = case(
        geometry={"family": "planar", "length": "80 um", "width": "10 um", "size": size,
                  "size_width": "10 um"},
        kinetics=[kinetics(n, 10.0) for n in ("collector", "counter")], protocol=steps,
        time={"dt0": "1 ms", "dt_min": "1e-8 s", "tolerance": 1e-5},
    )  # fmt: skip
    found = run(Case.from_dict(data | {"fixed_charge": [charged(0.05)]}), tmp_path / "r")
    before = np.interp(0.55, found.series["t"], found.series["voltage"])
    (event,) = (e for e in found.summary["events"] if e["event"] == "depletion")
    last = found.series["segment"] == 1
    left, voltage = found.series["c_plus_min"][last] / C0, found.series["voltage"][last]
    assert left[-1] < 1e-6
    after = np.interp(np.log(1e6), -np.log(left), voltage)
    print("run out", size, before, event["t"], after)
    assert before == pytest.approx(RUN_OUT[0], rel=off[0])
    assert event["t"] == pytest.approx(RUN_OUT[1], rel=off[1])
    assert after == pytest.approx(RUN_OUT[2], rel=off[2])
    assert "sand_time" not in event and abs(event["place"][1]) < 1e-12
