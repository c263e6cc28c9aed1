"""Heat in a case: its table, its data, its studies, its event."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError, RunError
from fem.materials.data import In
from fem.mesh.domain import Domain
from fem.physics.heat.data import library
from fem.results.result import Result
from fem.run.session import resume, run
from fem.study.build import build
from tests.verification.cells import MPI, PLAIN, case, kinetics, mesh_folder, overpotential

WARM = {"value": "1 S/m", "Ea": "17 kJ/mol"}
REGIONS = {"*": {"k": "0.2 W/m/K", "density": "1200 kg/m^3", "c_p": "2000 J/kg/K"}}
I0 = {"expression": "100*exp(-6013.6*(1/T - 1/298.15))", "unit": "A/m^2"}  # 50 kJ/mol
HEAT = {"regions": REGIONS, "boundaries": {"collector": {"h": "10 W/m^2/K"}}}
ACTIVE: dict[str, Any] = {
    "materials": {"ideal": PLAIN | {"kappa": WARM, "D": WARM | {"value": "3e-10 m^2/s"}}},
    "kinetics": [kinetics(n, I0) for n in ("collector", "counter")],
    "geometry": {"family": "planar", "length": "100 um", "size": "5 um", "size_width": "10 um"},
}  # fmt: skip
PLATE = {"step": "plate", "current_density": "100 A/m^2", "duration": "20 s"}


def hot(heat: Any = None, **changes: Any) -> dict[str, Any]:
    """A planar cell whose transport and kinetics are activated, with heat."""
    data = case(**copy.deepcopy(ACTIVE) | {"protocol": [PLATE]} | changes)
    return data | {"heat": copy.deepcopy(HEAT) if heat is None else heat}


@pytest.mark.parametrize(("heat", "changes", "message"), [
    ({"boundaries": {"collector": {"T": "300 K", "h": "1 W/m^2/K"}}}, {}, "boundaries.collector"),
    ({"boundaries": {"collector": {"T": "300 K", "ambient": "300 K"}}}, {}, "give h"),
    ({"regions": REGIONS}, {"study": "steady", "protocol": [{"step": "plate",
     "current_density": "1 A/m^2"}]}, "never comes to rest"),
    ({}, {"study": "secondary"}, "heat: only for study"),
    ({"metal": {"source": "1 W/m^3"}}, {}, "heat.metal.source: metal has none"),
    ({"overheated": "290 K"}, {}, "290 K is not above the temperature of the case, 298.15 K"),
    ({}, {"regions": {"electrolyte": {"bridge_sigma": {"expression": "1 + 0*T", "unit": "S/m"}}}},
     "regions.electrolyte.bridge_sigma: is an expression of T"),
    ({"regions": {"*": {"k": "0 W/m/K"}}}, {}, "heat.regions.*.k"),
    ({"regions": {"elektrolyte": {"k": "1 W/m/K"}}}, {}, "did you mean 'electrolyte'"),
    ({"boundaries": {"colector": {"T": "300 K"}}}, {}, "did you mean 'collector'"),
    ({"contacts": {"electrolyte": "1e-4 m^2*K/W"}}, {}, "'electrolyte': names no wall; give two"),
    ({"contacts": {"electrolyte/separatr": "1e-4 m^2*K/W"}}, {}, "'separatr'"),
    ({"contacts": {"electrolyte/separator": "-1e-4 m^2*K/W"}}, {}, "at least 1e-10"),
    ({"contacts": {"electrolyte/separator": "0 m^2*K/W"}}, {}, "at least 1e-10"),
])  # fmt: skip
def test_what_a_table_cannot_say(heat: Any, changes: Any, message: str) -> None:
    with pytest.raises(CaseError) as error:
        Case.from_dict(hot(heat, **changes))
    assert message in str(error.value)


@pytest.mark.parametrize(("heat", "message"), [
    ({}, "heat, region 'electrolyte': k, density, c_p of 'ideal' are not known; "
         "give [heat.regions.electrolyte]"),
    ({"regions": {"*": {"k": "1 W/m/K", "density": "1 g/cm^3"}}}, "c_p of 'ideal' is not known"),
    ({"regions": REGIONS, "metal": "Na"}, "heat.dU_dT: of Na it is not known"),
])  # fmt: skip
def test_what_is_not_known(heat: Any, message: str) -> None:
    """A datum that is missing names material, region and the way out, before there is a mesh."""
    heat = dict(heat)
    metal = heat.pop("metal", "Li")
    with pytest.raises(CaseError) as error:
        Case.from_dict(hot(heat, metal=metal))
    assert message in str(error.value)


def test_what_a_mesh_of_ones_own_lacks() -> None:
    """Its regions are known once it is read; the run then says the same."""
    domain = Domain.read(folder := mesh_folder(Case.from_dict(hot()), MPI.COMM_WORLD))
    data = hot({}) | {"mesh": {"file": str(folder / "mesh.msh"), "unit": "m"}}
    checked = Case.from_dict({name: table for name, table in data.items() if name != "geometry"})
    with pytest.raises(CaseError, match=r"region 'electrolyte': k, density, c_p of 'ideal' are"):
        build(checked, domain)


def test_regions_that_do_not_touch() -> None:
    heat = {"regions": REGIONS, "contacts": {"electrolyte/*": "1e-4 m^2*K/W"}}
    checked = Case.from_dict(hot(heat))
    domain = Domain.read(mesh_folder(checked, MPI.COMM_WORLD))
    with pytest.raises(CaseError, match=r"heat\.contacts: 'electrolyte/\*': they do not touch"):
        build(checked, domain)


def test_data_have_sources() -> None:
    """Each number has its source and status, and densities stand in one place."""
    for name, entry in library().items():
        for datum in ("k", "c_p", "density", "dU_dT"):
            number = getattr(entry, datum)
            assert number is None or (number.source and number.status), name
    assert float(library()["Li"].k) == 84.8


def test_a_written_case_carries_its_thermal_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library then changes nothing, and a faulty number is refused with its place."""
    case = Case.from_dict(hot({"regions": REGIONS}, metal="Li"))
    written = case.recorded()
    library_of: Any = written.library
    assert library_of["heat"]["Li"]["k"]["value"] == "84.8 W/m/K"
    assert written.physics_hash() == case.physics_hash()
    other = {n: e.model_copy(update={"k": In("").number("1")}) for n, e in library().items()}
    monkeypatch.setattr("fem.physics.heat.data.library", lambda: other)
    again = Case.from_dict(written.to_dict())
    assert float(again.numbers_of("heat")["Li"].k) == 84.8
    assert again.library_digest() == written.library_digest() != case.library_digest()
    wrong = written.to_dict()
    wrong["library"]["heat"]["Li"]["k"]["value"] = "84.8 W"
    with pytest.raises(CaseError, match=r"library\.heat\.Li\.k: .*W"):
        Case.from_dict(wrong)


