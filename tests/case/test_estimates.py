"""Numbers of a case before it runs, against closed forms."""

from __future__ import annotations

from typing import Any

import pytest

from fem import Case
from fem.base.constants import FARADAY
from fem.case.estimates import estimates
from fem.case.summary import summary
from tests.physics.averaged.columns import RT_F, UM, column, linear

#: Of the case `sand`: n F D c0/(1 - t_plus), A/m, and its current, A/m2.
FLUX, J = FARADAY * 3e-10 * 1e3 / 0.6, 2000.0


def of(name: str, **changes: Any) -> dict[str, Any]:
    """Estimates of a case of the catalogue."""
    return estimates(Case.load(name).with_({k.replace("__", "."): v for k, v in changes.items()}))


def test_sands_time_and_the_limiting_current() -> None:
    found = of("sand")
    assert found["sand_time"] == pytest.approx(1.5233, abs=1e-4)
    assert found["sand_ratio"] == pytest.approx(3.0 / found["sand_time"])
    assert found["J_ratio"] == pytest.approx(J / (2 * FLUX / 100e-6))
    # A charge ends the step first: 1 s of it.
    short = of("sand", protocol__0__capacity="2000 C/m^2")
    assert short["sand_ratio"] == pytest.approx(1.0 / found["sand_time"])


def test_salt_that_a_bath_holds_bears_half_the_current() -> None:
    """c0 at the counter electrode, not on average."""
    assert of("sand", counter__kind="reservoir")["J_ratio"] == pytest.approx(J * 100e-6 / FLUX)


@pytest.mark.parametrize(("upside_down", "limit"), [(False, 1.5 / 5.5), (True, 1.5 / 2.0)])
def test_limiting_current_through_two_layers(upside_down: bool, limit: float) -> None:
    """Half free, half with porosity 1/2 and tortuosity 2; straight profiles of c.

    a = J (1 - t_plus) h/(F D) is the fall over the free half, 4 a that over the other. Porous at
    the collector c is 0, 4 a, 5 a at the planes, and 2 a/2 + 4.5 a = 1.5 c0; the other way round
    0, a, 5 a, and a/2 + 3 a/2 = 1.5 c0.
    """
    layers = [{"name": "one", "thickness": "50 um", "region": "separator"},
              {"name": "two", "thickness": "50 um", "region": "electrolyte"}]
    film = {"kind": "separator", "porosity": 0.5, "tortuosity": 2.0}
    data = Case.load("sand").to_dict()
    data["geometry"].pop("length")
    data["geometry"]["layers"] = layers[::-1] if upside_down else layers
    data["materials"]["film"] = film
    data["regions"] = {"separator": {"material": "film"}}
    assert estimates(Case.from_dict(data))["J_ratio"] == pytest.approx(J * 50e-6 / (limit * FLUX))


def test_wagner_number_of_a_flat_electrode() -> None:
    """Nernst-Einstein: kappa RT/(F i0 L) = F c0 D/(2 t_plus (1 - t_plus) i0 L)."""
    expected = FARADAY * 1e3 * 3e-10 / (2 * 0.4 * 0.6 * 100.0 * 100e-6)
    assert of("sand")["wagner"] == pytest.approx({"collector": expected})


def test_numbers_of_a_column() -> None:
    """nu as given; Ne = 1/nu^2 without current and 1/delta in Tafel's range."""
    found = estimates(column(kinetics=linear(3.0, sigma=1e6), porosity=0.999999))
    assert found["nu"] == pytest.approx({"host_mat": 3.0}, rel=1e-5)
    assert found["Ne"] == pytest.approx({"host_mat": 1 / 9}, rel=1e-5)
    assert "wagner" not in found  # pores behind the foil, no walls
    slow = estimates(column(kinetics={"i0": "1e-9 A/m^2"}, porosity=0.999999, sigma=2.0))
    delta = 0.5 / RT_F * 1.0 * 100 * UM * (1.0 + 0.5)  # 1 A/m2
    assert slow["Ne"] == pytest.approx({"host_mat": 1 / delta}, rel=1e-5)


def test_area_and_ways_of_a_host_are_those_of_its_laws() -> None:
    """Fibres that overlap: a0 = -2 eps ln eps/r; kappa eps^1.5."""
    found = estimates(column(porosity=0.81, surface={"law": "fibres", "radius": "2 um"}))
    area, way = 2 * 0.81 * 0.2107210 / 2e-6, 1 / 0.81**1.5
    nu = 100 * UM * (area * 10.0 / RT_F * (way + 1e-6)) ** 0.5
    assert found["nu"]["host_mat"] == pytest.approx(nu, rel=1e-6)


def test_what_varies_in_space_makes_no_estimate() -> None:
    graded = {"along": "depth", "at": ["0 um", "100 um"], "values": [0.8, 0.9]}
    found = estimates(column(porosity=graded))
    assert not {"nu", "Ne", "J_ratio"} & found.keys()
    assert "sand_time" in found


def test_check_prints_them() -> None:
    text = summary(Case.load("sand"))
    assert "  estimate   sand_time 1.523 s: Sand's time of the free electrolyte\n" in text
    assert "  estimate   J_ratio 2.073: " in text
