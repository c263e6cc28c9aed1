"""What a resume may change, when checkpoints are written, and how many are kept."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import checkpoint
from fem.case_files import read_toml
from fem.errors import CaseError, Interrupted
from fem.events import StopRequest
from fem.results import Result, read_series
from fem.run import resume
from fem.simulation import Simulation

from .cases import small

pytestmark = pytest.mark.undisturbed

PLATE = {"step": "plate", "current_density": "2 mA/cm^2", "duration": "6 s"}
STRIP = {"step": "strip", "current_density": "1 mA/cm^2", "duration": "6 s"}
NEVER = {"figures": False, "checkpoint_wall": "10 h"}
TIME = {"dt0": "0.5 s", "dt_max": "0.5 s", "tolerance": 0.05}


def stopped(folder: Path, steps: int, **changes: Any) -> None:
    """A run that a signal ends after some steps."""
    asked = iter(range(1, 10**6))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(
            StopRequest, "agreed", lambda self: signal.SIGTERM if next(asked) == steps else 0
        )
        small(**{"protocol": [PLATE], "time": TIME, "output": NEVER} | changes).run(folder)


def saves(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times at which checkpoints are written from now on."""
    times: list[float] = []
    save = Simulation.save

    def noted(self: Simulation) -> None:
        save(self)
        times.append(self.s.t)

    monkeypatch.setattr(Simulation, "save", noted)
    return times


def test_checkpoints_at_the_start_at_the_ends_of_protocol_steps_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = saves(monkeypatch)
    pulse = {"step": "pulse", "current_density": "2 mA/cm^2", "on": "1 s", "off": "1 s",
             "cycles": 2}
    cut = {"step": "strip", "current_density": "2 mA/cm^2", "cutoff": "20 mV", "duration": "1 h"}
    small(protocol=[PLATE, pulse, cut], time=TIME, output=NEVER).run(tmp_path / "r")
    end = read_series(tmp_path / "r" / "series.csv")["t"][-1]
    assert times == pytest.approx([0.0, 6.0, 10.0, end])  # pulses are one step
    kept = sorted(p.name for p in (tmp_path / "r" / "checkpoints").glob("state.*"))
    assert kept == ["state.3", "state.4"]


