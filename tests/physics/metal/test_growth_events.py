"""Events of growing metal: each comes once, with time, place and numbers, after a restart too."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from fem import Case
from fem.base.errors import Interrupted
from fem.case.files import set_path
from fem.physics.metal.events import MetalEvents
from fem.results.result import Result
from fem.run.segments import Segment
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.system.part import Begun
from tests.run.cases import state_of

# A slit in PAN, above it a carbon layer that floats, above that 1 um of electrolyte with constant
# properties.
SLIT: dict[str, Any] = {
    "schema": 1,
    "title": "slit",
    "metal": "Li",
    "electrolyte": "even",
    "materials": {
        "even": {
            "kind": "electrolyte",
            "c0": "1 mol/L",
            "kappa": "0.95 S/m",
            "D": "3e-10 m^2/s",
            "t_plus": 0.26,
            "thermodynamic_factor": 2.0,
        }
    },
    "study": "growth",
    "geometry": {
        "family": "lamella",
        "layers": [
            {"name": "pan", "thickness": "2 um", "opening": 0.5, "pitch": "2 um"},
            {"name": "cnf", "thickness": "0.6 um", "opening": 0.5, "pitch": "2 um"},
        ],
        "gap": "1.6 um",
        "size": "0.125 um",
        "size_wall": "0.125 um",
    },
    "regions": {
        "host_pan": {"material": "PAN"},
        "host_cnf": {"material": "carbon_fibre", "sigma": "100 S/m"},
    },
    "kinetics": [{"surface": "host_cnf", "eta_nuc": "0 V"}],
    "growth": {"interface_width": "0.125 um", "max_change": 0.35},
    "initial": {"metal_layer": "0.4 um"},
    "protocol": [{"step": "plate", "current_density": "2 mA/cm^2", "duration": "1 h"}],
    "time": {"dt0": "5 s", "tolerance": 0.05},
    "solver": {"rtol": 1e-8, "closure_limit": 1e-6},
    "output": {"figures": False, "checkpoint_wall": "1 ms"},
}


def slit(**changes: Any) -> Case:
    """The cell with changes; two underscores stand for a dot."""
    data = json.loads(json.dumps(SLIT))
    for path, value in changes.items():
        set_path(data, path.replace("__", "."), value)
    return Case.from_dict(data)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Plated until the metal meets the counter electrode."""
    folder = tmp_path_factory.mktemp("grown") / "r"
    slit().run(folder)
    return Result(folder)


def test_bridge_overflow_and_short_circuit_come_in_this_order(grown: Result) -> None:
    events = grown.summary["events"]
    names = [event["event"] for event in events]
    assert names == ["bridge", "bridge", "overflow", "short_circuit"]
    times = [event["t"] for event in events]
    assert times == sorted(times) and times[0] > 0.0
    for event in events:
        assert event["segment"] == "plate" and event["charge"] < 0.0
        assert {"voltage", "number", "t_in_segment", "place"} <= event.keys()


def test_each_says_where(grown: Result) -> None:
    left, right, overflow, short = grown.summary["events"]
    assert left["region"] == right["region"] == "host_cnf"
    places = sorted([left["place"], right["place"]])  # the slit's rims, 0.5 and 1.5 um
    assert places == [pytest.approx([0.5e-6, 2e-6], abs=2e-7),
                      pytest.approx([1.5e-6, 2e-6], abs=2e-7)]
    x, y = overflow["place"]
    assert y > 2.6e-6 and -1e-12 <= x <= 2e-6 + 1e-12  # but for rounding
    assert short["place"][1] == pytest.approx(4.2e-6, abs=0.13e-6)


def test_the_voltage_falls_when_metal_joins_the_next_conductor(grown: Result) -> None:
    """Its walls share the current from that step on: at least 10 mV less, and not before."""
    t, voltage = grown.series["t"], grown.series["voltage"]
    k = int(np.searchsorted(t, grown.summary["events"][0]["t"] * (1 - 1e-12)))
    relief = voltage[k] - voltage[k - 1]
    print("relief", relief, "before", voltage[k - 1] - voltage[k - 2])
    assert relief > 10e-3
    assert abs(voltage[k - 1] - voltage[k - 2]) < 0.1 * relief


def test_the_tip_passes_the_host_when_the_overflow_is_told(grown: Result) -> None:
    t, tip = grown.series["t"], grown.series["tip"]
    at = grown.summary["events"][2]["t"]
    assert tip[t < at * (1 - 1e-9)].max() <= 2.6e-6 < tip[np.argmin(np.abs(t - at))]


def test_a_short_circuit_ends_the_run_and_resuming_tells_nothing_again(grown: Result) -> None:
    series = grown.series
    assert series["t"][-1] < 3600.0
    t, events = series["t"][-1], grown.summary["events"]
    again = resume(grown.folder)
    assert again.summary["events"] == events and again.series["t"][-1] == t


