"""A closed cell between two metal electrodes, from neutral to over-limiting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fem.solver.newton import Newton
from fem.solver.options import Control
from tests.physics.pnp.strips import Strip, graded
from tests.verification.cells import RT_F, L

#: Debye length over L -> current over the limiting one -> voltage in RT/F, to 1e-5 (design,
#: computed without this code).
TABLE = {
    1e-2: {0.1: 0.40122, 0.5: 2.17429, 0.9: 5.12624, 1.0: 6.48959, 1.2: 10.9095, 1.5: 20.4357},
    1e-3: {0.1: 0.40133, 0.5: 2.19480, 0.9: 5.76027, 1.0: 9.17847, 1.5: 138.246},
}
#: Cells of the strip: the first at an electrode in Debye lengths, the largest over L.
CELLS = {1e-2: (0.1, 0.008), 1e-3: (0.1, 0.003)}


@pytest.fixture(scope="module", params=TABLE)
def strip(request: pytest.FixtureRequest) -> tuple[float, Strip]:
    debye = float(request.param)
    first, largest = CELLS[debye]
    return debye, Strip(debye, graded(first * debye, largest))


def test_voltages(strip: tuple[float, Strip]) -> None:
    """Voltages within 0.1 %; up to half the limiting current within 2 lambda_D/L of neutral."""
    debye, cell = strip
    for J, expected in TABLE[debye].items():
        newton = cell.steady(J)
        off = cell.voltage / expected - 1
        print(f"metal cell, {debye:g}, {J:g} J*: {cell.voltage:.5f} RT/F, {off:+.1e}, {newton}")
        assert abs(off) < 1e-3
        assert cell.numbers["balance"] < 1e-9
        if J <= 0.5:
            neutral = 2 * math.log((1 + J) / (1 - J))
            assert abs(cell.voltage / neutral - 1) < 2 * debye


def test_two_regions_beyond_the_limit(strip: tuple[float, Strip]) -> None:
    """Chazalviel's regions at 1.5 J*: depleted to 1 - J^(-1/2), its field and voltage."""
    debye, cell = strip
    cell.steady(1.5)
    phi, s = cell.s.unknowns["phi"], cell.s
    x = phi.space.tabulate_dof_coordinates()[:, 1] / L
    order = np.argsort(x)
    x, v, plus, minus = (values[order] for values in (
        x, phi.value.x.array / RT_F, s["c_Li"].x.array / cell.c0, s["c_A"].x.array / cell.c0,
    ))
    width = 1 - 1.5**-0.5
    # Beyond the depleted region the salt is linear, with slope 2 J: where it would vanish.
    bulk = (x > 0.5) & (x < 0.9)
    slope, level = np.polyfit(x[bulk], minus[bulk], 1)
    here = -level / slope
    middle = np.argmin(np.abs(x - 0.5 * width))
    around = [middle - 3, middle + 3]
    field = (v[around[1]] - v[around[0]]) / (x[around[1]] - x[around[0]])
    foreseen = 2 / debye * math.sqrt(1.5 * 0.5 * width)
    rest = cell.voltage - 4 / 3 * math.sqrt(1.5) * width**1.5 / debye
    print(f"Chazalviel, {debye:g}: depleted to {here:.4f} (theory {width:.4f}), slope {slope:.4f}, "
          f"field {field / foreseen - 1:+.2e} off, rest of the voltage {rest:.2f} RT/F")
    assert abs(here / width - 1) < (0.05 if debye < 5e-3 else 0.2)
    assert abs(slope / 3 - 1) < 0.02
    assert abs(field / foreseen - 1) < (0.02 if debye < 5e-3 else 0.2)
    assert abs(rest - {1e-2: 7.6, 1e-3: 9.9}[debye]) < 0.2
    assert minus.min() > 0 and plus.min() > 0


def test_newton_keeps_its_last_factors_and_makes_no_ions(strip: tuple[float, Strip]) -> None:
    """The last iteration has no matrix of its own; what factors leave of nothing is no ion."""
    _, cell = strip
    cell.steady(1.5)
    outcome = cell.step(1.4, 1e-3)
    assert outcome.converged and outcome.factored < outcome.newton
    stage, c = cell.stage, cell.s.unknowns["c_A"]
    saved = cell.s.save()
    c.owned[0], c.owned[1] = 1e-40 * cell.c0, 0.1 * cell.c0
    origin = [u.owned.copy() for u in stage.unknowns], cell.s.voltage.x.array.copy()
    noise = [1e-13 * cell.c0 * (u is c) + 0.0 * u.owned for u in stage.unknowns]
    Newton(stage, Control(None), 1.0).move((noise, 0.0), 1.0, origin)
    few, many = c.owned[:2] / cell.c0
    cell.s.restore(saved)
    assert few <= 1e-36 and many == 0.1 + 1e-13
