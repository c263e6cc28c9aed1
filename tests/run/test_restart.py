"""Killed, stopped and damaged runs go on to the same end."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import CaseError, Interrupted
from fem.case.files import to_toml
from fem.files import checkpoint
from fem.results.result import Result, read_series
from fem.run.session import resume
from fem.run.signals import StopRequest
from tests.conftest import environment, mpiexec

from .cases import SMALL, small, state_of

pytestmark = pytest.mark.undisturbed

# Some 70 steps of 10 ms: long enough to be hit by a signal.
LONG: dict[str, Any] = {
    **SMALL,
    "protocol": [
        {"step": "plate", "current_density": "2 mA/cm^2", "duration": "15 s"},
        {"step": "strip", "current_density": "1 mA/cm^2", "duration": "15 s"},
    ],
    "time": {"dt0": "0.1 s", "dt_max": "0.5 s"},
    "output": {"figures": False, "fields_every": "10 s", "checkpoint_wall": "150 ms"},
}


def _same(a: Path, b: Path, rtol: float) -> None:
    """Two result folders hold the same state and the same series."""
    one, other = state_of(a), state_of(b)
    assert one.keys() == other.keys()
    for name, values in one.items():
        scale = np.abs(values).max() if np.size(values) else 0.0
        np.testing.assert_allclose(other[name], values, rtol=rtol, atol=rtol * scale, err_msg=name)
    first, second = (read_series(folder / "series.csv") for folder in (a, b))
    assert len(first["t"]) == len(second["t"])
    for name in ("t", "voltage", "charge", "plated", "c_min"):
        np.testing.assert_allclose(second[name], first[name], rtol=rtol, atol=rtol, err_msg=name)
    assert Result(a).times.tolist() == pytest.approx(Result(b).times.tolist())
    left = [p.name for p in b.rglob("*") if p.name.endswith(".tmp")]
    assert left == []
    assert not (b / ".lock").exists()


def _stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Act as if a signal came during a step."""
    asked = iter(range(10**6))
    monkeypatch.setattr(
        StopRequest, "agreed", lambda self: signal.SIGUSR1 if next(asked) == steps else 0
    )


