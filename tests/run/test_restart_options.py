"""Options of a resume, the times of checkpoints, and the number that is kept."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base.errors import CaseError, Interrupted
from fem.base.folder import FolderLock
from fem.case.files import read_toml
from fem.cli.main import main
from fem.files import checkpoint
from fem.physics.circuit.circuit import Circuit
from fem.results.result import Result, read_series
from fem.run.session import resume
from fem.run.signals import StopRequest
from fem.run.simulation import Simulation
from fem.system.part import Event

from .cases import small

pytestmark = pytest.mark.undisturbed

PLATE = {"step": "plate", "current_density": "2 mA/cm^2", "duration": "6 s"}
STRIP = {"step": "strip", "current_density": "1 mA/cm^2", "duration": "6 s"}
NEVER = {"figures": False, "checkpoint_wall": "10 h"}
TIME = {"dt0": "0.5 s", "dt_max": "0.5 s", "tolerance": 0.05}


@contextlib.contextmanager
def until(steps: int) -> Iterator[None]:
    """A signal comes after some steps."""
    asked = iter(range(1, 10**6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            StopRequest, "agreed", lambda self: signal.SIGTERM if next(asked) == steps else 0
        )
        yield


def stopped(folder: Path, steps: int, **changes: Any) -> None:
    """A run that a signal ends after some steps."""
    with until(steps), pytest.raises(Interrupted):
        small(**{"protocol": [PLATE], "time": TIME, "output": NEVER} | changes).run(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    """All files."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def saves(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times at which checkpoints are written from now on."""
    times: list[float] = []
    save = Simulation.save

    def noted(self: Simulation) -> None:
        save(self)
        times.append(self.s.t)

    monkeypatch.setattr(Simulation, "save", noted)
    return times


def test_checkpoints_at_the_start_at_events_at_the_ends_of_protocol_steps_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where something happens to the metal; pulses are one step."""
    times = saves(monkeypatch)
    happens = iter([[], [], [Event("island", {"place": None, "pieces": 1})]])
    monkeypatch.setattr(Circuit, "events", lambda self: next(happens, []))
    pulse = {"step": "pulse", "current_density": "2 mA/cm^2", "on": "1 s", "off": "1 s",
             "cycles": 2}
    cut = {"step": "strip", "current_density": "2 mA/cm^2", "cutoff": "20 mV", "duration": "1 h"}
    small(protocol=[PLATE, pulse, cut], time=TIME, output=NEVER).run(tmp_path / "r")
    t = read_series(tmp_path / "r" / "series.csv")["t"]
    assert times == pytest.approx([0.0, t[2], 6.0, 10.0, t[-1]])
    kept = sorted(p.name for p in (tmp_path / "r" / "checkpoints").glob("state.*"))
    assert kept == ["state.4", "state.5"]


def test_checkpoints_by_wall_time_do_not_forget_at_the_border_of_protocol_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulses shorter than the wall time between checkpoints: a clock of 0.3 s per look."""
    import types

    from fem.run import simulation

    times = saves(monkeypatch)
    looks = iter(range(10**9))
    clock = types.SimpleNamespace(monotonic=lambda: 0.3 * next(looks), perf_counter=lambda: 0.0)
    monkeypatch.setattr(simulation, "time", clock)
    pulse = {"step": "pulse", "current_density": "2 mA/cm^2", "on": "0.5 s", "off": "0.5 s",
             "cycles": 10}
    small(protocol=[pulse], time=TIME, output={"figures": False, "checkpoint_wall": "1.4 s"}).run(
        tmp_path / "r")
    assert len(times) >= 5
    gaps = np.diff(times[:-1])
    assert gaps.max() <= 2.5 < 10.0