@pytest.mark.undisturbed
def test_a_restart_tells_each_event_once(
    grown: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after each event; the last state is the same, bit by bit."""
    t, events = grown.series["t"], grown.summary["events"]
    stops = [1 + int(np.searchsorted(t, e["t"] * (1 - 1e-12))) for e in events[1:3]]
    asked = iter(range(1, 10**6))
    monkeypatch.setattr(
        StopRequest, "agreed", lambda self: signal.SIGUSR1 if next(asked) in stops else 0
    )
    with pytest.raises(Interrupted):
        slit().run(tmp_path / "r")
    with pytest.raises(Interrupted):
        resume(tmp_path / "r")
    resume(tmp_path / "r")
    assert Result(tmp_path / "r").summary["events"] == events
    whole, parts = state_of(grown.folder), state_of(tmp_path / "r")
    assert whole.keys() == parts.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values, err_msg=name)


def test_a_short_circuit_may_be_noted_only(grown: Result, tmp_path: Path) -> None:
    """Then the run goes on, as if a film insulated the counter electrode."""
    at = grown.summary["events"][-1]["t"]
    end = f"{at + 1.0} s"
    more = slit(growth__short_circuit="note", protocol__0__duration=end).run(tmp_path / "r")
    names = [event["event"] for event in more.summary["events"]]
    assert names.count("short_circuit") == 1
    assert more.summary["t"] == pytest.approx(at + 1.0)
    assert slit().physics_hash("m") == slit(growth__short_circuit="note").physics_hash("m")


def test_metal_grows_until_the_salt_runs_out(tmp_path: Path) -> None:
    """Salt runs out as soon as at a fixed wall: the front moves 2 um, the salt falls over 40.

    The place is where c is lowest outside the metal.
    """
    layers = [{"name": "near", "thickness": "6 um", "region": "electrolyte_near"},
              {"name": "far", "thickness": "200 um", "region": "electrolyte_far", "size": "5 um"}]
    cell = {"family": "planar", "size": "0.125 um", "size_interface": "0.125 um",
            "width": "0.25 um", "layers": layers}
    steps = [{"step": "plate", "current_density": "60 mA/cm^2", "duration": "1 h"}]
    flat = {"geometry": cell, "regions": {}, "kinetics": [], "time__dt_min": "1 ms",
            "protocol": steps, "time__dt0": "0.1 s", "time__tolerance": 1e-2}
    grown = slit(**flat, growth={"interface_width": "0.25 um"}, initial__metal_layer="1 um")
    fixed = slit(**flat, study="tertiary", growth=None, initial=None)
    result = grown.run(tmp_path / "grown")
    event, other = result.summary["events"][-1], fixed.run(tmp_path / "f").summary["events"][-1]
    assert event["event"] == other["event"] == "depletion"
    assert event["c_min"] < 1e-2 * 1000.0
    assert event["t"] == pytest.approx(other["t"], rel=0.05)
    assert result.series["tip"][-1] - 0.3e-6 < event["place"][1] < result.series["tip"][-1] + 1e-6


def test_a_hold_that_outruns_the_ions_foreseen_says_so() -> None:
    """The hint comes where nothing brings ions to the front, if few are left there."""
    fed = SimpleNamespace(bounds=False)
    for low, held, says in ((50.0, False, True), (500.0, False, False), (50.0, True, False)):
        fed.bounds = held
        deposit: Any = SimpleNamespace(lowest=lambda low=low: low)
        events, system = MetalEvents(deposit), MagicMock(values={"supply": fed})
        system.__getitem__.side_effect = {"ions": SimpleNamespace(c0=1000.0), "supply": fed}.get
        events.declare(system)
        events.impose(Begun(Segment("hold", voltage=-2.0), 0.0, 0.0))
        assert ("ions foreseen from earlier steps" in (events.stuck() or "")) == says


def test_a_cutoff_and_a_capacity_end_steps_of_growth(tmp_path: Path) -> None:
    steps = [
        {"step": "hold", "voltage": "-60 mV", "capacity": "0.01 mAh/cm^2"},
        {"step": "strip", "current_density": "2 mA/cm^2", "cutoff": "0.15 V", "duration": "1 h"},
    ]
    result = slit(protocol=steps).run(tmp_path / "r")
    capacity, cutoff = result.summary["events"]
    assert (capacity["event"], cutoff["event"]) == ("capacity", "cutoff")
    held = result.series["segment"] == 0
    assert np.allclose(result.series["voltage"][held], -0.06, atol=1e-12)
    assert result.series["charge"][held][-1] == pytest.approx(-360.0, rel=1e-5)
    assert 0.15 <= cutoff["voltage"] < 0.2
    assert result.summary["plated"] < 0.3 * result.series["plated"][0]  # a film thinner than lambda


def test_stripping_without_a_cutoff_ends_where_nothing_is_left(tmp_path: Path) -> None:
    """An event ends the step, at most 100.1 % of the metal is taken, and what follows is done."""
    steps = [
        {"step": "strip", "current_density": "2 mA/cm^2", "duration": "1 h"},
        {"step": "plate", "current_density": "2 mA/cm^2", "duration": "5 s"},
    ]
    result = slit(protocol=steps).run(tmp_path / "r")
    (event,) = result.summary["events"]
    assert (event["event"], event["segment"]) == ("stripped", "strip")
    stripping = result.series["segment"] == 0
    layer = result.series["plated"][0] + result.series["charge"][0]
    assert result.series["charge"][stripping][-1] <= 1.001 * layer
    assert event["left"] == pytest.approx(result.series["plated"][stripping][-1], abs=1e-6)
    assert result.summary["t"] == pytest.approx(event["t"] + 5.0)


def test_cycles_count_dead_metal(tmp_path: Path) -> None:
    cycle = [
        {"step": "plate", "current_density": "2 mA/cm^2", "capacity": "0.01 mAh/cm^2"},
        {"step": "strip", "current_density": "2 mA/cm^2", "duration": "9 s"},
    ]
    result = slit(protocol=[{"step": "cycle", "cycles": 2, "steps": cycle}]).run(tmp_path / "r")
    rows = result.summary["cycles"]
    assert [row["cycle"] for row in rows] == [1, 2]
    for row in rows:
        assert row["plated"] == pytest.approx(360.0, rel=1e-6)
        assert row["coulombic_efficiency"] == pytest.approx(0.5, rel=1e-6)
        assert row["dead"] == 0.0
