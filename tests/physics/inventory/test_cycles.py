"""Foils, cathodes, dead metal and SEI as inputs: what cycles lose, and where it is."""

from __future__ import annotations

import numpy as np
import pytest

from fem import theory
from tests.physics.inventory.cells import CATHODE, PER_CHARGE, run, steps

CHI, SHARE = 0.02, 0.01


@pytest.fixture(scope="module")
def foil(tmp_path_factory):
    """Three cycles against a foil of 10 um, 2 % stranded and 1 % to SEI."""
    losses = {"dead": {"law": "fraction", "share": CHI}, "sei": {"share": SHARE}}
    return run(tmp_path_factory.mktemp("foil") / "r", inventory=losses)


def test_efficiency_is_that_of_the_losses(foil):
    cycles = foil.cycles
    assert len(cycles["cycle"]) == 3
    assert cycles["plated"] == pytest.approx(18000.0, rel=1e-8)
    error = cycles["coulombic_efficiency"] / ((1 - SHARE) / (1 + CHI)) - 1
    print("efficiency", np.abs(error).max())
    assert np.abs(error).max() < 3e-5  # what bare copper passes, at the start and towards the end


def test_inventory_closes_and_each_part_is_what_the_input_says(foil):
    cycles, series = foil.cycles, foil.series
    total = sum(series[f"metal_{name}"] for name in ("live", "dead", "sei", "counter"))
    start = 10e-6 / PER_CHARGE
    print("inventory", foil.summary["closures"]["inventory"])
    assert total == pytest.approx(start, rel=1e-10)
    assert foil.summary["closures"]["inventory"] < 1e-10
    assert cycles["gain_sei"] == pytest.approx(SHARE * 18000.0, rel=3e-4)  # bare copper, too
    assert cycles["gain_dead"] == pytest.approx(CHI * cycles["stripped"], rel=1e-5)
    # residue, and what it is a difference of
    assert cycles["metal_live"] == pytest.approx(0.0, abs=18000.0 * 3e-5)
    assert np.diff(cycles["metal_dead"]) == pytest.approx(cycles["gain_dead"][1:], rel=1e-9)
    # the foil recedes by what swells the other side, and by what went into the SEI
    swelling = -PER_CHARGE * series["metal_sei"]
    assert series["swelling"] == pytest.approx(swelling, abs=1e-13)
    most = [series["swelling"][series["cycle"] == k].max() for k in cycles["cycle"]]
    assert cycles["swelling"] == pytest.approx(most, rel=1e-12)


def test_losses_are_stated(foil):
    assert foil.summary["losses"]["dead"] == {
        "law": "fraction", "share": CHI, "status": "assumed", "source": "given by the user"
    }  # fmt: skip
    assert any("predict nothing" in text for text in foil.summary["warnings"])
    assert "5 of constant efficiency" in foil.summary["outlook"]["why"]


def test_voltages_at_half_of_each_way(foil):
    """They are those of a cell with two plain electrodes: twice the overpotential apart."""
    cycles, series = foil.cycles, foil.series
    plating = (series["cycle"] == 2) & (series["current_density"] < 0)
    charge = series["charge"] - series["charge"][plating][0]
    middle = np.argmin(np.abs(np.where(plating, charge, 1e30) + 9000.0))
    assert cycles["voltage_plating"][1] == pytest.approx(series["voltage"][middle], abs=2e-4)
    assert cycles["hysteresis"] == pytest.approx(
        cycles["voltage_stripping"] - cycles["voltage_plating"], rel=1e-12
    )
    assert cycles["voltage_stripping"] == pytest.approx(-cycles["voltage_plating"], rel=1e-3)


def test_a_thin_foil_runs_out_when_the_excess_is_gone(tmp_path):
    """N/P 1.35, CE 0.9: 3.5 cycles of full capacity, then 0.9 of the one before."""
    start = 1.35 * 18000.0
    result = run(
        tmp_path / "r", protocol=steps(7),
        counter={"kind": "foil", "thickness": f"{start * PER_CHARGE!r} m"},
        inventory={"dead": {"law": "fraction", "share": 1 / 9}},
    )  # fmt: skip
    plated = result.cycles["plated"]
    # what is left of the foil in the first cycle that it does not fill: 1.35 - 4 * 0.1
    ratio = plated / 18000.0
    print("plated", ratio)
    assert ratio[:4] == pytest.approx(1.0, rel=1e-6)
    assert ratio[4] == pytest.approx(0.95, rel=1e-3)
    assert ratio[5:] / ratio[4:-1] == pytest.approx(0.9, rel=1e-3)
    kept = theory.retention(np.arange(6), 0.9, 1.35)
    assert ratio[6] == pytest.approx(kept[-1] * 0.9, rel=0.02)  # of the form in whole cycles
    empty = [e for e in result.summary["events"] if e["event"] == "counter_empty"]
    assert [e["cycle"] for e in empty] == [5, 6, 7]
    assert all(0 < e["left"] < 3e-4 * start for e in empty)
    assert result.summary["closures"]["inventory"] < 1e-8


