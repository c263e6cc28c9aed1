"""The depth a reaction reaches into a front: closed forms, `check`, and a run that ends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.optimize import brentq

from fem import Case
from fem.base.constants import FARADAY
from fem.base.errors import CaseError
from fem.case import depth as case_depth
from fem.materials import material
from tests.verification.cells import RT_F, T

GROWTH_CASES = (
    "host_fill", "host_fill_3d", "lamella_pan_cnf", "nucleation_regimes", "separator_seeds_growth",
    "stripping_dead_metal", "yolk_shell_growth",
)  # fmt: skip
SALT = {"kind": "electrolyte", "c0": "1 mol/L", "D": "1.1e-11 m^2/s", "t_plus": 0.4,
         "kappa": "1 S/m"}  # fmt: skip


@pytest.mark.parametrize(("alpha_a", "alpha_c"), [(0.5, 0.5), (0.3, 0.7), (1.2, 0.8)])
def test_slope(alpha_a, alpha_c):
    """By the overpotential that passes i; with 1/2 and 1/2 (F/2RT) sqrt(i^2 + 4 i0^2)."""
    i0 = 30.0
    for i in (-1e4, -100.0, -1.0, 0.0, 2.0, 1e4):

        def missing(eta: float, i: float = i) -> float:
            u = eta / RT_F
            return i0 * (math.exp(alpha_a * u) - math.exp(-alpha_c * u)) - i

        u = brentq(missing, -1.0, 1.0, xtol=1e-15) / RT_F
        exact = i0 / RT_F * (alpha_a * math.exp(alpha_a * u) + alpha_c * math.exp(-alpha_c * u))
        found = case_depth.slope(i, i0, alpha_a, alpha_c, T)
        assert found == pytest.approx(exact, rel=1e-9)
        if alpha_a == alpha_c == 0.5:
            assert found == pytest.approx(math.sqrt(i * i + 4 * i0 * i0) / (2 * RT_F), rel=1e-9)


@pytest.mark.parametrize(("z", "z_minus", "g", "n"), [(1, -1, 2.0, 1), (2, -2, 1.0, 2),
                                                      (2, -1, 1.5, 2), (1, -2, 1.5, 2)])
def test_resistance(z, z_minus, g, n):
    """1/kappa + g (RT/F) (1 - t_plus)^2/(n F D c); a region's own kappa, a tortuosity."""
    salt: Any = material("plain", {"plain": SALT | {"z": z, "z_minus": z_minus}})
    drawn = g * RT_F * 0.36 / (n * FARADAY * 1.1e-11 * 150.0)
    assert case_depth.resistance(salt, 150.0, T) == pytest.approx(1.0 + drawn, rel=1e-12)
    found = case_depth.resistance(salt, 150.0, T, {"kappa": 0.5}, 3.0)
    assert found == pytest.approx(3 * (2.0 + drawn), rel=1e-12)


# -- check -------------------------------------------------------------------------------------


def on_metal(i0: float, film: float = 0.0) -> str:
    return (f'kinetics.2={{ surface = "metal", i0 = "{i0} A/m^2", alpha_a = 0.5, alpha_c = 0.5, '
            f'film_resistance = "{film} ohm*m^2" }}')  # fmt: skip


@pytest.mark.parametrize("name", GROWTH_CASES)
def test_cases_are_resolved(name):
    """No case of this package comes near: l/lambda is at least 400."""
    case = Case.load(name)
    assert [*case_depth.notes(vars(case))] == []
    seen = case_depth._foresee(vars(case))
    assert seen is not None
    print("penetration", name, seen.plating / seen.width)
    assert seen.plating > 400 * seen.width


def test_check_warns_and_refuses():
    """`host_fill`, lambda 0.5 um: a note from l = 10 lambda, refused from 2; films help."""
    electrolyte: Any = material("LiPF6_EC_EMC_3_7_Landesfeind", {})
    R = case_depth.resistance(electrolyte, 1000.0, T)

    def i0_of(depth: float) -> float:
        return RT_F / (R * depth)

    for depth, outcome in ((5.5e-6, False), (4.5e-6, True), (1.1e-6, True)):
        notes = [*case_depth.notes(vars(Case.load("host_fill", [on_metal(i0_of(depth))])))]
        assert len(notes) == outcome
        if outcome:
            assert f"{1e5 * depth:.3g} um" in notes[0] and "interface_width" in notes[0]
    with pytest.raises(CaseError, match=r"interface_width: 0\.5 um: too wide .*at most 90 nm"):
        Case.load("host_fill", [on_metal(i0_of(0.9e-6))])
    case = Case.load("host_fill", [on_metal(i0_of(0.9e-6), film=1e-4)])
    assert [*case_depth.notes(vars(case))] == []  # 1e-4 ohm m2 alone are 28 um


