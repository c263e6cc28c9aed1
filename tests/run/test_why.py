"""Answers to what decides: the arithmetic of corners, and a host whose ingredients are known."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.run.report import report
from fem.run.why import effects, ingredients, table, why
from tests.verification.cells import PLAIN, case, kinetics

ALL = ("a", "b", "c")
CORNERS = [frozenset(c) for n in range(4) for c in itertools.combinations(ALL, n)]


def test_what_adds_up_has_its_own_size_everywhere() -> None:
    size = {"a": 2.0, "b": -1.0, "c": 0.5}
    found = effects({on: 7.0 + sum(size[k] for k in on) for on in CORNERS})
    for k in ALL:
        assert [found[k][e] for e in ("main", "last_in", "shapley")] == pytest.approx([size[k]] * 3)
        assert not found[k]["flips"]
        assert [*found[k]["pairs"].values()] == pytest.approx([0.0, 0.0])


def test_what_acts_together_is_shared_and_named() -> None:
    """a does +1 alone and -2 beside b; c nothing."""
    def m(on: frozenset[str]) -> float:
        return ("a" in on) * (1.0 - 3.0 * ("b" in on))

    found = effects({on: m(on) for on in CORNERS})
    assert (found["a"]["main"], found["a"]["last_in"], found["a"]["flips"]) == (-2.0, 1.0, True)
    assert found["a"]["pairs"] == pytest.approx({"b": -3.0, "c": 0.0})
    assert found["a"]["shapley"] == pytest.approx(-0.5)
    total = sum(found[k]["shapley"] for k in ALL)
    assert total == pytest.approx(m(frozenset(ALL)) - m(frozenset()))
    assert found["c"]["shapley"] == pytest.approx(0.0)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A stripe of metal with a barrier of 10 mV beside one of electrolyte; it conducts well."""
    data = case(
        study="secondary", materials={"ideal": PLAIN},
        geometry={"family": "aligned_channels", "arrangement": "vertical",
                  "sheet_thickness": "2 um", "spacing": "2 um", "length": "20 um",
                  "size": "2 um", "size_wall": "1 um"},
        regions={"host_sheets": {"material": "carbon_fibre", "sigma": "1e4 S/m"}},
        collector={"material": "Cu"},
        kinetics=[kinetics("host_sheets", 10.0, eta_nuc="10 mV"),
                  kinetics("collector", 10.0, eta_nuc="10 mV"), kinetics("counter")],
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "1 s"}],
    )
    return Case.from_dict(data).run(tmp_path / "r").folder


def test_a_barrier_costs_its_voltage_and_good_conductors_nothing(host: Path) -> None:
    found = why(host, only=["barriers", "resistance of electrons"])
    rows = {row["name"]: row for row in found["rows"]}
    barrier, electrons = rows["barriers"], rows["resistance of electrons"]
    assert barrier["numbers"]["voltage"]["main"] == pytest.approx(-10e-3, rel=0.02)
    assert electrons["effects"]["voltage"] == "none"
    shares = sum(row["numbers"]["voltage"]["shapley"] for row in found["rows"])
    assert shares == pytest.approx(found["all"]["voltage"] - found["none"]["voltage"], rel=1e-9)
    text = "\n".join(table(found))
    assert "Left out: salt gradient, kinetics." in text
    page = report(host).read_text()
    assert "Not asked" not in page and "eta_nuc = 0" in page


def test_what_a_case_lacks_is_refused(host: Path) -> None:
    assert [i.name for i in ingredients(Case.load(host / "case.toml"))] == [
        "barriers", "resistance of electrons", "salt gradient", "kinetics"]
    with pytest.raises(CaseError, match="no ingredient 'coatings'; this case has: barriers"):
        why(host, only=["coatings"])
