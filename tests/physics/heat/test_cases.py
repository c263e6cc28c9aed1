"""Cases with heat: what their headers say comes out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fem.results.result import Result

Solve = Callable[..., Result]


def focus(result: Result) -> float:
    """Current density of the collector at the axis over that far from it."""
    x, i_n = result.points("walls"), result.array("i_n", block="walls")
    on = x[:, 1] < 1e-9
    order = x[on, 0].argsort()
    return float(i_n[on][order[0]] / i_n[on][order[-1]])


def test_what_spreads_the_heat_of_a_short(solve: Solve) -> None:
    """Rise and uneven plating at k = 0.2 and 30 W/(m K), and without the short."""
    plain = solve("thermal_hotspot")
    spread = solve("thermal_hotspot", 'heat.regions.electrolyte.k="30 W/m/K"')
    none = solve("thermal_hotspot", 'heat.regions.electrolyte.source="0 W/m^3"')
    rises = [r.summary["T_max"] - 298.15 for r in (plain, spread, none)]
    assert rises[:2] == pytest.approx([10.6, 0.795], rel=5e-3)
    assert rises[2] < 2e-4
    assert [focus(r) for r in (plain, spread, none)] == pytest.approx([1.71, 1.006, 1.0], rel=5e-3)
    assert all(r.summary["closures"]["first_law"] < 1e-8 for r in (plain, spread, none))


def test_a_separator_shuts_in_an_oven(solve: Solve) -> None:
    """The event, the voltage that follows, the cut-off; a separator that does not melt goes on."""
    shut = solve("shutdown_separator").summary
    names = {e["event"]: e for e in shut["events"]}
    assert names["shutdown"]["t"] == pytest.approx(9.3, abs=0.3)
    assert shut["voltage"] == pytest.approx(-0.15, rel=1e-2)
    assert shut["t"] < 120.0
    melts_later = 'heat.regions.separator.shutdown.at="250 degC"'
    open_cell = solve("shutdown_separator", melts_later).summary
    assert open_cell["t"] == 120.0
    assert abs(open_cell["voltage"]) < 1e-3


def test_a_film_that_eases_desolvation_leaves_transport_as_it_was(solve: Solve) -> None:
    """Voltage, salt and rise at 10 mA/cm2; the bare cell comes to rest although h is small."""
    i0 = '{expression="exp(-45.27e3/8.314463*(1/T - 1/298.15))", unit="A/m^2"}'
    bare = f'kinetics=[{{surface="*", alpha_a=0.5, alpha_c=0.5, i0={i0}}}]'
    high = "protocol.0.current_density=10 mA/cm^2"
    found = [solve("cof_desolvation", high, *more).summary for more in ((), (bare,))]
    assert [s["voltage"] for s in found] == pytest.approx([-0.0113, -0.461], rel=5e-3)
    assert [s["c_min"] for s in found] == pytest.approx([950.9, 956.6], abs=0.5)
    assert [s["T_max"] - 298.15 for s in found] == pytest.approx([0.121, 4.63], rel=1e-2)
