"""Parts of the cell voltage: known answers, and that they add up to it in every study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.results.result import Result
from fem.system.system import System
from tests.physics.averaged.columns import column, linear
from tests.physics.sei.films import cycled, on
from tests.physics.species.solutions import UNIT, steady, three
from tests.verification.cells import PLAIN, Cell, case, kinetics, overpotential
from tests.verification.fronts import box

#: A/m2 whatever the salt.
FIXED = {"expression": "i*c/c", "unit": "A/m^2", "i": "10 A/m^2"}
FILM: dict[str, Any] = {"film_resistance": "1e-3 ohm*m^2"}
#: Sum of the parts less the voltage, V (metrics.md 1.1).
EXACT = 1e-9


def parts(result: Result, row: int = -1) -> dict[str, float]:
    """Parts of the voltage in a row of the series, V."""
    return {k: float(v[row]) for k, v in result.series.items() if k.startswith("V_")}


def adds_up(result: Result) -> None:
    """All rows with a current add up to the voltage."""
    series, total = result.series, np.zeros(len(result.series["t"]))
    for name in (n for n in series if n.startswith("V_") and "." not in n and n != "V_gap"):
        total = total + series[name]
    on = ~np.isnan(series["V_gap"])
    assert on.any()
    assert np.abs(total - series["voltage"])[on].max() < EXACT
    assert np.abs(series["V_gap"][on]).max() < EXACT


def test_planar_cell_has_the_parts_of_closed_forms() -> None:
    """100 um, kappa 1 S/m, D 3e-10, t+ 0.4, J = 0.1, i0 10 A/m2, films of 1e-3 ohm m2.

    Ohmic i L/kappa, concentration (2RT/F)(1 - t+) ln((1 + J)/(1 - J)), kinetics (2RT/F) asinh.
    """
    i = 96.4853
    cell = Cell(
        case(
            materials={"ideal": PLAIN},
            geometry={
                "family": "planar",
                "length": "100 um",
                "size": "1 um",
                "size_width": "10 um",
            },
            kinetics=[kinetics("collector", FIXED, **FILM), kinetics("counter", FIXED, **FILM)],
        )
    )
    cell.steady(-i)
    found = cell.circuit.split.volts(cell.circuit.current(), cell.scale(i))
    eta = 1e3 * overpotential(i, 10.0)
    known = {
        "ohmic_l": 9.64853,
        "concentration": 6.18690,
        "kinetic_plating": eta,
        "kinetic_counter": eta,
        "film": 96.4853,
        "film_counter": 96.4853,
    }
    for part, value in known.items():
        assert -1e3 * found[f"V_{part}"] == pytest.approx(value, abs=2e-4), part
    assert eta == pytest.approx(117.02345, abs=1e-5)
    assert -1e3 * cell.voltage == pytest.approx(442.85292, abs=1e-3)
    assert abs(found["V_gap"]) < EXACT


def strip(**changes: Any) -> Case:
    """A stripe of solid beside one of electrolyte, a foil behind them, walls with films."""
    data = case(
        geometry={"family": "aligned_channels", "arrangement": "vertical",
                  "sheet_thickness": "2 um", "spacing": "2 um", "length": "20 um",
                  "size": "2 um", "size_wall": "1 um"},
        regions={"host_sheets": {"material": "carbon_fibre", "sigma": "0.5 S/m"}},
        collector={"material": "Cu"},
        kinetics=[
            kinetics("host_sheets", eta_nuc="10 mV", q_cov="50 C/m^2", **FILM),
            kinetics("collector", 10.0, eta_nuc="5 mV"), kinetics("counter"),
        ],
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "1 s"},
                  {"step": "rest", "duration": "1 s"},
                  {"step": "strip", "current_density": "5 A/m^2", "duration": "0.5 s"}],
    )  # fmt: skip
    return Case.from_dict(data | changes)


def test_parts_of_a_host_add_up_through_plate_rest_and_strip(tmp_path: Path) -> None:
    result = strip(
        boundaries={
            "collector": {"contact_resistance": "1 ohm*cm^2"},
        }
    ).run(tmp_path / "r")
    adds_up(result)
    series, found = (
        result.series,
        parts(result, int(np.flatnonzero(result.series["segment"] == 0)[-1])),
    )
    assert not np.isnan(series["V_gap"]).any()  # at rest as well
    rest = parts(result, int(np.flatnonzero(series["segment"] == 1)[-1]))
    assert abs(rest["V_ohmic_l"]) < 1e-3 * abs(found["V_ohmic_l"])
    assert {
        "V_ohmic_s",
        "V_contact",
        "V_ohmic_l",
        "V_concentration",
        "V_nucleation",
        "V_film",
        "V_kinetic_plating",
        "V_kinetic_counter",
    } < found.keys()
    for part in found.keys() - {"V_gap"}:  # all of them take power here
        assert found[part] <= 1e-15, part
    assert found["V_nucleation"] < -4e-3
    assert parts(result)["V_nucleation"] == 0.0  # a barrier costs nothing while metal is stripped
    text = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert sum(text["voltage_parts"].values()) == pytest.approx(series["voltage"][-1], abs=EXACT)


def test_at_rest_after_plating_the_voltage_is_the_diffusion_potential(tmp_path: Path) -> None:
    """Nothing flows in a planar cell at rest: E = (2RT/F)(1 - t_plus) ln(c_collector/c_counter)."""
    data = case(
        materials={"ideal": PLAIN},
        geometry={"family": "planar", "length": "100 um", "size": "5 um", "size_width": "10 um"},
        kinetics=[kinetics("collector", 10.0, **FILM), kinetics("counter", 10.0)],
        protocol=[{"step": "plate", "current_density": "50 A/m^2", "duration": "5 s"},
                  {"step": "rest", "duration": "1 s"}],
    )  # fmt: skip
    result = Case.from_dict(data).run(tmp_path / "r", quiet=True)
    adds_up(result)
    found, y = parts(result), result.points("pore")[:, 1]
    c = result.array("c")
    low, high = c[y == y.min()].mean(), c[y == y.max()].mean()
    thermal = GAS_CONSTANT * 298.15 / FARADAY
    known = 2 * thermal * (1.0 - 0.4) * np.log(low / high)
    assert known < -1e-3
    assert found["V_concentration"] == pytest.approx(known, rel=1e-2)  # grad ln c of 5 um cells
    assert found["V_concentration"] == pytest.approx(result.series["voltage"][-1], rel=1e-9)
    others = {k: v for k, v in found.items() if k not in ("V_concentration", "V_gap")}
    assert max(map(abs, others.values())) < 1e-9, others


@pytest.mark.parametrize("study", ["primary", "secondary", "steady"])
def test_parts_add_up_in_studies_without_time(study: str, tmp_path: Path) -> None:
    result = strip(
        study=study, protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "1 s"}]
    ).run(tmp_path / "r")
    adds_up(result)
    assert ("V_concentration" in result.series) == (study == "steady")


def test_regions_of_ions_add_up_to_the_part(tmp_path: Path) -> None:
    data = case(
        study="secondary",
        materials={"ideal": PLAIN},
        geometry={
            "family": "planar",
            "width": "10 um",
            "size": "5 um",
            "layers": [
                {"name": "a", "thickness": "20 um", "region": "electrolyte_a"},
                {"name": "b", "thickness": "30 um", "region": "electrolyte_b"},
            ],
        },
    )
    result = Case.from_dict(data).run(tmp_path / "r")
    found = parts(result)
    regional = [found[f"V_ohmic_l.electrolyte_{k}"] for k in "ab"]
    assert regional == pytest.approx([-100.0 * 20e-6, -100.0 * 30e-6], rel=1e-9)  # i L/kappa
    assert sum(regional) == pytest.approx(found["V_ohmic_l"], rel=1e-12)


def test_growing_metal_pays_for_its_barrier_and_its_curvature(tmp_path: Path) -> None:
    data = case(
        study="growth",
        geometry={"family": "planar", "length": "8 um", "size": "0.5 um", "size_width": "2 um"},
        collector={"material": "Cu"},
        growth={"interface_width": "0.5 um"},
        kinetics=[
            kinetics("collector", 10.0, eta_nuc="20 mV", q_cov="1000 C/m^2", **FILM),
            kinetics("counter", **FILM),
        ],
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "2 s"}],
    )
    result = Case.from_dict(data).run(tmp_path / "r")
    adds_up(result)
    first = parts(result, 0)
    assert first["V_nucleation"] == pytest.approx(-20e-3, rel=0.01)
    assert first["V_film_counter"] == pytest.approx(-10e-3, rel=1e-6)  # i R
    assert "V_capillary" in first


def test_a_part_that_nobody_knows_is_refused() -> None:
    s = System(box((0, 0), (1.0, 1.0), (2, 2)))
    with pytest.raises(Exception, match="no part 'ohmic' of a voltage; did you mean 'ohmic_"):
        s.reports.spend("ohmic", lambda v: v)


def test_a_film_that_grows_counts_as_film(tmp_path: Path) -> None:
    film = on("collector", "solvent_diffusion", resistivity="1e5 ohm*m", L0="10 nm")
    plate = {"step": "plate", "current_density": "10 A/m^2", "duration": "10 s"}
    result = Case.from_dict(cycled(film, plate)).run(tmp_path / "r")
    adds_up(result)
    assert parts(result, 0)["V_film"] == pytest.approx(-10.0 * 1e5 * 10e-9, rel=0.01)  # i rho L


def test_an_averaged_host_has_the_parts_of_its_closed_form(tmp_path: Path) -> None:
    """Linear kinetics, nu = 3: kinetics nu coth(nu) and ions 1 - that share, of I L/kappa."""
    nu, i, length, gap = 3.0, 1.0, 100e-6, 10e-6
    host = column(kinetics=linear(nu, sigma=1e6), study="secondary", porosity=0.999999)
    result = host.run(tmp_path / "r")
    adds_up(result)
    found = parts(result)
    total = i * length / (nu * np.tanh(nu))  # drop over the host: (I L/kappa) coth(nu)/nu
    # power in the walls over I: (I L/kappa) int (cosh(nu x)/sinh(nu))^2 dx
    kinetic = i * length * (np.sinh(2 * nu) / (4 * nu) + 0.5) / np.sinh(nu) ** 2
    assert -found["V_kinetic_plating"] == pytest.approx(kinetic, rel=2e-3)
    assert -found["V_ohmic_l"] == pytest.approx(total - kinetic + i * gap, rel=2e-3)


def test_barriers_in_an_averaged_host_are_nucleation(tmp_path: Path) -> None:
    host = column(
        cells=20, kinetics={"eta_nuc": "10 mV", "q_cov": "1 C/m^2"},
        protocol=[{"step": "plate", "current_density": "1 A/m^2", "duration": "10 min"},
                  {"step": "rest", "duration": "1 min"},
                  {"step": "strip", "current_density": "1 A/m^2", "duration": "5 min"}],
    )
    result = host.run(tmp_path / "r")
    adds_up(result)
    # It rests at the barrier: a small current plates, its reverse strips nothing; no parts.
    assert np.isnan(result.series["V_gap"][result.series["segment"] == 1]).all()
    assert any("metal waits at a barrier" in text for text in result.summary["warnings"])
    assert parts(result, 0)["V_nucleation"] == pytest.approx(-10e-3, rel=0.02)
    assert parts(result)["V_nucleation"] == 0.0


def test_ions_that_move_each_by_itself_add_up_as_well(tmp_path: Path) -> None:
    result = Case.from_dict(steady(three(0.3), 0.5 * UNIT)).run(tmp_path / "r")
    adds_up(result)
    found = parts(result)
    assert found["V_concentration"] < 0.1 * found["V_ohmic_l"] < 0.0
