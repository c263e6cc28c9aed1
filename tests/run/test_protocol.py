"""Protocol steps on a small cell: where they stop, what they impose."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import RunError
from fem.physics.ions.salt import SaltLedger
from fem.results.result import Result
from fem.run.segments import after, segments

from .cases import small

PULSE = {"step": "pulse", "current_density": "2 mA/cm^2", "on": "7 s", "off": "3 s"}


def _run(folder: Path, steps: list[dict[str, Any]], **changes: Any) -> Any:
    return small(protocol=steps, **changes).run(folder)


def test_capacity_is_met_and_the_balances_close(tmp_path: Path) -> None:
    result = _run(
        tmp_path / "r",
        [{"step": "plate", "current_density": "2 mA/cm^2", "capacity": "0.1 mAh/cm^2"}],
    )
    assert result.summary["charge"] == pytest.approx(-3600.0, rel=1e-9)
    # less the side reaction before the wall is covered; the ledger itself closes to 1e-9
    assert result.summary["plated"] == pytest.approx(3600.0, rel=1e-5)
    assert result.summary["t"] == pytest.approx(180.0)
    assert max(result.summary["closures"].values()) < 1e-9
    assert result.summary["data_status"]["checked"] > 0


def test_plate_rest_strip_to_the_cutoff_within_a_millivolt(tmp_path: Path) -> None:
    steps = [
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "5 min"},
        {"step": "rest", "duration": "10 min"},
        {"step": "strip", "current_density": "1 mA/cm^2", "cutoff": "0.3 V", "duration": "1 h"},
    ]
    result = _run(tmp_path / "r", steps)
    series, summary = result.series, result.summary
    resting = series["segment"] == 1
    assert np.abs(series["current_density"][resting]).max() < 1e-8
    assert abs(series["voltage"][resting][-1]) < 1e-4
    (event,) = summary["events"]
    assert event["event"] == "cutoff" and event["segment"] == "strip"
    assert 0.3 <= event["voltage"] <= 0.301
    assert event["t_in_segment"] == pytest.approx(300.0, rel=0.02)  # what was plated is gone
    assert summary["plated"] < 0.02 * 3000.0


def test_hold_keeps_its_voltage_and_stops_at_its_capacity(tmp_path: Path) -> None:
    steps = [{"step": "hold", "voltage": "-80 mV", "capacity": "0.02 mAh/cm^2"}]
    result = _run(tmp_path / "r", steps, time__dt_max="5 s")
    assert np.allclose(result.series["voltage"], -0.08, atol=1e-12)
    (event,) = result.summary["events"]
    assert event["event"] == "capacity"
    assert result.summary["charge"] == pytest.approx(-720.0, rel=2e-6)


def test_a_tabulated_current_lands_on_its_knots(tmp_path: Path) -> None:
    knots = ["0 s", "33 s", "35 s", "100 s"]
    density = {"along": "t", "at": knots,
               "values": ["1 mA/cm^2", "1 mA/cm^2", "3 mA/cm^2", "0 mA/cm^2"]}
    steps = [{"step": "plate", "current_density": density, "duration": "100 s"}]
    result = _run(tmp_path / "r", steps)
    series = result.series
    for knot in (33.0, 35.0, 100.0):
        assert np.abs(series["t"] - knot).min() < 1e-9
    at = dict(zip(series["t"].round(9), series["current_density"], strict=True))
    assert at[33.0] == pytest.approx(-10.0) and at[35.0] == pytest.approx(-30.0)
    area = 10.0 * 33.0 + 20.0 * 2.0 + 15.0 * 65.0
    assert result.summary["charge"] == pytest.approx(-area, rel=1e-9)


def test_a_cell_at_rest_stays_at_rest(tmp_path: Path) -> None:
    """From an exact equilibrium: every residual is zero, and that is convergence."""
    summary = _run(tmp_path / "r", [{"step": "rest", "duration": "1 min"}]).summary
    assert summary["voltage"] == pytest.approx(0.0, abs=1e-12)
    assert summary["c_max"] == summary["c_min"] == pytest.approx(1000.0)


def test_a_voltage_program_is_followed(tmp_path: Path) -> None:
    ramp = {"expression": "-0.06 - v*t", "unit": "V", "v": "1 mV/s"}
    result = _run(tmp_path / "r", [{"step": "hold", "voltage": ramp, "duration": "20 s"}])
    series = result.series
    assert np.allclose(series["voltage"], -0.06 - 1e-3 * series["t"], atol=1e-12)


def test_pulses_land_on_their_switches_and_end_at_their_charge(tmp_path: Path) -> None:
    """350 C/m2 at 20 A/m2 are two pulses of 7 s and half of a third; no rest follows it."""
    result = _run(tmp_path / "r", [PULSE | {"capacity": "350 C/m^2"}])
    series = result.series
    switches = np.array([7.0, 10.0, 17.0, 20.0, 23.5])
    steps = np.array([np.abs(series["t"] - t).min() for t in switches])
    assert steps.max() < 1e-12
    on = np.searchsorted(switches, series["t"] - 1e-9) % 2 == 0
    np.testing.assert_allclose(series["current_density"][on], -20.0, rtol=1e-9)
    assert np.abs(series["current_density"][~on]).max() < 1e-8
    assert result.summary["charge"] == pytest.approx(-350.0, rel=1e-9)
    assert result.summary["t"] == pytest.approx(23.5, rel=1e-12)
    assert result.summary["events"] == [] and "cycle" not in series
    assert result.times.tolist() == pytest.approx([0.0, 23.5])  # no fields at each switch
    assert max(result.summary["closures"].values()) < 1e-9


def test_fields_are_written_at_their_times_through_pulses(tmp_path: Path) -> None:
    result = _run(tmp_path / "r", [PULSE | {"cycles": 3}], output__fields_every="8 s")
    assert result.times.tolist() == pytest.approx([0.0, 8.0, 16.0, 24.0, 30.0])


def test_a_cutoff_ends_all_pulses_of_its_step(tmp_path: Path) -> None:
    """1000 C/m2 of metal last for seven pulses of 140 and a part of the eighth."""
    steps: list[dict[str, Any]] = [
        {"step": "plate", "current_density": "1 mA/cm^2", "duration": "100 s"},
        PULSE | {"direction": "strip", "cycles": 40, "cutoff": "0.3 V"},
        {"step": "rest", "duration": "5 s"},
    ]
    result = _run(tmp_path / "r", steps)
    (event,) = result.summary["events"]
    assert event["event"] == "cutoff" and event["segment"] == "strip"
    assert event["pulse"] == 8 and event["number"] == 1 + 2 * 7
    assert 0.3 <= event["voltage"] <= 0.301
    assert result.summary["t"] == pytest.approx(event["t"] + 5.0, rel=1e-12)
    assert result.series["segment"][-1] == 81  # the rest, after 80 segments of pulses


CYCLES: list[dict[str, Any]] = [
    {"step": "plate", "current_density": "1 mA/cm^2", "duration": "5 s"},
    {
        "step": "cycle",
        "cycles": 3,
        "steps": [
            {"step": "plate", "current_density": "2 mA/cm^2", "duration": "10 s"},
            {"step": "rest", "duration": "2 s"},
            PULSE | {"direction": "strip", "current_density": "1 mA/cm^2", "cycles": 2},
        ],
    },
]


@pytest.fixture(scope="module")
def cycled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _run(tmp_path_factory.mktemp("cycled") / "r", CYCLES)


def test_cycles_are_numbered_and_accounted_for(cycled: Any) -> None:
    series, table = cycled.series, cycled.summary["cycles"]
    assert series["cycle"][0] == 0.0 and series["cycle"][-1] == 3.0
    assert [row["cycle"] for row in table] == [1, 2, 3]
    for row in table:
        assert row["plated"] == pytest.approx(200.0, rel=1e-9)
        assert row["stripped"] == pytest.approx(140.0, rel=1e-9)
        assert row["coulombic_efficiency"] == pytest.approx(0.7, rel=1e-9)
        assert "dead" not in row  # walls of fixed geometry have none
    ends = 5.0 + 32.0 * np.arange(1, 4)
    last = [series["t"][series["cycle"] == n].max() for n in (1, 2, 3)]
    np.testing.assert_allclose(last, ends, rtol=1e-12)
    plate = [s for s in segments(small(protocol=CYCLES)) if s.name == "plate"]
    assert [s.label for s in plate] == ["plate", *(f"plate (cycle {n})" for n in (1, 2, 3))]


def test_more_cycles_go_on_where_the_run_had_ended(cycled: Any, tmp_path: Path) -> None:
    from fem.run.session import resume

    fewer = [CYCLES[0], CYCLES[1] | {"cycles": 2}]
    _run(tmp_path / "r", fewer)
    resume(tmp_path / "r", overrides=["protocol.1.cycles=3"])
    again = Result(tmp_path / "r")
    assert again.summary["cycles"] == cycled.summary["cycles"]
    for name in ("t", "voltage", "cycle"):
        np.testing.assert_array_equal(again.series[name], cycled.series[name])


def test_what_follows_a_step_that_an_event_ended() -> None:
    steps = [PULSE | {"cycles": 2}, {"step": "rest", "duration": "1 s"}]
    protocol = segments(small(protocol=[{"step": "cycle", "cycles": 2, "steps": steps}]))
    assert len(protocol) == 10  # two pulses of two segments and a rest, twice
    assert after(protocol, 0, whole=False) == 1
    assert [after(protocol, k, whole=True) for k in (0, 3, 4, 6, 9)] == [4, 4, 5, 9, 10]


def test_a_balance_that_does_not_close_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fem.physics.circuit.circuit import Circuit

    step = Circuit.step

    def leaky(self: Circuit, scale: float) -> dict[str, float]:
        return step(self, scale) | {"balance": 1e-3}

    monkeypatch.setattr(Circuit, "step", leaky)
    with pytest.raises(RunError, match=r"balances do not close: balance 1\.00e-03"):
        small().run(tmp_path / "r")
    assert (tmp_path / "r" / "checkpoints" / "latest.json").is_file()


@pytest.mark.parametrize(
    ("time", "current", "why"),
    [
        (
            {"dt0": "1 s", "dt_min": "0.5 s", "tolerance": 1e-9},
            "1 mA/cm^2",
            "no step above dt_min = 0.5 s is accurate: each converges, but its local error is "
            "above [time] tolerance = 1e-09; lowest c = 1e+03 mol/m^3;",
        ),
        (
            {"dt0": "1 s", "dt_min": "0.5 s"},
            "1 A/cm^2",
            "no step above dt_min = 0.5 s converged (",
        ),
    ],
)
def test_a_run_that_gives_up_says_which_test_failed(
    tmp_path: Path, time: dict[str, Any], current: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salt lasts for ever here, so that no jump asks for steps below dt_min."""
    monkeypatch.setattr(SaltLedger, "lasts", lambda self, density: math.inf)
    step = {"step": "plate", "current_density": current, "duration": "10 s"}
    with pytest.raises(RunError) as caught:
        _run(tmp_path / "r", [step], time=time)
    assert str(caught.value).startswith(f"plate at t = 0 s: {why}")
    assert ("raise tolerance" in str(caught.value)) == ("tolerance" in time)


