"""Laws that stop being physical end a run with place and time; measured values never do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import CaseError, RunError
from fem.materials import electrolyte, names, parse_material
from fem.materials.limits import Limits, bounds
from fem.run.session import run
from tests.verification.cells import C0, LIMIT, PLAIN, PLANAR, L, case

COARSE = PLANAR | {"size": "10 um"}
M = {"m": "1 mol/L"}


def formula(expression: str, unit: str = "", **constants: str) -> dict[str, Any]:
    return {"expression": expression, "unit": unit, **M, **constants}


def ended(tmp_path: Any, law: dict[str, Any], share: float, **changes: Any) -> dict[str, Any]:
    """The only event of a run at a share of the limiting current; a third of c0 is lost or won."""
    data = case(
        geometry=COARSE, materials={"ideal": PLAIN | law},
        protocol=[{"step": "plate", "current_density": f"{share * LIMIT} A/m^2",
                   "duration": "60 s"}],
        time={"dt0": "10 ms", "tolerance": 1e-2}, **changes,
    )
    summary = run(Case.from_dict(data), tmp_path / "r").summary
    assert len(summary["events"]) == 1, summary["events"]
    event: dict[str, Any] = summary["events"][0]
    assert event["event"] == "beyond_law" and event["t"] == summary["t"] < 60.0
    return event


@pytest.mark.parametrize(
    ("law", "name", "limit", "y"),
    [
        # a conductivity fitted with an offset: negative below 700
        ({"kappa": formula("k*(c/m - 0.7)", "S/m", k="10 S/m")}, "kappa", 700.0, 0.0),
        # a fit of t_plus measured to 1.1 mol/L: 0.4, and below 0 from 1.25 on
        ({"t_plus": formula("2 - 1.6*c/m"), "c_range": ["0.9 mol/L", "1.1 mol/L"]},
         "t_plus", 1250.0, L),
    ],
)
def test_a_law_that_leaves_what_is_physical_ends_the_run(
    law: dict[str, Any], name: str, limit: float, y: float, tmp_path: Any
) -> None:
    event = ended(tmp_path, law, 0.6)
    assert event["law"] == f"{name} of electrolyte 'ideal'"
    assert event["limit"] == pytest.approx(limit, rel=1e-6)
    assert (event["c"] - limit) * (limit - C0) >= 0.0  # just beyond
    assert event["place"][1] == pytest.approx(y, abs=1e-12)
    assert "mol/m^3" in event["reason"]


def test_a_law_of_a_region(tmp_path: Any) -> None:
    """D falls to 0 at 1200 mol/m3, which the counter electrode reaches first."""
    event = ended(
        tmp_path, {}, 0.6,
        regions={"electrolyte": {"D": formula("d*(1.2 - c/m)", "m^2/s", d="1e-9 m^2/s")}},
    )
    assert event["law"] == "D of electrolyte" and event["limit"] == pytest.approx(1200.0)


def test_what_was_measured_is_physical() -> None:
    """Negative within the range given, or a number: no limit. Beyond the range: no further."""
    law = PLAIN | {"t_plus": formula("0.8 - c/m"), "c_range": ["0.2 mol/L", "1.5 mol/L"]}
    known = bounds(parse_material(law, "materials.x"), 298.15)  # type: ignore[arg-type]
    found = Limits(known.values(), 1000.0)
    assert known["t_plus"].law(1200.0) == pytest.approx(-0.4)
    assert found.broken(300.0, 1499.0) is None
    assert found.high == pytest.approx(1500.0, rel=1e-6) and found.low == 0.0
    factor = bounds(  # and one that falls to 0 at 1200
        parse_material(PLAIN | {"thermodynamic_factor": formula("3.6 - 3*c/m")}, "materials.x"),  # type: ignore[arg-type]
        298.15,
    )
    assert Limits(factor.values(), 1000.0).high == pytest.approx(1200.0, rel=1e-6)
    free = bounds(parse_material(PLAIN | {"t_plus": formula("0.8 - c/m")}, "materials.x"), 298.15)  # type: ignore[arg-type]
    assert "t_plus" not in free  # no range given: nothing is known to be beyond it


@pytest.mark.parametrize("name", names("electrolyte"))
def test_the_library_is_physical_where_it_was_measured(name: str) -> None:
    """And down to no salt at all, so that depletion is reached by every electrolyte."""
    found = electrolyte(name)
    low, high = (float(end) for end in found.c_range)
    for T in found.T_range:
        known = bounds(found, float(T))
        limits = Limits(known.values(), float(found.c0))
        assert limits.broken(low, high) is None
        assert limits.low == 0.0
        for prop in known:
            if prop != "t_plus":
                values = np.asarray(known[prop].law(np.linspace(low, high, 50)))
                assert (values > 0.0).all()


def test_nyman_ends_at_two_and_a_quarter_molar() -> None:
    """The cubic of Nyman 2008 crosses 0 at 2.2535 mol/L, beyond the 2 mol/L it was measured to."""
    roots = np.roots([-0.1287, 0.4106, -0.4717, 0.4492])
    (root,) = roots[np.abs(roots.imag) < 1e-9].real
    found = Limits(bounds(electrolyte("LiPF6_EC_EMC_3_7"), 298.15).values(), 1000.0)
    assert found.high == pytest.approx(1000.0 * root, rel=1e-6)
    assert 2200.0 < found.high < 2300.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"materials": {"ideal": PLAIN | {"D": formula("d*(0.9 - c/m)", "m^2/s", d="1e-9 m^2/s")}}},
         r"electrolyte: D of electrolyte 'ideal' is -1e-10 m\^2/s at c = 1000 mol/m\^3"),
        ({"regions": {"electrolyte": {"kappa": formula("k*(0.9 - c/m)", "S/m", k="1 S/m")}}},
         r"regions\.electrolyte\.kappa: kappa of electrolyte is -0\.1 S/m"),
        ({"electrolyte": "LiPF6_EC_EMC_3_7_Landesfeind", "temperature": "265 K"},
         r"electrolyte: t_plus of electrolyte 'LiPF6_EC_EMC_3_7_Landesfeind' is -0\.\d+"),
    ],
)
def test_a_start_that_is_not_physical_is_refused_by_the_check(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(CaseError, match=message):
        Case.from_dict(case(**change))


def test_a_start_in_space_that_is_not_physical_is_refused_before_the_run(tmp_path: Any) -> None:
    """Known only with the mesh: c from 500 to 1500 where D ends at 1200."""
    data = case(
        geometry=COARSE,
        materials={"ideal": PLAIN | {"D": formula("d*(1.2 - c/m)", "m^2/s", d="1e-9 m^2/s")}},
        initial={"c": {"expression": "500 + 1000*y/h", "unit": "mol/m^3", "h": "100 um"}},
    )
    with pytest.raises(CaseError, match=r"D of electrolyte 'ideal' is -3e-10"):
        run(Case.from_dict(data), tmp_path / "r")


def table(*rows: tuple[str, str]) -> dict[str, Any]:
    return {"along": "c", "at": [c for c, _ in rows], "values": [v for _, v in rows]}


def over_limit(law: dict[str, Any], share: float, **changes: Any) -> Case:
    return Case.from_dict(case(
        geometry=COARSE | {"size_collector": "1 um"}, materials={"ideal": PLAIN | law},
        protocol=[{"step": "plate", "current_density": f"{share * LIMIT} A/m^2",
                   "duration": "60 s"}],
        time={"dt0": "1 ms", "dt_min": "1 us", "tolerance": 1e-2}, **changes,
    ))


def test_a_table_that_ends_near_no_salt_lets_a_cell_run_dry(tmp_path: Any) -> None:
    """The lowest row at 5 mol/m3, half a percent of c0: depletion, 1 % before Sand's time."""
    law = {"kappa": table(("5 mol/m^3", "0.1 S/m"), ("3000 mol/m^3", "1 S/m"))}
    summary = run(over_limit(law, 2.0), tmp_path / "r").summary
    (event,) = summary["events"]
    assert event["event"] == "depletion" and event["place"][1] == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < event["c_min"] < 5.0
    assert event["t"] / event["sand_time"] == pytest.approx(0.995**2, abs=0.02)


def test_a_table_left_elsewhere_is_an_error_with_time_and_place(tmp_path: Any) -> None:
    law = {"D": table(("500 mol/m^3", "3e-10 m^2/s"), ("1200 mol/m^3", "3e-10 m^2/s"))}
    reason = r"t = .* s: electrolyte 'ideal': D: c = 12\d\d.* outside its table.*, 100\) um\)"
    with pytest.raises(RunError, match=reason):
        run(over_limit(law, 0.6), tmp_path / "r")


def test_an_own_t_plus_without_a_range_is_told_when_it_leaves_zero_and_one(tmp_path: Any) -> None:
    summary = run(over_limit({"t_plus": formula("3.4 - 3*c/m")}, 0.3), tmp_path / "r").summary
    assert summary["events"] == []
    remarks = [text for text in summary["warnings"] if "t_plus" in text]
    assert len(remarks) == 1 and "t_plus = -0." in remarks[0] and "taken as measured" in remarks[0]