def summary(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a case; its summary, whose closures are those of every run."""
    found = dict(run(Case.from_dict(data), folder).summary)
    worst = {k: v for k, v in found["closures"].items() if not v <= 1e-8}
    assert not worst
    return found


def test_a_cell_held_at_a_temperature_is_a_cell_of_that_temperature(tmp_path: Path) -> None:
    """Everything that depends on T reads the field: kappa, D, i0, the laws of walls."""
    boundaries = {n: {"T": "318.15 K"} for n in ("collector", "counter")}
    steady = {"study": "steady", "protocol": [{"step": "plate", "current_density": "100 A/m^2"}]}
    held = summary(hot({"regions": REGIONS, "boundaries": boundaries}, **steady), tmp_path / "held")
    cold = hot(**steady)
    del cold["heat"]
    warm = summary(cold | {"temperature": "318.15 K"}, tmp_path / "warm")
    cold = summary(cold, tmp_path / "cold")
    assert held["voltage"] == pytest.approx(warm["voltage"], rel=1e-4)  # it warms itself by .1 mK
    assert abs(held["voltage"] / cold["voltage"] - 1) > 0.3


def test_a_run_warms_and_goes_on(tmp_path: Path) -> None:
    """Tertiary study: the same resumed, and an event where it is too hot."""
    whole = summary(hot(), tmp_path / "whole")
    parts = tmp_path / "parts"
    summary(hot(protocol=[PLATE | {"duration": "10 s"}]), parts)
    resumed = resume(parts, overrides=["protocol.0.duration=20 s"]).summary
    rise = whole["T_max"] - 298.15
    most = 100.0 * (2 * overpotential(100.0, 100.0) + 0.01) * 20.0 / (2.4e6 * 100e-6)
    assert 0.6 * most < rise < most  # the rest has left
    assert resumed["T_max"] - 298.15 == pytest.approx(rise, rel=1e-3)
    limited = HEAT | {"overheated": f"{298.15 + rise / 2} K"}
    stopped = summary(hot(limited), tmp_path / "stopped")
    assert stopped["events"][-1]["event"] == "overheated"
    assert stopped["t"] < 20.0
    assert 0.0 < stopped["T_max"] - (298.15 + rise / 2) <= 0.01  # a step is cut where it passes


def test_a_run_from_another_goes_on_at_its_temperature(tmp_path: Path) -> None:
    """Whatever surroundings its rise is counted from: it cools towards them from where it was."""
    warming = PLATE | {"duration": "5 s"}
    summary(hot(protocol=[warming]), tmp_path / "first")
    around = {n: {"h": "10 W/m^2/K", "ambient": "40 degC"} for n in ("collector", "counter")}
    rest = {"protocol": [{"step": "rest", "duration": "1 ms"}], "time": {"dt0": "1 ms"}}
    first = Result(tmp_path / "first")
    then = run(Case.from_dict(hot({"regions": REGIONS, "boundaries": around}, **rest, initial={
        "from": str(tmp_path / "first")})), tmp_path / "then")
    assert then.array("T") == pytest.approx(first.array("T"), abs=0.02)  # of 15 K


def test_beside_a_cathode_heat_is_what_the_voltage_leaves(tmp_path: Path) -> None:
    """Charged at 4 V: |I| (|V| - U); what an equation lacks counts against |I V|, not that."""
    counter = {"kind": "cathode", "capacity": "1 mAh/cm^2", "resistance": "1 ohm*cm^2",
               "ocv": {"along": "state", "at": [0.0, 1.0], "values": ["4 V", "4 V"]}}  # fmt: skip
    cell = hot(counter=counter, kinetics=[kinetics("collector", I0)], solver={"rtol": 5e-9},
               protocol=[PLATE | {"current_density": "2 A/m^2", "duration": "10 min"}])  # fmt: skip
    found = summary(cell, tmp_path / "full")
    made = 2.0 * (-found["voltage"] - 4.0)
    assert 0.0 < made < 0.1  # of 8 W/m2
    assert found["heat_made"] - found["heat_reversible"] == pytest.approx(made, rel=1e-5)


def test_an_averaged_felt_cools_at_rest(tmp_path: Path) -> None:
    """The balance of heat closes to what rows are solved to, with no work to compare it with.

    40 A/m2 for 30 s; at rest the heat that is left goes through the collector.
    """
    layers = [{"name": n, "thickness": t, "region": r} for n, t, r in
              (("felt", "100 um", "host_felt"), ("film", "25 um", "separator"))]  # fmt: skip
    felt = {"material": "carbon_fibre", "porosity": 0.9, "sigma": "100 S/m"}
    surface = {"surface": {"law": "fibres", "radius": "4 um"}, "pore_distance": "10 um"}
    data = {
        "schema": 1, "title": "a felt at rest", "metal": "Na", "electrolyte": "NaPF6_diglyme",
        "geometry": {"family": "planar", "width": "2 um", "size": "2 um", "size_width": "2 um",
                     "layers": layers},
        "regions": {"host_felt": felt, "separator": {"material": "polyolefin"}},
        "averaged": {"regions": {"host_felt": surface}},
        "heat": {"dU_dT": "0 V/K", "boundaries": {"collector": {"h": "20 W/m^2/K"}}},
        "protocol": [PLATE | {"current_density": "40 A/m^2", "duration": "30 s"},
                     {"step": "rest", "duration": "2 min"}],
        "time": {"tolerance": 1e-2}, "output": {"figures": False},
    }  # fmt: skip
    assert summary(data, tmp_path / "r")["closures"]["heat"] <= 1e-9  # [solver] rtol


@pytest.mark.parametrize(("delta", "rise"), [(0.8, 7.46459), (0.9, None)])
def test_a_steady_study_beyond_ignition_ends_at_its_limit(
    delta: float, rise: float | None, tmp_path: Path
) -> None:
    """Frank-Kamenetskii, b = 0.1/K, limit 8 K: at rest below it, or no rest above delta = .878."""
    q = delta * 0.2 / (0.1 * (50e-6) ** 2)
    source = {"expression": f"{q}*exp(0.1*(T - 298.15))", "unit": "W/m^3"}
    found = summary(hot({
        "regions": {"*": REGIONS["*"] | {"source": source}}, "overheated": "306.15 K",
        "boundaries": {name: {"T": "298.15 K"} for name in ("collector", "counter")},
    }, study="steady", protocol=[{"step": "plate", "current_density": "1 A/m^2"}],
        geometry=ACTIVE["geometry"] | {"size": "2.5 um"}), tmp_path / "r")  # fmt: skip
    events = [event["event"] for event in found["events"]]
    print(f"delta {delta}: {found['T_max'] - 298.15:.5f} K, {found['steps']} steps, {events}")
    if rise is None:
        assert events == ["overheated"]
        assert 0.0 < found["T_max"] - 306.15 <= 0.01
    else:
        assert events == []
        assert found["T_max"] - 298.15 == pytest.approx(rise, rel=1e-3)


def test_a_runaway_without_a_limit_says_so(tmp_path: Path) -> None:
    """Beyond ignition no state is at rest: the error names the heat, its place and the way out."""
    source = {"expression": "1e9*exp(0.1*(T - 298.15))", "unit": "W/m^3"}
    data = hot({
        "regions": {"*": REGIONS["*"] | {"source": source}},
        "boundaries": {name: {"T": "298.15 K"} for name in ("collector", "counter")},
    }, study="steady", protocol=[{"step": "plate", "current_density": "1 A/m^2"}])  # fmt: skip
    with pytest.raises(RunError, match=r"heat runs away: T has reached \d+.* K at .*overheated"):
        run(Case.from_dict(data), tmp_path / "r")


def test_a_contact_resistance_in_a_case(tmp_path: Path) -> None:
    """Between separator and electrolyte T jumps by R q; written, probed, and taken up again."""
    layers = [{"name": name, "thickness": "50 um", "region": name}
              for name in ("electrolyte", "separator")]
    boundaries = {"collector": {"T": "298.15 K"}, "counter": {"T": "300.15 K"}}
    contacts = {"separator/electr*": "5e-4 m^2*K/W"}
    data = hot(
        {"regions": REGIONS, "boundaries": boundaries, "contacts": contacts, "dU_dT": "0 V/K"},
        geometry=ACTIVE["geometry"] | {"layers": layers, "size": "10 um"},
        regions={"separator": {"material": "ideal"}},
        protocol=[PLATE | {"duration": "1 s"}],
        probe=[{"name": f"T{k}", "field": "T", "point": ["5 um", y]}
               for k, y in enumerate(("45 um", "49.9 um", "50.1 um", "55 um"))],
    )  # fmt: skip
    del data["geometry"]["length"]
    summary(data, tmp_path / "r")
    done = resume(tmp_path / "r", overrides=["protocol.0.duration=2 s"])
    low, below, above, high = (done.series[f"probe.T{k}"][-1] for k in range(4))
    flux = 0.2 * (below - low) / 4.9e-6
    assert flux == pytest.approx(2.0 / (100e-6 / 0.2 + 5e-4), rel=1e-2)
    assert above - below - flux * 0.2e-6 / 0.2 == pytest.approx(5e-4 * flux, rel=1e-4)
    assert high - above == pytest.approx(below - low, rel=1e-3)
    T, points = done.array("T"), done.points("T")
    at_wall = abs(points[:, 1] - 50e-6) < 1e-9
    assert np.ptp(T[at_wall]) == pytest.approx(5e-4 * flux, rel=1e-3)


def test_boundaries_held_at_two_temperatures_begin_at_rest(tmp_path: Path) -> None:
    """In time the cell starts from the linear profile between them, not from a jump."""
    boundaries = {"collector": {"T": "318.15 K"}, "counter": {"T": "298.15 K"}}
    probes = [{"name": "middle", "field": "T", "point": ["5 um", "50 um"]}]
    found = run(
        Case.from_dict(hot({"regions": REGIONS, "boundaries": boundaries}, probe=probes)),
        tmp_path / "r",
    ).series
    assert found["probe.middle"] == pytest.approx(308.15, abs=0.01)


def test_a_cell_between_two_temperatures_rests(tmp_path: Path) -> None:
    """The last bit of T beside a held boundary is more heat than balances at rest may miss."""
    boundaries = {"collector": {"T": "278.15 K"}, "counter": {"T": "318.15 K"}}
    found = summary(hot(
        {"regions": REGIONS, "boundaries": boundaries},
        geometry=ACTIVE["geometry"] | {"length": "20 um", "size": "0.5 um"},
        protocol=[PLATE | {"duration": "1 s"}, {"step": "rest", "duration": "1 s"}],
    ), tmp_path / "r")  # fmt: skip
    assert found["T_max"] == pytest.approx(318.15, abs=1e-2)


@pytest.mark.parametrize("ambient", [("310 K", "310 K"), ("330 K", "310 K")])
def test_surroundings_at_other_temperatures_than_the_case(
    ambient: tuple[str, str], tmp_path: Path
) -> None:
    """The books of a cell at rest close to 1e-8 (`summary`), however far away they are."""
    h = {"h": "1e4 W/m^2/K"}
    boundaries = {"collector": h | {"ambient": ambient[0]}, "counter": h | {"ambient": ambient[1]}}
    found = summary(hot(
        {"regions": REGIONS, "boundaries": boundaries}, study="steady",
        geometry=ACTIVE["geometry"] | {"size": "0.25 um"},
        protocol=[{"step": "plate", "current_density": "10 A/m^2"}],
    ), tmp_path / "r")  # fmt: skip
    warmer = max(float(a.split()[0]) for a in ambient)
    assert 310.0 < found["T_max"] <= warmer + 1.0


def test_growing_metal_in_a_case(tmp_path: Path) -> None:
    """Growth study: the first law with front, counter electrode and moving conductivity."""
    found = summary(hot(
        study="growth", growth={"interface_width": "4 um"}, initial={"metal_layer": "20 um"},
        geometry=ACTIVE["geometry"] | {"size": "2 um", "size_width": "4 um"},
        protocol=[PLATE | {"duration": "2 s"}],
    ), tmp_path / "growth")  # fmt: skip
    assert found["T_max"] > 298.16
    assert {"heat", "first_law"} <= found["closures"].keys()


def test_probes_read_the_temperature_that_is_found(tmp_path: Path) -> None:
    """A surface and a volume show T of the step, as a point on them does, not T foreseen."""
    probes = [
        {"name": "surface", "field": "T", "surface": "counter"},
        {"name": "point", "field": "T", "point": ["5 um", "100 um"]},
        {"name": "volume", "field": "T", "volume": "electrolyte"},
    ]
    found = run(Case.from_dict(hot(probe=probes)), tmp_path / "r").series
    assert found["probe.surface"] == pytest.approx(found["probe.point"], abs=1e-9)
    assert found["probe.point"][0] > 298.151 and found["probe.volume"][0] > 298.15002


def test_a_table_ends_the_run_where_it_is_hotter(tmp_path: Path) -> None:
    """Tables are not extrapolated: kappa along T up to 300 K, the collector at 320 K."""
    kappa = {"along": "T", "at": ["290 K", "300 K"], "values": ["1 S/m", "1.1 S/m"]}
    boundaries = {n: {"T": "320 K"} for n in ("collector", "counter")}
    data = hot(
        {"regions": REGIONS, "boundaries": boundaries}, study="steady",
        materials={"ideal": PLAIN | {"kappa": kappa}},
        protocol=[{"step": "plate", "current_density": "100 A/m^2"}],
    )  # fmt: skip
    with pytest.raises((CaseError, RunError), match=r"kappa: T = 320 K lies outside its table"):
        run(Case.from_dict(data), tmp_path / "r")


def test_currents_and_temperature_that_overshoot_come_to_rest(tmp_path: Path) -> None:
    """T_max of a boundary value problem in 1D, kappa with 30 kJ/mol, heat one stage later."""
    plain = {"kappa": {"value": "1 S/m", "Ea": "30 kJ/mol"}, "D": "1e-6 m^2/s", "t_plus": 0.5}
    boundaries = {"collector": {"T": "298.15 K"},
                  "counter": {"h": "1000 W/m^2/K", "ambient": "310 K"}}
    found = summary(hot(
        {"regions": REGIONS, "boundaries": boundaries, "dU_dT": "1 mV/K"}, study="steady",
        materials={"ideal": PLAIN | plain}, counter={"kind": "metal"},
        kinetics=[kinetics(n, 1e9) for n in ("collector", "counter")],
        geometry=ACTIVE["geometry"] | {"size": "1 um"},
        protocol=[{"step": "plate", "current_density": "1e5 A/m^2"}],
    ), tmp_path / "r")  # fmt: skip
    assert found["T_max"] - 298.15 == pytest.approx(349.928 - 298.15, rel=1e-3)
