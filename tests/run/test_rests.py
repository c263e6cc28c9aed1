"""Holds, rests, pulses and stripping to the last: that they begin, what flows, where they end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from fem import Case
from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.base.errors import RunError
from fem.compat import MPI
from fem.mesh.domain import Domain
from fem.physics.circuit.circuit import Circuit
from fem.physics.walls.ledger import WallLedger
from fem.results.result import Result
from fem.run.diagnosis import causes
from fem.run.segments import segments
from fem.run.session import mesh_folder
from fem.setup.kinetics import PASSIVE_SHARE
from fem.study.build import build

from .cases import small

RT_F = GAS_CONSTANT * 298.15 / FARADAY
PLAIN: dict[str, Any] = {
    "kind": "electrolyte", "c0": "1 mol/L", "D": "3e-10 m^2/s", "t_plus": 0.4, "kappa": "1 S/m",
}  # fmt: skip
PLANAR = {"family": "planar", "length": "100 um", "size": "5 um"}
GROWN = {"family": "planar", "length": "15 um", "size": "0.5 um"}


def cell(protocol: list[dict[str, Any]], **changes: Any) -> Case:
    """A planar cell with an electrolyte of constant properties; `changes` replace entries."""
    data: dict[str, Any] = {
        "schema": 1, "title": "rests", "metal": "Li", "electrolyte": "plain",
        "temperature": "298.15 K", "materials": {"plain": PLAIN}, "geometry": PLANAR,
        "protocol": protocol, "output": {"figures": False},
    }  # fmt: skip
    return Case.from_dict(json.loads(json.dumps(data | changes)))


def kinetics(i0: float, law: str = "butler_volmer") -> list[dict[str, Any]]:
    """Equal kinetics on both electrodes."""
    numbers = {"i0": f"{i0!r} A/m^2", "alpha_a": 0.5, "alpha_c": 0.5, "law": law}
    return [{"surface": name} | numbers for name in ("collector", "counter")]


def plate(density: float, duration: float) -> dict[str, Any]:
    """A/m2 and s."""
    return {"step": "plate", "current_density": f"{density!r} A/m^2", "duration": f"{duration!r} s"}


def strip(density: float, duration: float, **more: Any) -> dict[str, Any]:
    """A/m2 and s."""
    return plate(density, duration) | {"step": "strip"} | more


def rest(duration: float) -> dict[str, Any]:
    """Rest of this many seconds."""
    return {"step": "rest", "duration": f"{duration!r} s"}


def hold(voltage: float, duration: float) -> dict[str, Any]:
    """V and s."""
    return {"step": "hold", "voltage": f"{voltage!r} V", "duration": f"{duration!r} s"}


def closed(result: Result, limit: float = 1e-8) -> None:
    """All balances of a run hold in every step."""
    worst = result.summary["closures"]
    assert max(worst.values()) < limit, worst


# -- holds -------------------------------------------------------------------------------------


def test_a_hold_far_beyond_the_limiting_current_follows_cottrell(tmp_path: Path) -> None:
    """i = zF c0 sqrt(D/(pi t))/(1 - t_plus) within 0.5 % from 1 s on, at the default tolerance.

    That holds while the salt at the wall is used up, the ohmic drop of what flows is small beside
    the voltage, and diffusion has not reached the other electrode: D = 3e-12 m2/s over 20 um, so
    157 A/m2 at 1 s, which drop 31 mV at 0.1 S/m, and sqrt(4 D t) = 7 um at 4 s. Steps of a constant
    share of t are judged by their current: by the salt alone, the mean of all nodes, it was 0.7 %
    too small.
    """
    D, t_plus = 3e-12, 0.4
    case = cell(
        [hold(-2.0, 4.0)],
        materials={"plain": PLAIN | {"D": f"{D!r} m^2/s", "kappa": "0.1 S/m"}},
        geometry={"family": "planar", "length": "20 um", "size": "0.2 um", "size_width": "5 um"},
    )
    result = case.run(tmp_path / "r")
    t, i = result.series["t"], -result.series["current_density"]
    late = t >= 1.0
    cottrell = FARADAY * 1000.0 * np.sqrt(D / (np.pi * t)) / (1 - t_plus)
    print("i over Cottrell's", i[late] / cottrell[late], "steps", len(t))
    assert late.sum() >= 3
    assert i[late] == pytest.approx(cottrell[late], rel=0.005)
    assert result.summary["events"] == []
    closed(result)


def test_a_hold_where_cottrell_does_not_apply_agrees_with_finite_volumes(tmp_path: Path) -> None:
    """-0.7 V at 10 S/m over 50 um draw 1905 A/m2 after 1 s, 1.28 times Cottrell's current.

    The ohmic drop is 10 mV, but at first kinetics and diffusion potential take all of the voltage,
    so the wall is emptied late, and then diffusion has reached the counter electrode. 1905.3 A/m2
    by finite volumes in one dimension (400 and 800 cells: 4e-6 apart) with the same potentials.
    """
    case = cell(
        [hold(-0.7, 1.0)],
        materials={"plain": PLAIN | {"kappa": "10 S/m"}},
        geometry={"family": "planar", "length": "50 um", "size": "2 um", "width": "5 um",
                  "size_width": "5 um", "size_collector": "0.1 um", "growth": 1.15},
        kinetics=kinetics(10.0),
    )
    result = case.run(tmp_path / "r")
    i = -result.series["current_density"][-1]
    print("i", i, "steps", len(result.series["t"]))
    assert result.series["t"][-1] == pytest.approx(1.0, rel=1e-12)
    assert i == pytest.approx(1905.3, rel=0.006)
    closed(result)


def test_a_hold_of_a_cell_of_20_nanometres(tmp_path: Path) -> None:
    """Its salt is used up within 0.1 us, from 1.3e8 A/m2 on; 2 F D c0/((1 - t_plus) L) is left."""
    thin = {"family": "planar", "length": "20 nm", "width": "10 nm", "size": "1 nm"}
    plain = {"plain": PLAIN | {"kappa": "10 S/m"}}
    result = cell(
        [hold(-1.0, 1e-3)], geometry=thin, materials=plain, kinetics=kinetics(1e5)
    ).run(tmp_path / "r")
    limit = 2 * FARADAY * 3e-10 * 1000.0 / (0.6 * 20e-9)
    print("over the limiting current", result.summary["current_density"] / limit)
    assert result.summary["current_density"] == pytest.approx(-limit, rel=1e-5)
    closed(result)


def test_holds_rests_and_currents_follow_one_another(tmp_path: Path) -> None:
    """After -2 V the wall has run out of salt; a rest, a current and a hold begin from there."""
    steps = [plate(10.0, 20.0), hold(-2.0, 2.0), rest(100.0), hold(-2.0, 1.0), plate(1.0, 50.0),
             hold(1.0, 1.0), rest(600.0)]  # fmt: skip
    result = cell(steps, collector={"material": "Cu"}).run(tmp_path / "r")
    series, segment = result.series, result.series["segment"]
    assert result.summary["events"] == []
    assert result.summary["t"] == pytest.approx(774.0)
    assert [series["voltage"][segment == k][-1] for k in (1, 3, 5)] == [-2.0, -2.0, 1.0]
    assert np.abs(series["current_density"][segment == 6]).max() < 1e-9
    assert abs(series["voltage"][-1]) < 1e-5
    assert series["c_min"][segment == 1][-1] < 1e-6  # mol/m3
    closed(result)


def test_a_wall_without_salt_is_begun_from(tmp_path: Path) -> None:
    """Plating goes on from another run's last state as within one run, or is named as depleted."""
    even = {"materials": {"plain": PLAIN | {"kappa": "10 S/m"}}, "collector": {"material": "Cu"}}
    whole = cell([hold(-2.0, 1.0), plate(10.0, 20.0)], **even).run(tmp_path / "whole")
    cell([hold(-2.0, 1.0)], **even).run(tmp_path / "first")
    then = even | {"initial": {"from": str(tmp_path / "first")}}
    later = cell([plate(10.0, 20.0)], **then).run(tmp_path / "then")
    assert later.series["c_min"][0] < 10.0
    for name in ("voltage", "c_min"):
        assert later.series[name][-1] == pytest.approx(whole.series[name][-1], rel=1e-3)
    closed(later)
    with pytest.raises(RunError, match=r"depleted: lowest c = .*; rest first.*Likely: depleted$"):
        cell([plate(4000.0, 20.0)], **then).run(tmp_path / "more")


