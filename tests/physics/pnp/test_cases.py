"""Cases with charged walls whose layers are resolved: what their headers say comes out.

Bounds leave at least three times what halving h moves; those numbers stand in the headers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fem.results.result import Result
from tests.cases.foil import spread

Solve = Callable[..., Result]
Reached = Callable[..., None]
NONE = "surface_charge=[]"
TIP = (
    'geometry={family="planar", length="0.6 um", width="0.2 um", size="8 nm", size_width="3 nm", '
    'size_collector="3 nm", size_counter="3 nm", '
    'protrusions=[{x="0.1 um", height="60 nm", radius="30 nm"}]}', "regions={}",
)  # fmt: skip


def charge(density: float) -> str:
    """Change of a case to another charge of its walls, mC/m2."""
    return f"surface_charge.0.density={density} mC/m^2"


def at_the_foil(result: Result) -> float:
    """Metal ions at the foil, mean of its nodes, mol/m3."""
    foil = result.points("pore")[:, 1] < 1e-12
    return float(result.array("c_Li", block="pore")[foil].mean())


def saved(result: Result, bare: Result) -> float:
    """Share of the voltage without charge that a charge saves."""
    return float(1 - result.summary["voltage"] / bare.summary["voltage"])


@pytest.mark.full
def test_charged_fibres_even_the_foil_where_charge_rivals_salt(
    solve: Solve, reached: Reached
) -> None:
    """Controls: no charge, little, the other sign, and another permittivity without charge."""
    name = "hdfp_fibres_charged"
    bare, full = solve(name, NONE), solve(name)
    reached("spread of the current on the foil over that without charge",
            spread(full) / spread(bare), most=0.3)
    reached("the same, fibres of the other sign", spread(solve(name, charge(1))) / spread(bare),
            least=2.0)
    reached("metal ions at the fibres over the start", full.summary["c_max"] / 0.1, least=15.0)
    reached("metal ions at the foil over those without charge",
            at_the_foil(full) / at_the_foil(bare), most=1.03)
    little = saved(solve(name, charge(-0.02)), bare)
    reached("voltage saved by a fiftieth of the charge", little, least=0.01)
    reached("five times that over what a tenth saves, -1",
            abs(5 * little / saved(solve(name, charge(-0.1)), bare) - 1), most=0.1)
    reached("voltage of fibres of permittivity 1500 over that of 9, -1",
            abs(saved(solve(name, NONE, "regions.host_hdfp.material=BaTiO3"), bare)), most=5e-3)


@pytest.mark.full
def test_a_tip_between_charged_walls(solve: Solve, reached: Reached) -> None:
    """Controls: no charge, the other sign."""

    def ratio(result: Result) -> float:
        """Current density on the upper sixth of the tip over that of the flat foil."""
        ends = result.points("walls")[result.cells("walls")]
        i_n = result.array("i_n", block="walls")[result.cells("walls")].mean(axis=1)
        length, y = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), ends[:, :, 1].mean(axis=1)
        tip, flat = (y > 50e-9) & (y < 100e-9), y < 1e-12
        high, low = (np.average(i_n[part], weights=length[part]) for part in (tip, flat))
        return float(high / low)

    sides = 'surface_charge=[{{on="sides", density="{} mC/m^2"}}]'
    changes = {0: NONE} | {sign: sides.format(sign) for sign in (-1, 1)}
    found = {sign: ratio(solve("hdfp_fibres_charged", *TIP, change))
             for sign, change in changes.items()}  # fmt: skip
    reached("tip over flat foil, no charge", found[0], least=2.8)
    reached("tip over flat foil, -1 mC/m2", found[-1], most=1.65)
    reached("tip over flat foil, 1 mC/m2", found[1], least=4.5)


@pytest.mark.full
def test_a_charged_scaffold_acts_by_its_charge_and_not_by_its_permittivity(
    solve: Solve, reached: Reached
) -> None:
    """Controls: no charge, little, the other sign; Al2O3 with and without charge."""
    name, other = "bto_scaffold_charged", "regions.host_bto.material=Al2O3"
    bare, full = solve(name, NONE), solve(name)
    reached("voltage saved by the charge", saved(full, bare), least=0.3)
    reached("voltage lost by the other sign", -saved(solve(name, charge(1)), bare), least=0.2)
    little = saved(solve(name, charge(-0.02)), bare)
    reached("voltage saved by a fiftieth of the charge", little, least=0.008)
    reached("five times that over what a tenth saves, -1",
            abs(5 * little / saved(solve(name, charge(-0.1)), bare) - 1), most=0.1)
    reached("voltage of Al2O3 over that of BaTiO3, -1, without charge",
            abs(saved(solve(name, NONE, other), bare)), most=0.03)
    reached("voltage of Al2O3 over that of BaTiO3, -1, with charge",
            abs(saved(solve(name, other), full)), most=3e-3)
    reached("spread of the current on the foil over that without charge, tenth of the charge",
            spread(solve(name, charge(-0.1))) / spread(bare), most=0.96)