def test_charge_that_makes_no_metal_is_said(tmp_path: Path) -> None:
    """A tenth of a microampere is less than what bare copper passes at eta_nuc; 2 mA/cm2 is not."""
    step = {"step": "plate", "duration": "10 min"}
    slow = _run(tmp_path / "s", [step | {"current_density": "0.1 uA/cm^2"}]).summary
    (text,) = [w for w in slow["warnings"] if "made or took no metal" in w]
    share = 1.0 - slow["plated"] / -slow["charge"]
    assert share > 0.5 and text.startswith(f"{share:.1%} of the charge")
    fast = _run(tmp_path / "f", [step | {"current_density": "2 mA/cm^2"}]).summary
    assert not [w for w in fast["warnings"] if "made or took no metal" in w]


@pytest.mark.parametrize("study", ["secondary", "steady"])
def test_a_state_has_no_time_and_no_charge(study: str, tmp_path: Path) -> None:
    """Steps lead to a steady state, and their pseudo-time is neither."""
    steps = [{"step": "plate", "current_density": "10 A/m^2"}]
    result = _run(tmp_path / "r", steps, study=study)
    assert result.summary["current_density"] == pytest.approx(-10.0)
    assert not {"t", "charge"} & result.summary.keys()
    assert not result.series["charge"].any() and " to t = " not in str(result)