def test_a_hold_passes_a_barrier(tmp_path: Path) -> None:
    """Bare copper with eta_nuc = 0.3 V: nothing but side reactions at -0.2 V, metal at -1 V."""
    wall = {"surface": "collector", "eta_nuc": "300 mV"}
    for voltage in (-0.2, -1.0):
        result = cell(
            [hold(voltage, 5.0)], collector={"material": "Cu"}, kinetics=[wall]
        ).run(tmp_path / f"{voltage}")
        plated = result.summary["plated"]
        assert (abs(plated) < 1e-9) if voltage == -0.2 else (plated > 1000.0)
        closed(result)


@pytest.mark.parametrize(("rate", "kappa"), [(1.0, 10.0), (10.0, 1.0)])
def test_a_held_voltage_that_leaves_rest(rate: float, kappa: float, tmp_path: Path) -> None:
    """Its current grows by hundreds within a step; balances are compared with what it is then.

    Before, they were compared with that at rest: 3.6e-9 for 10 V/s. At rest diffusion and migration
    cancel to their last bits, which are 3e-8 of the current of 10 S/m.
    """
    ramp = {"expression": f"-{rate}*t", "unit": "V"}
    step = {"step": "hold", "voltage": ramp, "duration": f"{0.6 / rate} s"}
    result = cell(
        [step], materials={"plain": PLAIN | {"kappa": f"{kappa} S/m"}},
        collector={"material": "Cu"}, geometry=PLANAR | {"length": "40 um", "size": "2 um"},
    ).run(tmp_path / "r")  # fmt: skip
    print(result.summary["closures"], result.summary["newton"])
    assert result.summary["t"] == pytest.approx(0.6 / rate)
    closed(result, 1e-9)