def test_checkpoints_by_wall_time_do_not_forget_at_the_border_of_protocol_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulses shorter than the wall time between checkpoints: a clock of 0.3 s per look."""
    import types

    from fem import simulation

    times = saves(monkeypatch)
    looks = iter(range(10**9))
    clock = types.SimpleNamespace(monotonic=lambda: 0.3 * next(looks), perf_counter=lambda: 0.0)
    monkeypatch.setattr(simulation, "time", clock)
    pulse = {"step": "pulse", "current_density": "2 mA/cm^2", "on": "0.5 s", "off": "0.5 s",
             "cycles": 20}
    small(protocol=[pulse], time=TIME, output={"figures": False, "checkpoint_wall": "2.9 s"}).run(
        tmp_path / "r")
    assert len(times) >= 5
    gaps = np.diff(times[:-1])
    assert gaps.max() <= 5.0 < 20.0


def test_a_signal_at_a_checkpoint_leaves_two_whole_ones(tmp_path: Path) -> None:
    stopped(tmp_path / "r", 5)
    states = sorted((tmp_path / "r" / "checkpoints").glob("state.*"))
    assert len(states) == 2
    t = read_series(tmp_path / "r" / "series.csv")["t"]
    assert len(t) == 5
    assert checkpoint.latest(tmp_path / "r").manifest["clock"]["t"] == t[-1]


def test_new_output_probes_solver_and_time_options_are_taken(tmp_path: Path) -> None:
    probes = [{"name": "old", "field": "c", "surface": "host_bottom/electrolyte"}]
    stopped(tmp_path / "r", 5, probe=probes)
    result = resume(tmp_path / "r", overrides=[
        "output.fields_every=1 s", "solver.rtol=1e-8", "time.dt0=0.1 s", "time.dt_max=0.25 s",
        "output.pvd=true",
        'probe=[{name = "new", field = "c", surface = "counter"}]',
    ])  # fmt: skip
    series = result.series
    assert np.isnan(series["probe.new"][:5]).all() and np.isfinite(series["probe.new"][5:]).all()
    assert np.isfinite(series["probe.old"][:5]).all() and np.isnan(series["probe.old"][5:]).all()
    assert np.diff(series["t"])[5:].max() <= 0.2501
    t = series["t"][4]
    assert result.times.tolist() == pytest.approx([0.0, t + 1, t + 2, t + 3, 6.0])
    assert (tmp_path / "r" / "fields" / "pore.pvd").exists()
    assert series["t"][-1] == pytest.approx(6.0)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun") / "r"
    stopped(folder, 2)
    return folder


@pytest.mark.parametrize(
    "change",
    ["temperature=310 K", "protocol.0.current_density=3 mA/cm^2", "counter.kind=ideal",
     "geometry.size=4 um", "metal=Na", "electrolyte=LiTFSI_DOL_DME",
     'kinetics=[{surface = "host_bottom", i0 = "1 A/m^2"}]'],
)  # fmt: skip
def test_other_physics_is_refused_and_nothing_is_touched(change: str, begun: Path) -> None:
    before = {p: p.read_bytes() for p in begun.rglob("*") if p.is_file()}
    with pytest.raises(CaseError, match="is not the one of the checkpoint"):
        resume(begun, overrides=[change])
    assert {p: p.read_bytes() for p in begun.rglob("*") if p.is_file()} == before


def test_a_new_end_outlives_another_interruption(tmp_path: Path) -> None:
    """The case that is kept has it; without overrides it is the end of the next resume, too."""
    stopped(tmp_path / "r", 3)
    asked = iter(range(1, 10**6))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(
            StopRequest, "agreed", lambda self: signal.SIGTERM if next(asked) == 3 else 0
        )
        resume(tmp_path / "r", overrides=["protocol.0.duration=8 s"])
    assert read_toml(tmp_path / "r" / "case.toml")["protocol"][0]["duration"] == "8 s"
    assert resume(tmp_path / "r").summary["t"] == pytest.approx(8.0)
    t = Result(tmp_path / "r").series["t"]
    assert np.diff(t).min() > 0.0 and np.diff(t).max() <= 0.5001  # no double row, no gap


def test_what_was_warned_of_is_still_in_the_summary(tmp_path: Path) -> None:
    """Said before the interruption, not again after it, and kept."""
    case: dict[str, Any] = {"protocol": [PLATE, STRIP], "time": TIME, "output": NEVER}
    small(**case).run(tmp_path / "whole")
    stopped(tmp_path / "r", 5, protocol=[PLATE, STRIP])
    manifest = checkpoint.latest(tmp_path / "r").manifest
    done = resume(tmp_path / "r")
    assert done.summary["warnings"] == Result(tmp_path / "whole").summary["warnings"] != []
    assert {*manifest["remarks"]["said"].values()} <= {*done.summary["warnings"]}
    assert json.dumps(manifest["remarks"])


@pytest.mark.parametrize("study", ["primary", "secondary", "steady"])
def test_a_finished_solve_that_is_resumed_stays_as_it_is(study: str, tmp_path: Path) -> None:
    """One row, not two; a steady state is not even looked at."""
    case = small(study=study, protocol=[{"step": "plate", "current_density": "1 mA/cm^2"}])
    case.run(tmp_path / "r")
    before = read_series(tmp_path / "r" / "series.csv")
    summary = (tmp_path / "r" / "summary.json").read_text()
    resume(tmp_path / "r")
    after = read_series(tmp_path / "r" / "series.csv")
    for name in ("t", "voltage", "current_density"):
        assert after[name] == pytest.approx(before[name], rel=1e-9), name
    if study == "steady":
        assert (tmp_path / "r" / "summary.json").read_text() == summary