def _stop_and_resume(
    case: Case, folder: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a case that a signal stops after some steps, and go on to its end."""
    with monkeypatch.context() as patch:
        _stop_after(patch, steps)
        with pytest.raises(Interrupted, match=r"stopped by signal 10 at .*hostplate resume"):
            case.run(folder)
    assert not (folder / "summary.json").exists()
    resume(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole") / "r"
    small(**{name: LONG[name] for name in ("protocol", "time", "output")}).run(folder)
    return folder


@pytest.mark.parametrize("steps", [3, 51])
def test_serial_restart_is_bitwise(
    steps: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = small(**{name: LONG[name] for name in ("protocol", "time", "output")})
    _stop_and_resume(case, tmp_path / "r", steps, monkeypatch)
    _same(whole, tmp_path / "r", 0.0)


def test_a_restart_goes_on_with_the_trend_of_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third step is more accurate than the fourth, so the fifth is shorter than it might be."""
    case = small(
        protocol=[{"step": "plate", "current_density": "2 mA/cm^2", "duration": "2 s"}],
        time={"dt0": "0.1 s", "tolerance": 1e-4},
    )
    case.run(tmp_path / "whole")
    _stop_and_resume(case, tmp_path / "r", 2, monkeypatch)
    _same(tmp_path / "whole", tmp_path / "r", 0.0)


def test_a_restart_knows_what_bare_walls_have_plated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metal covers a wall at a voltage that is held, where salt bounds what reacts."""
    wall = {"surface": "collector", "i0": "0.5 mA/cm^2", "eta_nuc": "44 mV", "q_cov": "20 C/m^2"}
    case = small(
        study="growth",
        geometry={"family": "planar", "length": "6 um", "width": "1 um", "size": "0.5 um"},
        growth={"interface_width": "1 um"},
        kinetics=[wall, {"surface": "metal", "i0": "0.5 mA/cm^2"}], collector={"material": "Cu"},
        regions={},
        protocol=[{"step": "hold", "voltage": "-50 mV", "duration": "20 s"}],
        time={"dt0": "2 s", "tolerance": 0.01},
    )
    case.run(tmp_path / "whole")
    _stop_and_resume(case, tmp_path / "r", 5, monkeypatch)
    _same(tmp_path / "whole", tmp_path / "r", 0.0)


def test_a_damaged_checkpoint_falls_back(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a word; it no longer counts as one of the two that are kept."""
    case = small(**{name: LONG[name] for name in ("protocol", "time", "output")})
    _stop_after(monkeypatch, 30)
    with pytest.raises(Interrupted):
        case.run(tmp_path / "r")
    monkeypatch.undo()
    newest = checkpoint.latest(tmp_path / "r").state
    manifest, fields = ((newest / name).read_bytes() for name in ("manifest.json", "rank0.npz"))
    (newest / "manifest.json").write_bytes(manifest.replace(b'"history": 3', b'"history": 2'))
    assert checkpoint.latest(tmp_path / "r").damaged == [newest.name]
    (newest / "manifest.json").write_bytes(manifest)
    assert checkpoint.latest(tmp_path / "r").damaged == []
    (newest / "rank0.npz").write_bytes(fields[: len(fields) // 2])
    _stop_after(monkeypatch, 1)
    with pytest.raises(Interrupted):
        resume(tmp_path / "r", quiet=False)
    monkeypatch.undo()
    shown = capsys.readouterr().out
    assert f"checkpoint {newest.name} is damaged; using the one before it" in shown
    kept = sorted((tmp_path / "r" / "checkpoints").glob("state.*"))
    assert [checkpoint._whole(state) is not None for state in kept] == [True, True]
    resume(tmp_path / "r")
    _same(whole, tmp_path / "r", 0.0)


def test_before_the_first_step_there_is_a_checkpoint(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fem.run.simulation import Simulation

    def killed(self: Simulation) -> None:
        raise KeyboardInterrupt

    case = small(**{name: LONG[name] for name in ("protocol", "time", "output")})
    monkeypatch.setattr(Simulation, "go", killed)
    with pytest.raises(KeyboardInterrupt):
        case.run(tmp_path / "r")
    monkeypatch.undo()
    resume(tmp_path / "r")
    _same(whole, tmp_path / "r", 0.0)


def test_what_cannot_be_resumed(tmp_path: Path) -> None:
    step = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 s"}
    small(protocol=[step]).run(tmp_path / "r")
    with pytest.raises(CaseError, match="case or its mesh is not the one the checkpoint was"):
        resume(tmp_path / "r", overrides=["temperature=310 K"])
    longer = resume(tmp_path / "r", overrides=["protocol.0.duration=2 s"])
    assert longer.summary["t"] == pytest.approx(2.0)
    for file in (tmp_path / "r" / "checkpoints").glob("*/manifest.json"):
        file.write_text("{")
    with pytest.raises(CaseError, match=r"no intact checkpoint \(state"):
        resume(tmp_path / "r")


def test_an_event_is_not_passed_by_resuming(tmp_path: Path) -> None:
    steps = [{"step": "plate", "current_density": "1 mA/cm^2", "cutoff": "-85 mV",
              "duration": "1 h"}]
    small(protocol=steps).run(tmp_path / "r")
    before = state_of(tmp_path / "r")
    again = resume(tmp_path / "r").summary
    assert len(again["events"]) == 1
    assert again["t"] == before["t"]


# -- real processes ----------------------------------------------------------------------------


#: What commands do in a folder with `long.toml`.
RUN, RESUME = ("run", "long.toml", "--out", "r"), ("resume", "r")


def _start(folder: Path, ranks: int, words: tuple[str, ...] = RUN) -> subprocess.Popen[str]:
    (folder / "long.toml").write_text(to_toml(LONG))
    command = [sys.executable, "-m", "fem.cli", *words]
    return subprocess.Popen(
        command if ranks == 1 else [*mpiexec(ranks), *command],
        cwd=folder, env=environment(), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _wait_for_rows(folder: Path, rows: int) -> None:
    path, end = folder / "r" / "series.csv", time.monotonic() + 90
    while time.monotonic() < end:
        if path.is_file() and path.read_text().count("\n") > rows:
            return
        time.sleep(0.005)
    raise AssertionError(f"no {rows} rows in {path}")


def test_a_signal_ends_a_serial_run_with_3(whole: Path, tmp_path: Path) -> None:
    process = _start(tmp_path, 1)
    _wait_for_rows(tmp_path, 15)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 3, message
    assert "stopped by signal 15" in message and "hostplate resume" in message
    resume(tmp_path / "r")
    _same(whole, tmp_path / "r", 0.0)


def test_the_other_signal_comes_in_the_middle_of_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The step is finished and written, then the run ends with 3."""
    from fem.cli.main import main
    from fem.solver.linear import LinearSolver

    inverse, calls = LinearSolver.apply_inverse, itertools.count(1)

    def disturbed(self: LinearSolver, *args: Any) -> Any:
        if next(calls) == 40:
            signal.raise_signal(signal.SIGUSR1)
        return inverse(self, *args)

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(LinearSolver, "apply_inverse", disturbed)
    (tmp_path / "long.toml").write_text(to_toml(LONG))
    assert main(["run", f"{tmp_path}/long.toml", f"--out={tmp_path}/r", "--quiet"]) == 3
    assert "stopped by signal 10 at t = " in capsys.readouterr().err
    t = read_series(tmp_path / "r" / "series.csv")["t"]
    assert checkpoint.latest(tmp_path / "r").manifest["clock"]["t"] == t[-1]
    assert 3 <= len(t) <= 40 and not (tmp_path / "r" / ".lock").exists()


def test_kill_9_then_resume(whole: Path, tmp_path: Path) -> None:
    process = _start(tmp_path, 1)
    _wait_for_rows(tmp_path, 45)
    process.kill()
    process.communicate(timeout=60)
    assert (tmp_path / "r" / ".lock").exists()
    (tmp_path / "r" / "fields" / ".pore.xdmf.1.tmp").write_text("killed while it was written")
    resume(tmp_path / "r")  # takes over the lock of the dead process
    _same(whole, tmp_path / "r", 0.0)


def _command(*words: str) -> list[Any]:
    """Exit code and texts of a command, by ranks that have loaded the solver already."""
    from fem.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return [code, out.getvalue(), err.getvalue()]


def test_two_ranks_go_on_after_a_signal_and_after_kill_9(
    mpirun: Callable[..., Any], tmp_path: Path
) -> None:
    """A command is asked to stop, the one that resumes it is killed; ranks end what they left."""
    (whole := tmp_path / "whole").mkdir()
    (whole / "long.toml").write_text(to_toml(LONG))
    code, out, err = mpirun(2, _command, "run", f"{whole}/long.toml", "--out", f"{whole}/r")
    assert code == 0, out + err
    stops = (RUN, 15, signal.SIGTERM, 3), (RESUME, 45, signal.SIGKILL, -signal.SIGKILL)
    for words, rows, number, expected in stops:
        process = _start(tmp_path, 2, words)
        _wait_for_rows(tmp_path, rows)
        os.kill(process.pid, number)
        _, message = process.communicate(timeout=60)
        assert process.returncode == expected, message
    code, _, err = mpirun(2, _command, "resume", f"{tmp_path}/r")
    assert code == 0, err
    _same(whole / "r", tmp_path / "r", 1e-12)


def _full_disk(folder: str) -> list[int]:
    """Exit codes of runs whose disk is full, on one rank only: for a checkpoint, for the series."""
    import errno

    from fem.cli.main import main
    from fem.compat import MPI
    from fem.files.series import Series

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    codes = []
    (Path(folder) / "long.toml").write_text(to_toml(LONG))
    with pytest.MonkeyPatch.context() as patch:
        if MPI.COMM_WORLD.rank == 1:
            patch.setattr(np, "savez", full)
        codes.append(main(["run", f"{folder}/long.toml", "--out", f"{folder}/a"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Series, "_add", full)
        codes.append(main(["run", f"{folder}/long.toml", "--out", f"{folder}/b"]))
    return codes


def test_a_full_disk_ends_both_ranks_with_2(mpirun: Any, tmp_path: Path) -> None:
    assert mpirun(2, _full_disk, str(tmp_path)) == [2, 2]
    assert not list(tmp_path.glob("*/.lock"))
    assert not list((tmp_path / "a" / "checkpoints").glob("state.[0-9]"))
    assert checkpoint.latest(tmp_path / "b").manifest["clock"]["t"] == 0.0