OLD = {"name": "old", "field": "c", "surface": "host_bottom/electrolyte"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stopped after 5 steps; for tests that leave it alone."""
    folder = tmp_path_factory.mktemp("begun") / "r"
    stopped(folder, 5, protocol=[PLATE, STRIP], probe=[OLD])
    return folder


@pytest.fixture
def copied(begun: Path, tmp_path: Path) -> Path:
    """The parent of a copy `r` of it."""
    shutil.copytree(begun, tmp_path / "r")
    return tmp_path


def test_a_signal_at_a_checkpoint_leaves_two_whole_ones(begun: Path) -> None:
    states = sorted((begun / "checkpoints").glob("state.*"))
    assert len(states) == 2
    t = read_series(begun / "series.csv")["t"]
    assert len(t) == 5
    assert checkpoint.latest(begun).manifest["clock"]["t"] == t[-1]


def test_new_output_probes_solver_and_time_options_are_taken(copied: Path) -> None:
    tmp_path = copied
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
    assert result.times.tolist() == pytest.approx([0.0, t + 1, t + 2, t + 3, 6.0, *range(7, 13)])
    assert (tmp_path / "r" / "fields" / "pore.pvd").exists()
    assert series["t"][-1] == pytest.approx(12.0)


@pytest.mark.parametrize(
    "change",
    ["temperature=310 K", "protocol.0.current_density=3 mA/cm^2", "counter.kind=ideal",
     "geometry.size=4 um", "collector.material=Ni", "electrolyte=LiTFSI_DOL_DME",
     'kinetics=[{surface = "host_bottom", i0 = "1 A/m^2"}]'],
)  # fmt: skip
def test_other_physics_is_refused_and_nothing_is_touched(change: str, begun: Path) -> None:
    before = contents(begun)
    with pytest.raises(CaseError, match="is not the one the checkpoint was written with"):
        resume(begun, overrides=[change])
    assert contents(begun) == before


def test_a_folder_in_use_is_refused(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither another run nor a resume touches what a live run writes to."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    folder = str(copied / "r")
    with FolderLock(folder):
        before = contents(copied)
        for command in (["resume", folder], ["run", f"{folder}/case.toml", f"--out={folder}"]):
            assert main(command) == 1
            assert f"in use by process {os.getpid()} on" in capsys.readouterr().err
        assert main(["run", f"{folder}/case.toml", f"--out={folder}", "--overwrite"]) == 1
        assert contents(copied) == before


def test_a_new_end_outlives_another_interruption(copied: Path) -> None:
    """The case that is kept has it; without overrides it is the end of the next resume, too."""
    folder = copied / "r"
    with until(9), pytest.raises(Interrupted):
        resume(folder, overrides=["protocol.1.duration=2 s"])
    assert read_toml(folder / "case.toml")["protocol"][1]["duration"] == "2 s"
    assert resume(folder).summary["t"] == pytest.approx(8.0)
    t = Result(folder).series["t"]
    assert np.diff(t).min() > 0.0 and np.diff(t).max() <= 0.5001  # no double row, no gap


def test_what_was_warned_of_is_still_in_the_summary(copied: Path) -> None:
    """Each warning once, also those that only what happened before the interruption called for."""
    file = checkpoint.latest(copied / "r").state / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["remarks"]["said"]["then"] = "it was warm"
    file.write_text(json.dumps(manifest))
    file.with_name(checkpoint.HASH_FILE).unlink()
    kept = resume(copied / "r").summary["warnings"]
    assert len(kept) >= 2
    assert all(kept.count(text) == 1 for text in manifest["remarks"]["said"].values())


@pytest.mark.parametrize("exactly", [True, False])
def test_fields_of_former_names_are_read(
    copied: Path, exactly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lagged fields ended with `_seen`; bit by bit, and node by node."""
    file = checkpoint.latest(copied / "r").state / "rank0.npz"
    with np.load(file) as kept:
        arrays = {n: kept[n] for n in kept.files}
    assert {"q_lagged", "nodes.q_lagged"} <= {*arrays}
    former = {n.replace("_lagged", "_seen"): array for n, array in arrays.items()}
    np.savez(file, **former)  # type: ignore[arg-type]
    manifest = json.loads(file.with_name("manifest.json").read_text())
    manifest["sha256"] = [checkpoint._digest(file)]
    file.with_name("manifest.json").write_text(json.dumps(manifest))
    file.with_name(checkpoint.HASH_FILE).unlink()
    if not exactly:
        monkeypatch.setattr(checkpoint, "_cells", lambda system: np.zeros(0))
    assert resume(copied / "r").summary["t"] == pytest.approx(12.0)


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