@pytest.mark.parametrize("size", ["0.16 um", "0.04 um"])
def test_a_rest_in_short_cells(size: str, tmp_path: Path) -> None:
    """The last bits of c are 2e-8 and 2e-7 of the current that residuals are compared with."""
    result = cell(
        [plate(100.0, 1.0), rest(5.0)], geometry=PLANAR | {"length": "10 um", "size": size}
    ).run(tmp_path / "r")
    print(result.summary["closures"], result.summary["steps"], result.summary["newton"])
    assert result.summary["t"] == pytest.approx(6.0)
    assert result.summary["newton"] < 4 * result.summary["steps"]
    closed(result)


# -- what balances are compared with ---------------------------------------------------------------


@pytest.mark.parametrize(("closure", "share"), [("faraday", 1e-6), ("commanded", 2e-6)])
def test_a_fault_is_found_a_hundred_hours_after_plating(
    closure: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost millionth of 100 C/m2 of metal, or two of the charge, is found after 100 h of rest.

    Compared with 0.01 A/m2 over the time of the run either would be 36 times smaller.
    """
    where: Any = {"faraday": WallLedger, "commanded": Circuit}[closure]
    method = {"faraday": "plated", "commanded": "delivered"}[closure]
    honest = getattr(where, method)

    def faulty(books: Any, *given: float) -> Any:
        kept = 1.0 - share * (books.s.t + books.s.dt > 360_010.5)
        return kept * honest(books, *given)

    monkeypatch.setattr(where, method, faulty)
    case = cell([plate(10.0, 10.0), rest(3.6e5), rest(10.0)], collector={"material": "Cu"})
    with pytest.raises(RunError, match=r"^t = 360011 s: .*(faraday 1.00e-06|by 2.00e-06)"):
        case.run(tmp_path / "r")


def test_what_walls_trade_in_a_rest_counts(tmp_path: Path) -> None:
    """No current is given, but uneven salt moves metal; then a current begins with 0.1 ms."""
    uneven = {"expression": "1000 + 5e7*x", "unit": "mol/m^3"}
    result = small(
        initial={"c": uneven, "plated_charge": "1000 C/m^2"},
        protocol=[rest(600.0), plate(10.0, 1e-2)], time={"dt0": "0.1 ms"},
    ).run(tmp_path / "r")  # fmt: skip
    assert result.summary["t"] == pytest.approx(600.01)
    closed(result)


# -- films -------------------------------------------------------------------------------------


def lamella(protocol: list[dict[str, Any]], **changes: Any) -> Case:
    """Two perforated films on copper, the upper one, of another solid, meets the lower one."""
    layers = [{"name": name, "thickness": thickness, "opening": 0.5, "pitch": "20 um"}
              for name, thickness in (("low", "20 um"), ("high", "6 um"))]  # fmt: skip
    geometry = {"family": "lamella", "layers": layers, "gap": "16 um", "size": "3 um",
                "size_wall": "2 um"}  # fmt: skip
    regions = {"host_low": {"material": "Cu"}, "host_high": {"material": "Ni"}}
    given = {"geometry": geometry, "regions": regions, "collector": {"material": "Cu"}}
    return cell(protocol, **(given | changes))


def test_two_solids_that_meet_have_films_of_their_own(tmp_path: Path) -> None:
    """Each passes i = law(V - R i) to 1e-4, at the nodes that both touch as well.

    Potentials are even: 1e4 S/m, and a counter electrode of 1e6 A/m2.
    """
    held, R, barrier = -0.3, 0.01, 0.1
    exchange = {"host_low": 100.0, "host_high": 1.0, "collector": 10.0}
    common = {"alpha_a": 0.5, "alpha_c": 0.5, "eta_nuc": f"{barrier} V",
              "film_resistance": f"{R} ohm*m^2"}  # fmt: skip
    walls = [{"surface": k, "i0": f"{i0} A/m^2"} | common for k, i0 in exchange.items()]
    counter = {"surface": "counter", "i0": "1e6 A/m^2", "alpha_a": 0.5, "alpha_c": 0.5}
    summary = lamella(
        [{"step": "hold", "voltage": f"{held} V"}], study="secondary",
        kinetics=[*walls, counter], materials={"plain": PLAIN | {"kappa": "1e4 S/m"}},
    ).run(tmp_path / "r").summary
    for name, i0 in (("host_low", 100.0), ("host_high", 1.0)):

        def gap(i: float, i0: float = i0) -> float:
            e = held - R * i
            plating = 2 * i0 * np.sinh(min(e + barrier, 0.0) / (2 * RT_F))
            return float(plating + PASSIVE_SHARE * i0 * e / RT_F - i)

        found = summary["current_by_region"][name] / summary["area_by_region"][name]
        assert found == pytest.approx(brentq(gap, held / R, 0.0, xtol=1e-12), rel=1e-4)


def test_a_hold_goes_on_where_walls_and_corners_are_empty(tmp_path: Path) -> None:
    """At the limiting current it does not matter how well the electrolyte conducts.

    Corners between empty walls get no salt, so any storage shared with neighbours would take c
    below zero there; and where c falls to nothing BDF2 has no positive solution.
    """
    flows = []
    for kappa in ("1 S/m", "10 S/m"):
        result = lamella(
            [hold(-2.0, 0.3)], materials={"plain": PLAIN | {"kappa": kappa}}
        ).run(tmp_path / kappa[:-4])
        assert result.summary["events"] == [] and result.summary["t"] == pytest.approx(0.3)
        flows.append(result.series["current_density"][-1])
        closed(result)
    print("A/m2", flows, result.summary["steps"], "steps")
    assert result.series["c_min"][-1] < 1e-20
    assert flows[1] == pytest.approx(flows[0], rel=1e-3)  # tolerance of a step


def test_a_hold_goes_on_where_pores_are_empty(tmp_path: Path) -> None:
    """Throats between fibres and foil run out of salt within milliseconds; potentials stay sane."""
    layer = {"name": "mat", "thickness": "18 um", "porosity": 0.738, "fibre_diameter": "6 um"}
    mat = {"family": "fibre_mat", "width": "24 um", "gap": "8 um", "size": "2 um",
           "size_wall": "1 um", "layers": [layer]}  # fmt: skip
    regions = {"host_mat": {"material": "Cu"}, "electrolyte_mat": {"bridge_sigma": "1e4 S/m"}}
    result = cell(
        [hold(-2.0, 0.02)], geometry=mat, regions=regions, collector={"material": "Cu"},
        materials={"plain": PLAIN | {"kappa": "10 S/m"}},
    ).run(tmp_path / "r")
    assert result.summary["events"] == [] and result.summary["t"] == pytest.approx(0.02)
    assert result.series["c_min"][-1] < 1e-20
    phi_l = result.array("phi_l")
    assert -2.2 < phi_l.min() and phi_l.max() < 0.5
    closed(result)


def test_a_rest_begins_with_films_on_a_floating_conductor(tmp_path: Path) -> None:
    """Newton went round a kink where two solids under films meet at a node."""
    film = {"surface": "host_*", "film_resistance": "0.01 ohm*m^2"}
    regions = {"host_low": {"material": "Cu"},
               "host_high": {"material": "carbon_fibre", "sigma": "100 S/m"}}  # fmt: skip
    result = lamella(
        [hold(-0.7, 2.0), rest(5.0)], regions=regions, kinetics=[film]
    ).run(tmp_path / "r")
    assert result.summary["t"] == pytest.approx(7.0)
    assert result.summary["events"] == []
    assert np.abs(result.series["current_density"][result.series["segment"] == 1]).max() < 1e-9
    closed(result)


# -- one solve ---------------------------------------------------------------------------------


@pytest.mark.parametrize("voltage", [4.5, -450.0])
def test_a_linear_study_takes_one_iteration_at_any_voltage(tmp_path: Path, voltage: float) -> None:
    """80 mm of 1 S/m: kappa V/L, and with linear kinetics of 10 A/m2 V/(L/kappa + 2 RT/(F i0))."""
    stack = {"family": "planar", "length": "80 mm", "size": "4 mm"}
    held = {"step": "hold", "voltage": f"{voltage!r} V"}
    for study, law, resistance in (
        ("primary", "butler_volmer", 0.08),
        ("secondary", "linear", 0.08 + 2 * RT_F / 10.0),
    ):
        case = cell([held], study=study, geometry=stack, kinetics=kinetics(10.0, law))
        summary = case.run(tmp_path / study).summary
        assert summary["newton"] == 1
        assert summary["current_density"] == pytest.approx(voltage / resistance, rel=1e-5)


@pytest.mark.parametrize("kind", ["direct", "iterative"])
def test_a_secondary_study_bears_volts(tmp_path: Path, kind: str) -> None:
    """V = -(i L/kappa + 4 RT/F asinh(i/(2 i0))) at 1000 A/m2 in 80 mm: -80.47 V."""
    i, i0, L = 1000.0, 10.0, 0.08
    stack = {"family": "planar", "length": "80 mm", "size": "4 mm"}
    common = {"study": "secondary", "geometry": stack, "kinetics": kinetics(i0),
              "solver": {"kind": kind}}  # fmt: skip
    expected = -(i * L + 4 * RT_F * float(np.arcsinh(i / (2 * i0))))
    driven = {"step": "plate", "current_density": f"{i!r} A/m^2"}
    given = cell([driven], **common).run(tmp_path / "i").summary
    assert given["voltage"] == pytest.approx(expected, rel=1e-8)
    assert given["newton"] <= 8
    assert any("-80.47 V at its start, which no cell has" in text for text in given["warnings"])
    back = cell([{"step": "hold", "voltage": f"{expected!r} V"}], **common).run(tmp_path / "v")
    assert back.summary["current_density"] == pytest.approx(-i, rel=1e-7)
    assert not any("no cell has" in text for text in back.summary["warnings"])


# -- rests and pulses --------------------------------------------------------------------------


def test_a_rest_after_plating_is_exact_at_a_tight_tolerance(tmp_path: Path) -> None:
    """The salt evens out by exp(-pi^2 D t/L^2), and nothing else moves.

    6e4 C/m2 of metal are stored to 1e-11 C/m2; over 0.1 ms that is 1e-7 A/m2, which is no current.
    """
    case = cell([plate(300.0, 200.0), rest(60.0)], time={"tolerance": 1e-4})
    result = case.run(tmp_path / "r")
    series, resting = result.series, result.series["segment"] == 1
    t, spread = series["t"][resting], (series["c_max"] - series["c_min"])[resting]
    late = (t > 203.0) & (spread > 40.0)
    rate = -np.log(spread[late][-1] / spread[late][0]) / np.ptp(t[late])
    print("decay over pi^2 D/L^2", rate / (np.pi**2 * 3e-10 / 1e-8))
    assert rate == pytest.approx(np.pi**2 * 3e-10 / 1e-8, rel=0.02)
    assert series["plated"][resting] == pytest.approx(60000.0, abs=1e-6)
    assert np.abs(series["current_density"][resting]).max() < 1e-9
    closed(result)


def test_short_pulses_after_much_metal(tmp_path: Path) -> None:
    """Pulses of 1 ms and 10 ms pass their charge; on to off is i L/kappa + 2 RT i/(F i0)."""
    pulses = [
        {"step": "pulse", "current_density": "100 A/m^2", "on": w, "off": w, "cycles": 10}
        for w in ("1 ms", "10 ms")
    ]
    result = cell([plate(100.0, 60.0), *pulses], kinetics=kinetics(1e4)).run(tmp_path / "r")
    series, passed = result.series, 6000.0 + 10 * 100.0 * 11e-3
    assert result.summary["charge"] == pytest.approx(-passed, rel=1e-9)
    assert result.summary["plated"] == pytest.approx(passed, rel=1e-9)
    ends = np.array([series["voltage"][series["segment"] == k][-1] for k in range(1, 41)])
    jump = ends[0::2] - ends[1::2]
    assert jump == pytest.approx(-(100.0 * 1e-4 + 2 * RT_F * 100.0 / 1e4), rel=0.02)
    closed(result)


def test_a_week_of_rest_loses_nothing(tmp_path: Path) -> None:
    """Balances of a rest close to what they close to in a second."""
    result = cell([plate(10.0, 600.0), rest(7 * 86400.0)]).run(tmp_path / "r")
    assert result.series["plated"][-1] == pytest.approx(6000.0, abs=1e-6)
    assert result.summary["steps"] < 60
    closed(result)


# -- the last metal ----------------------------------------------------------------------------

GROWTH: dict[str, Any] = {
    "study": "growth", "geometry": GROWN, "growth": {"interface_width": "0.4 um"},
    "collector": {"material": "Cu"}, "time": {"tolerance": 0.01},
}  # fmt: skip


def test_a_rest_on_a_thin_film_takes_few_steps(tmp_path: Path) -> None:
    """Five minutes after a film was stripped to 3 %; Newton ends at round-off in all of them.

    Nothing is lost at rest. The strip before it leaves what its Newton tolerance allows, a share of
    the charge that has passed.
    """
    steps = [plate(10.0, 600.0), strip(10.0, 580.0), rest(300.0)]
    result = cell(steps, **GROWTH).run(tmp_path / "r")
    resting = result.series["segment"] == 2
    print("steps", resting.sum())
    assert resting.sum() <= 30
    plated, passed = result.series["plated"], 10.0 * (600.0 + 580.0)
    stripped = plated[result.series["segment"] == 1][-1]
    print("lost at rest", np.abs(plated[resting] - stripped).max(), "before", stripped - 200.0)
    assert plated[resting] == pytest.approx(stripped, abs=1e-9)
    assert stripped == pytest.approx(200.0, abs=1e-9 * passed)
    closed(result)


@pytest.mark.parametrize(
    ("study", "cutoff"), [("tertiary", {}), ("growth", {"cutoff": "0.5 V"})]
)
def test_stripping_ends_with_the_metal_and_the_protocol_goes_on(
    tmp_path: Path, study: str, cutoff: dict[str, str]
) -> None:
    """Plating for 100 s and stripping for 150 s, twice: at most 100.1 % comes off.

    Where metal grows, the last of it is gone before the voltage is at the cutoff.
    """
    steps = [plate(10.0, 100.0), strip(10.0, 150.0, **cutoff)]
    turn = {"step": "cycle", "cycles": 2, "steps": steps}
    changes = GROWTH if study == "growth" else {"collector": {"material": "Cu"}}
    result = cell([turn, rest(60.0)], **changes).run(tmp_path / "r")
    summary = result.summary
    assert [row["plated"] for row in summary["cycles"]] == pytest.approx([1000.0] * 2, rel=1e-6)
    shares = [row["coulombic_efficiency"] for row in summary["cycles"]]
    print("stripped over plated", shares)
    assert max(shares) <= 1.001 and min(shares) > 0.995
    ends = [event["event"] for event in summary["events"]]
    assert ends == 2 * ["stripped"]
    left = [event["left"] for event in summary["events"] if "left" in event]
    assert all(0.0 <= each <= 2.5e-4 * 1000.0 * 1.001 for each in left)
    assert 0.0 <= result.series["plated"].min() and result.series["plated"][-1] < 0.3
    closed(result)


@pytest.mark.parametrize(("density", "dt_min"), [(10.0, 1e-4), (100.0, 1e-3)])
def test_a_cutoff_is_met_within_a_millivolt_however_steep(
    tmp_path: Path, density: float, dt_min: float
) -> None:
    """The voltage rises by 50 V/s at a bare wall; only a step of dt_min may pass 0.501 V."""
    steps = [plate(density, 100.0), strip(density, 150.0, cutoff="0.5 V")]
    result = cell(
        steps, collector={"material": "Cu"}, time={"dt_min": f"{dt_min} s"}
    ).run(tmp_path / "r")
    (event,) = result.summary["events"]
    t, voltage = result.series["t"], result.series["voltage"]
    print("ends at", voltage[-1], "V, last step", t[-1] - t[-2], "s")
    assert event["event"] == "cutoff"
    assert 0.5 <= voltage[-1] <= 0.51
    assert voltage[-1] <= 0.501 or t[-1] - t[-2] <= 1.001 * dt_min
    closed(result)


@pytest.mark.parametrize("study", ["tertiary", "growth"])
def test_a_bare_host_has_nothing_to_strip(tmp_path: Path, study: str) -> None:
    """The step ends at once, what follows is done; with nothing to follow the message says how."""
    changes = GROWTH if study == "growth" else {"collector": {"material": "Cu"}}
    first = strip(10.0, 1800.0, cutoff="0.5 V")
    result = cell([first, plate(10.0, 50.0)], **changes).run(tmp_path / "r")
    (event,) = result.summary["events"]
    assert (event["event"], event["segment"], event["t"]) == ("stripped", "strip", 0.0)
    assert result.summary["plated"] == pytest.approx(500.0, rel=1e-4)
    with pytest.raises(RunError, match=r"strip at t = 0 s: nothing to strip: there is no metal"):
        cell([first], **changes).run(tmp_path / "alone")
    rest = {"step": "rest", "duration": "10 s"}
    rested = cell([first, rest], **changes).run(tmp_path / "rested")
    assert not any("of the charge that passed" in text for text in rested.summary["warnings"])


@pytest.mark.parametrize("study", ["tertiary", "growth"])
def test_a_bare_host_rests_before_it_plates(tmp_path: Path, study: str) -> None:
    """Any voltage will do at rest, as nothing reacts; then plating begins as it does alone."""
    changes = GROWTH if study == "growth" else {"collector": {"material": "Cu"}}
    rest = {"step": "rest", "duration": "10 s"}
    result = cell([rest, plate(10.0, 5.0)], **changes).run(tmp_path / "rested")
    alone = cell([plate(10.0, 5.0)], **changes).run(tmp_path / "alone")
    assert result.series["voltage"][result.series["t"] < 10.0] == pytest.approx(0.0, abs=1e-12)
    assert result.summary["plated"] == pytest.approx(50.0, rel=1e-3)
    for name, slack in (("plated", 1e-4), ("voltage", 1e-4)):  # C/m2; V
        assert result.summary[name] == pytest.approx(alone.summary[name], abs=slack), name
    closed(result)


# -- messages ----------------------------------------------------------------------------------


def test_a_failed_start_names_every_cause_that_was_tested(tmp_path: Path) -> None:
    """An insulating layer from side to side; a bare wall in a study without time."""
    names = ("host_bottom", "electrolyte", "coating_mid", "electrolyte_top")
    geometry = {
        "family": "planar", "size": "5 um", "width": "20 um",
        "layers": [{"name": name, "thickness": "20 um", "region": name} for name in names],
    }  # fmt: skip
    regions = {"host_bottom": {"material": "Cu"}, "coating_mid": {"material": "PAN"}}
    case = cell([plate(10.0, 1.0)], geometry=geometry, regions=regions)
    with pytest.raises(RunError) as caught:  # potentials of parts apart are found, or not: by luck
        case.run(tmp_path / "r")
    message = str(caught.value)
    start = "start of plate at t = 0 s: (no potentials carry the|nothing carries a) current"
    assert re.match(start, message)
    assert "parts not joined: no electrolyte reaches from the counter electrode" in message
    model = build(case, Domain.read(mesh_folder(case), MPI.COMM_SELF))
    tested = causes(model, segments(case)[0])
    assert "tested: parts not joined: no electrolyte reaches from the counter electrode" in tested
    assert "not depleted, lowest c = 1e+03 mol/m^3" in tested
    assert "10 A/m^2 = 1 mA/cm^2 would drop 0.0008 V" in tested
    assert tested.endswith("Likely: parts not joined")

    with pytest.raises(RunError, match=r"nothing carries a current .*; parts not joined: no elec"):
        cell([plate(10.0, 1.0)], geometry=geometry, regions=regions, study="primary").run(
            tmp_path / "p")
    hold = {"step": "hold", "voltage": "-0.1 V", "duration": "1 s"}
    held = cell([hold], geometry=geometry, regions=regions).run(tmp_path / "h")
    assert any("no path joins the electrodes" in text for text in held.summary["warnings"])

    bare = {"step": "strip", "current_density": "10 A/m^2"}
    with pytest.raises(RunError, match=r"start of strip at t = 0 s: nothing to strip"):
        cell([bare], study="secondary", collector={"material": "Cu"}).run(tmp_path / "s")

    with pytest.raises(RunError, match=r"unit: 1e\+06 A/m\^2 = 1e\+05 mA/cm\^2 would drop 100 V"):
        cell([plate(1e6, 1.0)], time={"dt_min": "0.1 s"}).run(tmp_path / "u")


def test_a_floating_slab_from_side_to_side(tmp_path: Path) -> None:
    """Current must pass through copper that floats: a reason, where a second solve raised PETSc's.

    After a factorisation that had failed its vectors stayed locked and no other try could succeed.
    """
    layers = [{"name": name, "thickness": "5 um", "region": name}
              for name in ("electrolyte", "host_mid", "electrolyte_top")]  # fmt: skip
    geometry = {"family": "planar", "size": "1 um", "width": "3 um", "layers": layers}
    slab: dict[str, Any] = {
        "geometry": geometry, "regions": {"host_mid": {"material": "Cu"}},
        "collector": {"material": "Cu"}, "study": "growth", "growth": {"interface_width": "2 um"},
    }  # fmt: skip
    with pytest.raises(RunError, match="no metal in contact carries it"):
        cell([hold(-0.5, 1.0)], **slab).run(tmp_path / "hold")
    with pytest.raises(RunError, match="Likely: parts not joined"):
        cell([plate(10.0, 1.0)], **slab).run(tmp_path / "plate")


NEAR = PLANAR | {"size": "2 um", "size_collector": "20 nm", "size_width": "5 um"}


@pytest.mark.parametrize("dt_min", ["0.1 ms", "1e-12 s"])
def test_too_little_salt_is_named(dt_min: str, tmp_path: Path) -> None:
    """A wrong unit of initial.c: 5 um of it would last 375 times as long as at a wall."""
    with pytest.raises(RunError) as caught:
        cell(
            [plate(10.0, 1.0)], initial={"c": "0.001 mol/m3"}, time={"dt_min": dt_min}
        ).run(tmp_path / "r")
    message = str(caught.value)
    assert "plate at t = 0 s: the salt at the walls would run out unseen; tested:" in message
    assert "c = 0.001 mol/m^3 is 1.0e-06 of the electrolyte's c0" in message
    assert "lasts 6.1e-08 s at a flat wall (Sand's time), in which it diffuses 4.3 nm" in message
    assert message.endswith("Likely: Sand's time, initial.c")


@pytest.mark.parametrize(("density", "c0"), [(3437.0, 1000.0), (10.0, 1.0), (10.0, 0.05)])
def test_salt_that_does_not_last_runs_out_in_time(
    density: float, c0: float, tmp_path: Path
) -> None:
    """From rest, with dt_min = 0.1 ms: after Sand's time of 0.52 s, 61 and 0.15 ms.

    The salt at the wall falls like 1 - sqrt(t/t_Sand): by a thousandth in a millionth of that time,
    and steps of dt_min were not accurate.
    """
    result = cell(
        [plate(density, 2.0)], geometry=NEAR, initial={"c": f"{c0} mol/m3"},
    ).run(tmp_path / "r")
    (event,) = result.summary["events"]
    sand = np.pi * 3e-10 * (FARADAY * c0 / (2 * density * 0.6)) ** 2
    print("over Sand's time", event["t"] / sand, "first step", result.series["dt"][0])
    assert event["event"] == "depletion"
    assert event["t"] == pytest.approx(sand, rel=0.01)
    assert result.series["dt"][0] < 1e-4
    said = any("of the electrolyte's c0" in text for text in result.summary["warnings"])
    assert said == (c0 < 10.0)
    closed(result)


def _risen(rise: str, at: str = "3437 A/m^2") -> list[dict[str, Any]]:
    """A table of time that goes from nothing to a current in a given time, and stays there."""
    table = {"along": "t", "at": ["0 s", rise, "2 s"], "values": ["0 A/m^2", at, at]}
    return [{"step": "plate", "current_density": table, "duration": "2 s"}]


@pytest.mark.parametrize("rise", ["1 us", "1 ms"])
def test_a_current_may_rise_as_steeply_as_it_jumps(rise: str, tmp_path: Path) -> None:
    """3437 A/m2 after an edge of 1 us or 1 ms: Sand's time and half of the edge, dt_min 0.1 ms.

    A layer of c0 sqrt(t/t_Sand) begins at the end of an edge as at a jump.
    """
    result = cell(_risen(rise), geometry=NEAR).run(tmp_path / "r")
    (event,) = result.summary["events"]
    sand = np.pi * 3e-10 * (FARADAY * 1000.0 / (2 * 3437.0 * 0.6)) ** 2
    edge = float(rise.split()[0]) * {"us": 1e-6, "ms": 1e-3}[rise.split()[1]]
    print("over Sand's time", (event["t"] - edge / 2) / sand)
    assert event["event"] == "depletion"
    assert event["t"] - edge / 2 == pytest.approx(sand, rel=0.01)
    closed(result)


def test_a_voltage_may_change_as_steeply_as_it_jumps(tmp_path: Path) -> None:
    """From 0.1 to -1 V within 1 us of 0.2 s, in a table: the charge of a jump there.

    At the default tolerance, 1e-3, either charge is 1e-3 from that of a hundredth of it.
    """
    charges = []
    for k, edge in enumerate(("0.2 s", "0.200001 s")):
        table = {"along": "t", "at": ["0 s", "0.2 s", edge, "0.4 s"],
                 "values": ["0.1 V", "0.1 V", "-1 V", "-1 V"]}  # fmt: skip
        result = cell(
            [{"step": "hold", "voltage": table, "duration": "0.4 s"}],
            geometry=NEAR, kinetics=kinetics(100.0), time={"tolerance": 3e-4},
        ).run(tmp_path / str(k))  # fmt: skip
        charges.append(result.summary["charge"])
        closed(result)
    print("charges", charges)
    assert charges[1] == pytest.approx(charges[0], rel=1e-4)


def test_volts_that_no_cell_has_are_said(tmp_path: Path) -> None:
    """-30 V held, perhaps for -30 mV."""
    (text,) = [
        text for text in cell([hold(-30.0, 1e-4)]).run(tmp_path / "r").summary["warnings"]
        if "unit" in text
    ]  # fmt: skip
    assert text == "hold: -30 V is held, which no cell has; check the unit of voltage"


@pytest.mark.parametrize("rise", ["0 s", "1 ns"])
def test_a_later_current_that_the_mesh_cannot_show_is_no_depletion(
    rise: str, tmp_path: Path
) -> None:
    """1e6 A/m2 on cells of 5 um, in a table: 43 nm of diffusion, found 30 times too late."""
    steps = _risen(rise, "1e6 A/m^2")
    if rise == "0 s":  # a jump after 10 ms of little
        steps[0]["current_density"] = {
            "along": "t", "at": ["0 s", "10 ms", "10 ms", "2 s"],
            "values": ["1 A/m^2", "1 A/m^2", "1e6 A/m^2", "1e6 A/m^2"],
        }  # fmt: skip
    with pytest.raises(RunError, match=r"[Ss]alt at .* run out unseen") as caught:
        cell(steps).run(tmp_path / "r")
    seen = {"0 s": "the smallest cells, 5 um, would show that too late",
            "1 ns": "more than 2 times too late (smallest cell 5 um)"}  # fmt: skip
    assert seen[rise] in str(caught.value)


def test_a_rest_right_after_a_short_hold_begins_with_steps_below_dt_min(tmp_path: Path) -> None:
    """The layer that 10 ms at -1 V leave at the wall fades on the scale of the time since."""
    hold = {"step": "hold", "voltage": "-1 V", "duration": "10 ms"}
    fine = {"family": "planar", "length": "100 um", "size": "2 um", "size_collector": "20 nm"}
    steps = [hold, {"step": "rest", "duration": "1 s"}]
    case = cell(steps, kinetics=kinetics(10.0), geometry=fine, time={"dt0": "1 ms"})
    series = case.run(tmp_path / "out").series
    assert series["current_density"][-1] == pytest.approx(0.0, abs=1e-9)
    assert series["dt"][series["segment"] == 1][0] < 1e-4