def test_without_excess_capacity_falls_as_the_power_of_the_efficiency(tmp_path):
    result = run(
        tmp_path / "r", counter=CATHODE, protocol=steps(6, cutoff="-4.5 V", duration="2 h"),
        inventory={"dead": {"law": "fraction", "share": 0.05}},
    )  # fmt: skip
    stripped, plated = result.cycles["stripped"], result.cycles["plated"]
    kept = stripped[1:] / stripped[:-1]
    print("retention", kept, result.summary["outlook"])
    assert kept == pytest.approx(1 / 1.05, rel=1e-3)
    assert result.cycles["coulombic_efficiency"] == pytest.approx(1 / 1.05, rel=1e-4)
    assert plated[0] < 18000.0
    assert result.summary["closures"]["inventory"] < 1e-10
    outlook = result.summary["outlook"]
    assert "not simulated" in outlook["of"]
    assert outlook["cycles_to_80_percent"] == pytest.approx(
        np.log(0.8) / np.log(1 / 1.05), rel=1e-3
    )


def test_decay_takes_live_metal_by_itself(tmp_path):
    rate, rest = 1e-4, 3600.0
    result = run(
        tmp_path / "r", protocol=[
            {"step": "plate", "current_density": "1 mA/cm^2", "capacity": "0.1 mAh/cm^2"},
            {"step": "rest", "duration": f"{rest} s"},
        ],
        inventory={"dead": {"law": "decay", "rate": f"{rate} 1/s"}},
        time={"dt0": "5 s", "tolerance": 1e-4},
    )  # fmt: skip
    series = result.series
    first = np.flatnonzero(series["segment"] == 0)[-1]
    J = 10.0
    live = J / rate * (1 - np.exp(-rate * series["t"][first]))
    assert series["metal_live"][first] == pytest.approx(live, rel=2e-4)
    assert series["metal_live"][-1] == pytest.approx(live * np.exp(-rate * rest), rel=2e-3)
    assert result.summary["closures"]["inventory"] < 1e-10
    assert result.summary["closures"]["faraday"] < 1e-8


def test_a_cathode_is_its_voltage_behind_a_resistance(tmp_path):
    """U(state) - iR: two resistances differ by their drop, and nothing else."""
    found = {}
    for R in (5.0, 45.0):  # ohm cm2
        counter = CATHODE | {"resistance": f"{R} ohm*cm^2"}
        protocol = [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "600 s"}]
        result = run(tmp_path / f"{R}", counter=counter, protocol=protocol)
        found[R] = result.series
        assert not any("no cell has" in text for text in result.summary["warnings"])
    low, high = found[5.0], found[45.0]
    assert low["t"] == pytest.approx(high["t"], rel=1e-6)
    drop = 1e-3 * (45.0 - 5.0)
    assert low["voltage"] - high["voltage"] == pytest.approx(drop, abs=1e-7)
    # the state falls by the charge; U of the table
    state = 1.0 - 10.0 * low["t"] / 18000.0
    assert low["counter_left"] == pytest.approx(18000.0 * state, rel=1e-9)
    U = np.interp(state, [0.0, 0.1, 0.9, 1.0], [4.6, 4.2, 3.6, 3.0])
    rest = -low["voltage"] - U - 1e-3 * 5.0  # kinetics, salt and ohmic drop: 10 A/m2 over 30 um
    late = low["t"] > 100.0
    assert np.ptp(rest[late]) < 2e-3 and 0.02 < rest[late].mean() < 0.06


def test_a_cell_of_four_volts_comes_to_rest_after_a_hold(tmp_path):
    """At rest it has U of its state; the last bits of phi_l in the row of c are no residual."""
    protocol = [{"step": "hold", "voltage": "-4.2 V", "cutoff": "1 A/m^2"},
                {"step": "rest", "duration": "120 s"}]  # fmt: skip
    result = run(
        tmp_path, counter=CATHODE | {"state": 0.11}, protocol=protocol,
        geometry={"family": "planar", "length": "50 um", "size": "1 um", "size_width": "10 um"},
        initial={"plated_charge": "16000 C/m^2"}, time={"dt0": "1 s", "tolerance": 1e-3},
    )
    (ended,) = result.summary["events"]
    held = result.series["current_density"][result.series["t"] == ended["t"]]
    assert ended["event"] == "cutoff"
    assert held[0] == pytest.approx(-1.0, rel=1e-2)
    state = result.series["counter_left"][-1] / 18000.0
    U = np.interp(state, [0.0, 0.1, 0.9, 1.0], [4.6, 4.2, 3.6, 3.0])
    assert result.series["voltage"][-1] == pytest.approx(-U, abs=1e-6)
    assert result.summary["steps"] < 40
    assert result.summary["rejected"] < 5