def test_a_law_of_the_temperature_is_known_before_a_run():
    """A current that grows e-fold in 4 K, refused at 338 K like the number it has there."""

    def of_heat(i0: float) -> str:
        law = f'expression = "{i0!r} * exp((T - 298.15)/4)", unit = "A/m^2"'
        return on_metal(i0).replace(f'"{i0!r} A/m^2"', f"{{ {law} }}")

    cold, warm = ("temperature=298.15 K", "temperature=338.15 K")
    assert [*case_depth.notes(vars(Case.load("host_fill", [of_heat(10.0), cold])))] == []
    says = []
    for entry in (of_heat(10.0), on_metal(10.0 * math.exp(10.0))):
        with pytest.raises(CaseError, match="too wide for kinetics") as error:
            Case.load("host_fill", [entry, warm])
        says.append(str(error.value))
    assert says[0] == says[1]


# -- a run -------------------------------------------------------------------------------------


def flat(i0: float) -> dict[str, Any]:
    """A flat front near the limiting current of a slow salt, c = 150 mol/m3, kappa of place."""
    return {
        "schema": 1, "title": "flat front", "metal": "Li", "electrolyte": "plain",
        "temperature": f"{T} K", "study": "growth",
        "geometry": {
            "family": "planar", "width": "0.6 um", "size": "0.075 um", "layers": [
                {"name": "near", "thickness": "5 um", "region": "electrolyte"},
                {"name": "far", "thickness": "13 um", "region": "electrolyte_far", "size": "1 um"},
            ]},
        "materials": {"plain": SALT}, "collector": {"material": "Cu"},
        "regions": {"electrolyte": {"material": "plain", "kappa": {
            "expression": "k*(1 + y/a)", "k": "0.5 S/m", "a": "3 um", "unit": "S/m"}}},
        "counter": {"kind": "reservoir"},
        "kinetics": [
            {"surface": "collector", "i0": "10 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5},
            {"surface": "metal", "i0": f"{i0} A/m^2", "alpha_a": 0.5, "alpha_c": 0.5},
        ],
        "initial": {"metal_layer": "3 um", "c": {
            "expression": "q*max(y - h, 0) + b", "q": "5.65e7 mol/m^4", "h": "3 um",
            "b": "150 mol/m^3", "unit": "mol/m^3"}},
        "growth": {"interface_width": "0.15 um"},
        "protocol": [{"step": "plate", "current_density": "100 A/m^2", "duration": "40 s"}],
        "time": {"dt0": "0.5 s", "tolerance": 0.01}, "solver": {"rtol": 1e-8},
        "output": {"figures": False},
    }  # fmt: skip


@pytest.mark.parametrize(("i0", "outcome"), [(30.0, ""), (1000.0, "warns"), (10000.0, "ends")])
def test_a_run_looks_at_its_front(tmp_path, i0, outcome):
    """Silent at l/lambda = 30, a warning at 4, the event `unresolved_front` at 0.4.

    The event comes when the fastest part of the front has gone on by lambda (11 s if all of it were
    as fast as the current says); its l is that of the closed form at its own i_n, c and place.
    """
    run = Case.from_dict(flat(i0)).run(tmp_path / "r")
    swells = [text for text in run.summary["warnings"] if "tail of the front" in text]
    events = [e for e in run.summary["events"] if e["event"] == "unresolved_front"]
    assert len(swells) == bool(outcome)
    assert len(events) == (outcome == "ends")
    assert run.summary["t"] == pytest.approx(40.0) or outcome == "ends"
    for event in events:
        print("penetration, ends at", event["t"], event["l"] / event["interface_width"])
        assert 3.0 < event["t"] < 12.0
        c, i, y = event["c"], event["i_n"], event["place"][1]
        R = 1 / (0.5 * (1 + y / 3e-6)) + 2 * RT_F * 0.36 / (FARADAY * 1.1e-11 * c)
        slope = math.sqrt(i * i + 4 * i0 * i0 * c / 1000.0) / (2 * RT_F)
        assert event["l"] == pytest.approx(1 / (R * slope), rel=1e-5)
        assert 1 / event["conductivity"] == pytest.approx(R, rel=1e-9)
        assert event["interface_width"] > 0.5 * event["l"]
        assert "interface_width of at most" in event["reason"]
