"""Conditions on boundaries, the pinned potential, initial states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError, RunError

from .cases import small, state_of

SIDES = "boundaries__sides"


def test_a_contact_resistance_shifts_the_voltage_by_its_drop(tmp_path: Path) -> None:
    plain = small(study="steady").run(tmp_path / "a").summary
    contact = {"contact_resistance": "20 ohm*cm^2"}
    collector = small(study="steady", boundaries__collector=contact)
    loaded = collector.run(tmp_path / "b").summary
    assert loaded["voltage"] - plain["voltage"] == pytest.approx(-20e-3, rel=1e-6)
    counter = small(study="steady", boundaries__counter={"contact_resistance": "10 ohm*cm^2"})
    again = counter.run(tmp_path / "c").summary
    assert again["voltage"] - plain["voltage"] == pytest.approx(-10e-3, rel=1e-6)
    assert max(loaded["closures"].values()) < 1e-9


def test_a_conductor_held_at_the_side_takes_the_current(tmp_path: Path) -> None:
    """Collector and a second contact on one solid: the current takes the short way."""
    case = small(
        study="secondary", counter__kind="blocking",
        boundaries__sides={"phi_s": "10 mV", "contact_resistance": "1e-3 ohm*m^2"},
    )  # fmt: skip
    summary = case.run(tmp_path / "r").summary
    # 2e-4 A/m leave through two sides of 30 um behind 1e-3 ohm m2; copper is short
    drop = 2e-4 / (60e-6 / 1e-3)
    assert summary["voltage"] == pytest.approx(0.01 - drop, rel=1e-3)
    assert summary["current_density"] == pytest.approx(-10.0, rel=1e-9)
    assert max(summary["closures"].values()) < 1e-8


def test_a_current_through_a_side_follows_its_table(tmp_path: Path) -> None:
    """Ionic current enters at the sides, the counter electrode takes it; the ledgers close."""
    table = {"along": "t", "at": ["0 s", "7 s", "20 s"],
             "values": ["0 A/m^2", "-2 A/m^2", "-2 A/m^2"]}
    case = small(
        boundaries__sides={"current_density": table},
        protocol=[{"step": "plate", "current_density": "1 mA/cm^2", "duration": "20 s"}],
        probe=[{"name": "i", "field": "i_n", "surface": "counter"}],
    )
    result = case.run(tmp_path / "r")
    series = result.series
    assert np.abs(series["t"] - 7.0).min() < 1e-9
    # cell 20 um wide: 2e-4 A/m at the collector, 2 x 50 um x 2 A/m2 = 2e-4 A/m from the sides
    assert series["probe.i"][-1] == pytest.approx(0.0, abs=1e-7)
    assert series["probe.i"][0] == pytest.approx(10.0, rel=0.05)
    assert max(result.summary["closures"].values()) < 1e-9
    assert result.summary["plated"] == pytest.approx(200.0, rel=1e-4)  # less side reaction


def test_a_side_bath_and_a_moving_potential(tmp_path: Path) -> None:
    potential = {"expression": "a*t", "unit": "V", "a": "1 mV/s"}
    case = small(
        counter__kind="blocking", boundaries__sides={"phi_l": potential, "c": "1.1 mol/L"},
        protocol=[{"step": "rest", "duration": "10 s"}],
    )  # fmt: skip
    result = case.run(tmp_path / "r")
    assert result.summary["voltage"] == pytest.approx(0.01, abs=1e-5)  # rest follows phi_l
    assert result.summary["c_max"] == pytest.approx(1100.0)
    assert max(result.summary["closures"].values()) < 1e-9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"boundaries__side": {"phi_l": "0 V"}}, "no boundary is called 'side'; did you mean 'sid"),
        ({"counter__kind": "blocking"}, "no potential is pinned"),
        ({SIDES: {"contact_resistance": "1 ohm*m^2"}}, "in series with phi_s; give phi_s too"),
        (
            {"geometry": {"family": "planar", "length": "50 um", "size": "5 um"}, "regions": None,
             "boundaries__collector": {"contact_resistance": "1 ohm*m^2"}},
            "boundaries.collector.contact_resistance: the boundary touches no electron conductor; "
            "a film on the foil is film_resistance",
        ),
        (
            {"initial__c": {"expression": "a*(1 - x/w)", "unit": "mol/m^3", "a": "1 mol/L",
                            "w": "10 um"}},
            "it must stay above 0",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CaseError, match=reason):
        small(**changes).run(tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.undisturbed
def test_start_from_another_result(tmp_path: Path) -> None:
    first = small().run(tmp_path / "a")
    rest = [{"step": "rest", "duration": "1 s"}]
    same = small(initial={"from": str(tmp_path / "a")}, protocol=rest).run(tmp_path / "b")
    before, after = state_of(tmp_path / "a", -1), state_of(tmp_path / "b", 0)
    assert before.pop("t") == 600.0 and after.pop("t") == 0.0
    for name in ("0.q", "0.c", "0.phi_l", "0.phi_s", "0.voltage"):
        np.testing.assert_array_equal(after[name], before[name])
    assert max(same.summary["closures"].values()) < 1e-9
    assert not [w for w in same.summary["warnings"] if "sigma" not in w]
    finer = small(
        initial={"from": str(tmp_path / "a")}, protocol=rest, geometry__size="3 um",
        time__dt0="1 ms",
    ).run(tmp_path / "c")  # fmt: skip
    assert finer.summary["plated"] == pytest.approx(first.summary["plated"], rel=1e-6)
    assert finer.series["c_max"][0] == pytest.approx(first.summary["c_max"], rel=2e-3)
    (message,) = [w for w in finer.summary["warnings"] if "initial state from" in w]
    assert "c interpolated" in message and "neither salt nor metal is conserved" in message
    assert "as this case starts" not in message


def test_what_another_mesh_cannot_take_over_is_said(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"electrolyte_model": {"model": "ions"}}
    changes["protocol"] = [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "10 s"}]
    small(**changes).run(tmp_path / "a")
    again = {"initial": {"from": str(tmp_path / "a")}, "geometry__size": "3 um"}
    ions = small(**changes, **again).run(tmp_path / "b")
    (message,) = [w for w in ions.summary["warnings"] if "initial state from" in w]
    assert "as this case starts: mu_" in message


def test_an_initial_profile(tmp_path: Path) -> None:
    profile = {"along": "y", "at": ["0 um", "80 um"], "values": ["0.8 mol/L", "1.2 mol/L"]}
    rest = [{"step": "rest", "duration": "1 ms"}]
    case = small(initial__c=profile, protocol=rest, time__dt0="1 ms")
    summary = case.run(tmp_path / "r").summary
    assert summary["c_max"] == pytest.approx(1200.0, rel=1e-2)
    assert summary["c_min"] == pytest.approx(950.0, rel=1e-2)


# -- warnings ----------------------------------------------------------------------------------


def test_warnings_are_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = small(
        electrolyte="mine", initial__c="2 mol/L",
        materials={"mine": {
            "kind": "electrolyte", "c0": "1 mol/L", "D": "1e-11 m^2/s", "t_plus": 0.3,
            "kappa": "1 S/m", "c_range": ["0.5 mol/L", "1.5 mol/L"],
        }},
        protocol=[{"step": "plate", "current_density": "1 mA/cm^2", "duration": "20 s"}],
        geometry__size="25 um",
        regions__host_bottom={"material": "PVDF", "sigma": "6e7 S/m"},
        kinetics=[{"surface": "host_*", "i0": "1 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}],
    )  # fmt: skip
    warnings = case.run(tmp_path / "r", quiet=False).summary["warnings"]
    text = "\n".join(warnings)
    assert "outside the measured 500 to 1500 mol/m^3" in text
    assert "sigma of host_bottom was lowered" in text
    assert "kinetics of host_bottom (Li on PVDF): eta_nuc and the activation energy" in text
    output = capsys.readouterr().out
    assert output.count("outside the measured") == len([w for w in warnings if "measured" in w])


def test_tables_are_never_extrapolated(tmp_path: Path) -> None:
    D = {"along": "c", "at": ["0.9 mol/L", "1.1 mol/L"], "values": ["1e-11 m^2/s", "2e-11 m^2/s"]}
    narrow = {"regions__electrolyte": {"D": D}}
    with pytest.raises(CaseError, match=r"regions.electrolyte.D: .* c = 2000 lies outside"):
        small(**narrow, initial__c="2 mol/L").run(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(RunError, match=r"regions.electrolyte.D: .* lies outside the table"):
        small(**narrow).run(tmp_path / "b")


def test_a_thick_film_is_told(tmp_path: Path) -> None:
    layers = [{"name": "mat", "thickness": "12 um", "porosity": 0.678, "fibre_diameter": "4 um"}]
    case = small(
        geometry={"family": "fibre_mat", "width": "12 um", "layers": layers, "gap": "5 um",
                  "contacts": "tree", "size": "2 um", "size_wall": "1 um"},
        regions={"host_mat": {"material": "Cu"}}, initial={"plated_charge": "5000 C/m^2"},
        protocol=[{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 s"}],
    )  # fmt: skip
    (thick,) = [w for w in case.run(tmp_path / "r").summary["warnings"] if "film" in w]
    assert "above 10% of the smallest diameter 4 um" in thick
