"""Walls that consume an ion, and a stock of it that dissolves: against what a mixed cell does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fem import Case
from fem.physics.species.exchange import LAST
from fem.results.result import Result
from tests.physics.species.solutions import IONS, ion
from tests.verification.cells import C0, case, kinetics

#: Thickness, m, and what is so slow that the cell is well mixed: speeds, m/s.
L, EATS, DISSOLVES = 10e-6, 1e-9, 4e-9
SATURATED, START, STOCK = 14.0, 1.0, 3e-4  # mol/m3, mol/m3, mol/m2
GEOMETRY = {"family": "planar", "length": "10 um", "width": "2 um", "size": "2 um"}
#: The ions of `lno_release` without a stock.
NO_STOCK = (
    '[{name="Li", z=1, c0="1013 mol/m^3", plates=true}, {name="anion", z=-1, c0="1 mol/L"}, '
    '{name="NO3", z=-1, c0="13 mol/m^3", consumption={on="collector", '
    'flux={expression="k*c", unit="mol/m^2/s", k="1e-10 m/s"}}}]'
)


def solved(name: str, folder: Path, *overrides: str) -> Result:
    """The run of a case with overrides, whose balances close."""
    Case.load(name, ("output.figures=false", *overrides)).run(folder)
    found = Result(folder)
    assert max(found.summary["closures"].values()) < 1e-8
    return found


def test_many_sites_fill_at_rest(tmp_path: Path) -> None:
    """No current by which residuals are measured, and far more on walls than in a step's liquid."""
    sites = {"on": "collector", "sites": "2e-3 mol/m^2", "K": "1e-3 m^3/mol"}
    ions = [ion("Li", 1, C0, plates=True), ion("A", -1, C0, adsorption=sites)]
    data = case(geometry=GEOMETRY, ion=ions, **IONS) | {
        "protocol": [{"step": "rest", "duration": "1 ms"}],
        "time": {"dt0": "10 us", "dt_min": "1 ns"},
    }
    Case.from_dict(data).run(tmp_path)
    assert max(Result(tmp_path).summary["closures"].values()) < 1e-8


def test_a_stock_dissolves_and_walls_consume_it(tmp_path: Path) -> None:
    """Ion N of a mixed cell, its stock, and what the collector ate, while the stock lasts and on.

        L dc/dt = k_s (c_sat - c) a - k c,   amount d(theta)/dt = -k_s (c_sat - c) a
    """
    eaten: dict[str, Any] = {"on": "collector", "flux": {
        "expression": "k*c", "unit": "mol/m^2/s", "k": f"{EATS!r} m/s"}}  # fmt: skip
    stock = {"on": "counter", "c_sat": f"{SATURATED!r} mol/m^3", "k": f"{DISSOLVES!r} m/s",
             "amount": f"{STOCK!r} mol/m^2"}  # fmt: skip
    ions = [ion("Li", 1, C0 + START, plates=True), ion("A", -1, C0),
            ion("N", -1, START, consumption=eaten, release=stock)]  # fmt: skip
    data = case(geometry=GEOMETRY, ion=ions, **IONS) | {
        "protocol": [{"step": "rest", "duration": "50000 s"}],
        "kinetics": [kinetics("collector", 1.0), kinetics("counter", 1.0)],
        "time": {"dt0": "10 s", "tolerance": 1e-3},
    }
    Case.from_dict(data).run(tmp_path)
    found = Result(tmp_path)
    assert max(found.summary["closures"].values()) < 1e-8

    def change(t: float, y: Any) -> list[float]:
        c, theta = y
        flow = DISSOLVES * (SATURATED - c) * theta / (theta + LAST)
        return [(flow - EATS * c) / L, -flow / STOCK]

    t = found.series["t"]
    exact = solve_ivp(change, (0.0, t[-1]), [START, 1.0], "LSODA", t, rtol=1e-9, atol=1e-12).y
    c = found.series["c_least"]
    print("stock", np.abs(c - exact[0]).max(), exact[:, -1], found.summary["released_N"],
          found.summary["consumed_N"])  # fmt: skip
    assert exact[0].max() > 10.0 > 2.0 > exact[0][-1]
    assert np.abs(c - exact[0]).max() < 2e-2
    assert found.summary["released_N"] == pytest.approx(1.0 - exact[1][-1], abs=1e-4)
    gone = STOCK * found.summary["released_N"] - L * (c[-1] - START)
    assert found.summary["consumed_N"] == pytest.approx(gone, rel=1e-3)


@pytest.mark.full
def test_lno_release(tmp_path: Path, reached: Callable[..., None]) -> None:
    """NO3 at the foil after an hour of plating and 30 days, what was consumed; without a stock."""
    held, t = 14.0 / 1.01, 2592000.0 + 3600.0  # c_sat k_s/(k_s + k_f), mol/m3; s
    found = solved("lno_release", tmp_path / "a")
    reached("NO3 at the foil, of c_sat k_s/(k_s + k_f)", found.series["c_least"][-1] / held,
            least=0.995, most=1.005)  # fmt: skip
    reached("consumed, of k_f c t", found.summary["consumed_NO3"] / (1e-10 * held * t),
            least=0.99, most=1.01)  # fmt: skip
    bare = solved("lno_release", tmp_path / "b", f"ion={NO_STOCK}").series["c_least"][-1]
    reached("without a stock: NO3 less 13 exp(-k_f t/L)", abs(bare - 13.0 * np.exp(-t / 5e5)),
            most=0.05, unit="mol/m^3")  # fmt: skip


@pytest.mark.full
def test_lto_enrichment(tmp_path: Path, reached: Callable[..., None]) -> None:
    """Time until lithium runs out beside a store that was filled from the same electrolyte."""
    many = 'ion.1.adsorption.sites="1e-3 mol/m^2"'
    for what, more, time in (("a monolayer", (), 0.704), ("a hundred of them", (many,), 0.609)):
        found = solved("lto_enrichment", tmp_path / what[2:6], *more)
        (event,) = (e for e in found.summary["events"] if e["event"] == "depletion")
        reached(f"lithium runs out, {what}", event["t_in_segment"], least=0.98 * time,
                most=1.02 * time, unit="s")  # fmt: skip
