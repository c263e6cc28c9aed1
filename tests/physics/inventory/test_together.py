"""The inventory beside averaged hosts, growing metal and heat; restarts, masses, pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case, CaseError, theory
from fem.base.errors import Interrupted
from fem.physics.inventory.figures import cycles
from fem.results.result import Result, read_series
from fem.run.session import resume
from fem.run.signals import StopRequest
from tests.physics.averaged.columns import column
from tests.physics.inventory.cells import CATHODE, PER_CHARGE, data, run, steps

FOIL = {"kind": "foil", "thickness": "20 um"}


def test_dead_metal_of_an_averaged_host_is_in_the_inventory(tmp_path):
    chi = 0.05
    protocol = [
        {"step": "plate", "current_density": "10 A/m^2", "duration": "10 min"},
        {"step": "strip", "current_density": "10 A/m^2", "duration": "5 min"},
    ]
    case = column(
        cells=20, host={"dead": {"law": "fraction", "chi": chi}}, counter=FOIL, inventory={},
        protocol=protocol, time={"dt0": "5 s", "tolerance": 1e-2},
    )  # fmt: skip
    result = case.run(tmp_path / "r")
    series, dissolved = result.series, 10.0 * 300.0
    print("inventory", result.summary["closures"]["inventory"])
    assert result.summary["closures"]["inventory"] < 1e-8
    assert series["metal_dead"][-1] == pytest.approx(chi * dissolved, rel=1e-6)
    assert series["metal_live"][-1] == pytest.approx(6000.0 - (1 + chi) * dissolved, rel=1e-6)
    assert series["metal_counter"][-1] == pytest.approx(20e-6 / PER_CHARGE - 3000.0, rel=1e-9)


def test_an_input_for_walls_is_refused_where_there_are_none(tmp_path):
    case = column(cells=5, counter=FOIL, inventory={"dead": {"law": "fraction", "share": 0.1}})
    with pytest.raises(CaseError, match="metal is followed on no wall"):
        case.run(tmp_path / "r")


def test_a_run_that_goes_on_from_another_knows_what_the_foil_has_lost(tmp_path):
    """Metal that went from the foil to the collector makes no cell thicker, whoever counts it."""
    plate, strip = ({"step": step, "current_density": "1 mA/cm^2", "duration": "2 min"}
                    for step in ("plate", "strip"))
    run(tmp_path / "a", protocol=[plate, plate])
    result = run(tmp_path / "b", protocol=[strip], initial={"from": str(tmp_path / "a")})
    assert result.series["metal_live"][-1] == pytest.approx(1200.0, rel=1e-4)
    assert np.abs(result.series["swelling"]).max() < 1e-11  # side reactions; 3e-7 without


def test_growing_metal_and_a_foil_opposite(tmp_path):
    """A flat layer: what it loses the foil gains; its dead metal would be found by itself."""
    case = Case.from_dict({
        "schema": 1, "title": "growth", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "study": "growth",
        "geometry": {"family": "planar", "width": "1.6 um", "size": "0.2 um", "layers": [
            {"name": "free", "thickness": "8 um", "region": "electrolyte"}]},
        "collector": {"material": "Cu"}, "counter": FOIL,
        "initial": {"metal_layer": "1.5 um"}, "growth": {"interface_width": "0.4 um"},
        "protocol": [{"step": "strip", "current_density": "1 mA/cm^2", "duration": "60 s"}],
        "time": {"dt0": "2 s", "tolerance": 0.02}, "inventory": {},
        "output": {"figures": False},
    })  # fmt: skip
    result = case.run(tmp_path / "r")
    series, closure = result.series, result.summary["closures"]["inventory"]
    print("inventory", closure)
    assert closure < 1e-8
    assert series["counter_left"][-1] == pytest.approx(20e-6 / PER_CHARGE + 600.0, rel=1e-8)
    assert series["metal_dead"][-1] == 0.0
    assert np.abs(series["V_gap"]).max() < 1e-9
    with pytest.raises(CaseError, match="the run named in from says so"):
        # a run of it gives a share for walls: here 0, as nothing died
        run(tmp_path / "b", protocol=steps(1)[0]["steps"][:1],
            inventory={"dead": {"from": str(tmp_path / "r"), "share": 0.1}})
    taken = run(tmp_path / "c", protocol=[
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "10 s"},
    ], inventory={"dead": {"from": str(tmp_path / "r"), "status": "checked"}})  # fmt: skip
    stated = taken.summary["losses"]["dead"]
    assert stated["share"] == 0.0 and stated["status"] == "checked"
    assert "'growth'" in stated["source"] and stated["mesh_hash"]


def test_what_a_cathode_stores_is_no_heat(tmp_path):
    """Volts times current enter, millivolts times current are heat: the first law closes."""
    result = run(
        tmp_path / "r", counter=CATHODE, heat={"boundaries": {"counter": {"T": "298.15 K"}}},
        protocol=[{"step": "plate", "current_density": "1 mA/cm^2", "duration": "300 s"}],
    )  # fmt: skip
    closures, series = result.summary["closures"], result.series
    print("first law", closures["first_law"], "heat", closures["heat"])
    assert closures["first_law"] < 1e-9 and closures["inventory"] < 1e-10
    state = series["counter_left"] / 18000.0
    U = np.interp(state, [0.0, 0.1, 0.9, 1.0], [4.6, 4.2, 3.6, 3.0])
    heat = 10.0 * (-series["voltage"] - U)
    made = series["heat_made"] - series["heat_reversible"]
    assert np.abs(series["V_gap"]).max() < 1e-9
    assert -series["V_rest_counter"] == pytest.approx(U, rel=1e-9)
    assert made[3:] == pytest.approx(heat[3:], rel=2e-3)
    assert made[-1] < 0.02 * 10.0 * -series["voltage"][-1]


def test_a_run_that_was_stopped_ends_in_the_same_table(tmp_path, monkeypatch):
    case = Case.from_dict(data(
        protocol=steps(2), inventory={"dead": {"law": "fraction", "share": 0.02}}
    ))  # fmt: skip
    whole = case.run(tmp_path / "whole")
    asked = itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "agreed", lambda self: 15 if next(asked) == 45 else 0)
        with pytest.raises(Interrupted):
            case.run(tmp_path / "two")
    resume(tmp_path / "two")
    first, second = (read_series(p / "cycles.csv") for p in (whole.folder, tmp_path / "two"))
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert np.array_equal(values, second[name]), name
    assert Result(tmp_path / "two").summary["outlook"] == whole.summary["outlook"]


def test_stack_lists_what_is_counted(tmp_path):
    layers = [
        {"name": "copper", "material": "Cu", "thickness": "10 um"},
        {"name": "cathode", "density": "2.5 g/cm^3", "thickness": "20 um"},
    ]
    stack: dict[str, Any] = {"density": {"electrolyte": "1.25 g/cm^3"}, "layers": layers}
    result = run(
        tmp_path / "r", counter=CATHODE, protocol=steps(2, cutoff="-4.5 V", duration="2 h"),
        inventory={"stack": stack},
    )  # fmt: skip
    found, last = result.summary["stack"], result.cycles
    assert found["counted"] == ["cathode", "copper", "electrolyte"]
    assert found["parts"] == pytest.approx(
        {"cathode": 0.05, "copper": 0.0896, "electrolyte": 30e-6 * 1250.0}, rel=1e-9
    )
    assert found["thickness"] == pytest.approx(60e-6, rel=1e-9)
    energy = last["energy_out"][-1]  # near 3.8 V times the charge
    assert energy == pytest.approx(-last["voltage_stripping"][-1] * last["stripped"][-1], rel=0.03)
    assert found["Wh_per_kg"] == pytest.approx(energy / 3600 / found["mass"], rel=1e-12)
    assert found["Wh_per_L"] == pytest.approx(energy / 3600 / 60e-6 / 1e3, rel=1e-12)
    per_ah = 30e-6 * 1250.0 * 1e3 / (last["stripped"][-1] / 3600)
    assert found["electrolyte_g_per_Ah"] == pytest.approx(per_ah, rel=1e-9)
    figure = cycles(result, None)
    above, below = figure.axes
    shown = above.lines[1].get_ydata()
    assert shown == pytest.approx(100 * last["stripped"] / last["stripped"][0])
    top = below.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(0.5, rel=1e-3)  # mAh/cm2: all there is


def test_a_host_of_half_of_the_mass(tmp_path):
    """5 mAh/cm2 in a host of 0.1 g/cm3 and 124.5 um: 51 wt% are metal."""
    thickness = theory.host_thickness(theory.metal_mass(18e4, 6.94e-3), 0.51, 100.0)
    geometry = {"family": "planar", "width": "2 um", "size": "5 um", "layers": [
        {"name": "host", "thickness": f"{thickness!r} m", "region": "host"},
        {"name": "gap", "thickness": "10 um", "region": "electrolyte"},
    ]}  # fmt: skip
    result = run(
        tmp_path / "r", geometry=geometry, regions={"host": {"material": "Cu"}},
        counter={"kind": "foil", "thickness": "100 um"},
        protocol=[{"step": "cycle", "cycles": 1, "steps": [
            {"step": "plate", "current_density": "5 mA/cm^2", "capacity": "5 mAh/cm^2"},
            {"step": "strip", "current_density": "5 mA/cm^2", "duration": "1 min"},
        ]}],
        inventory={"stack": {"density": {"host": "0.1 g/cm^3"}}},
    )  # fmt: skip
    assert result.summary["stack"]["metal_of_host_and_metal"] == pytest.approx(0.51, rel=1e-6)
    assert thickness == pytest.approx(124.5e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ({"density": {"hots": "1 g/cm^3"}}, "inventory.stack.density.hots: no such part"),
        ({"layers": [{"name": "foil", "thickness": "10 um", "material": "Cu"}] * 2},
         "inventory.stack.layers.1.name: 'foil' is counted already"),
        ({"layers": [{"name": "a", "thickness": "1 um"}]}, "'a': give its material, or its"),
        ({"layers": [{"name": "a", "thickness": "1 um", "material": "MXene"}]},
         "'a': nobody knows its density"),
    ],
)  # fmt: skip
def test_a_mass_that_nobody_knows_is_refused(tmp_path: Path, stack, message):
    with pytest.raises(CaseError, match=message):
        run(tmp_path / "r", inventory={"stack": stack})


def test_metal_above_a_host_is_not_in_it(tmp_path: Path) -> None:
    """A growth study: 4.5 um of metal, of which a slotted sheet of 2 um holds what fits."""
    case = Case.from_dict({
        "schema": 1, "title": "growth", "metal": "Li", "electrolyte": "LiPF6_EC_EMC_3_7",
        "study": "growth",
        "geometry": {
            "family": "lamella", "repeat": 1, "width": "2 um", "gap": "5 um", "size": "0.25 um",
            "layers": [{"name": "a", "thickness": "2 um", "opening": 0.5, "pitch": "2 um"}],
        },
        "regions": {"host_a": {"material": "Cu"}}, "collector": {"material": "Cu"},
        "initial": {"metal_layer": "4.5 um"}, "growth": {"interface_width": "0.5 um"},
        "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 s"}],
        "time": {"dt0": "1 s", "tolerance": 0.02}, "inventory": {},
        "output": {"figures": False},
    })  # fmt: skip
    result = case.run(tmp_path / "r")
    series = result.series
    print("use", series["host_use"][-1], "swelling", series["swelling"][-1])
    assert series["host_use"][-1] == pytest.approx(1.0, abs=0.01)
    assert series["swelling"][-1] == pytest.approx(2.5e-6, rel=0.02)


def in_a_cycle(folder: str) -> dict[str, float]:
    """Numbers of a cycle with losses against a foil."""
    losses = {"dead": {"law": "fraction", "share": 0.02}, "sei": {"share": 0.01}}
    result = run(Path(folder), protocol=steps(1), inventory=losses)
    found = {name: float(values[-1]) for name, values in result.cycles.items()
             if name.startswith(("metal_", "voltage_", "energy_", "coulombic"))}  # fmt: skip
    return found | {"inventory": result.summary["closures"]["inventory"]}


@pytest.mark.full
def test_a_cycle_on_two_ranks(
    tmp_path: Path, mpirun: Callable[..., Any], reached: Callable[..., None]
) -> None:
    """2 ranks against one: all numbers of the cycle, 1e-9."""
    alone = in_a_cycle(str(tmp_path / "one"))
    together = mpirun(2, in_a_cycle, str(tmp_path / "two"))
    reached("inventory on two ranks", together.pop("inventory"), most=1e-8)
    apart = {name: abs(value - alone[name]) / (abs(alone[name]) or 1.0)
             for name, value in together.items()
             if name != "metal_live"}  # that is what is left of it, next to none
    reached("largest difference of any number of a cycle", max(apart.values()), most=1e-9)
