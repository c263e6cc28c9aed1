"""Series, summary, lock and claim: no MPI job, no solver loop, only files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fem.base.errors import CaseError, RunError
from fem.base.folder import FolderLock, claim_folder, write_json, write_text
from fem.compat import MPI
from fem.files.series import Series
from fem.results.result import Result, read_series, series_units

COMM = MPI.COMM_SELF
UNITS = {"t": "s", "voltage": "V", "newton": ""}


def row(t: float) -> dict[str, float]:
    return {"t": t, "voltage": -0.1 / 3.0 * t, "newton": 3}


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "series.csv"
    with Series(COMM, path, UNITS) as series:
        for k in range(5):
            series.add(row(k * 0.1))
    return path


# -- series ------------------------------------------------------------------------------------


def test_series_keeps_every_digit_and_its_units(table):
    assert table.read_text().splitlines()[0] == "t [s],voltage [V],newton"
    assert series_units(table) == UNITS
    data = read_series(table)
    assert data["t"].tolist() == [k * 0.1 for k in range(5)]
    assert data["voltage"].tolist() == [-0.1 / 3.0 * (k * 0.1) for k in range(5)]
    result = Result(table.parent)
    assert result.units["voltage"] == "V" and result.series["newton"].tolist() == [3.0] * 5


def test_rows_are_visible_while_the_run_goes_on(tmp_path):
    series = Series(COMM, tmp_path / "series.csv", UNITS)
    assert len(read_series(series.path)["t"]) == 0
    series.add(row(1.0))
    assert read_series(series.path)["t"].tolist() == [1.0]


def test_restart_drops_what_it_will_write_again(table):
    before = table.read_text().splitlines()
    with Series(COMM, table, UNITS, resume=True) as series:
        series.truncate(0.2)
        assert read_series(table)["t"].tolist() == [0.0, 0.1, 0.2]
        series.add(row(3 * 0.1))
        series.add(row(4 * 0.1))
    assert table.read_text().splitlines() == before


def test_a_row_cut_short_by_a_kill_is_dropped(table):
    with open(table, "a") as file:
        file.write("0.5,-0.0")
    assert len(read_series(table)["t"]) == 5
    with Series(COMM, table, UNITS, resume=True) as series:
        series.add(row(0.5))
    assert read_series(table)["voltage"][-1] == row(0.5)["voltage"]


def test_other_columns_after_a_restart_leave_gaps_and_lose_nothing(table):
    """A probe was taken out, another one added: NaN where there is no number."""
    before = read_series(table)
    units = {"t": "s", "voltage": "V", "c_min": "mol/m^3"}
    with Series(COMM, table, units, resume=True) as series:
        series.truncate(0.3)
        series.add({"t": 0.4, "voltage": -1.0, "c_min": 900.0})
    found = read_series(table)
    assert series_units(table) == {**units, "newton": ""}
    assert found["voltage"].tolist() == [*before["voltage"][:4], -1.0]
    np.testing.assert_array_equal(found["newton"], [3, 3, 3, 3, np.nan])
    np.testing.assert_array_equal(found["c_min"], [np.nan] * 4 + [900.0])
    with Series(COMM, table, UNITS, resume=True) as series:  # and back again
        series.add(row(0.5))
    assert read_series(table)["newton"][-1] == 3 and np.isnan(read_series(table)["c_min"][-1])


def test_series_refuses_incomplete_rows(table):
    with Series(COMM, table, UNITS, resume=True) as series:
        with pytest.raises(RunError, match="lacks \\['newton'\\]"):
            series.add({"t": 1.0, "voltage": 0.0})
        with pytest.raises(RunError, match="unknown \\['speed'\\]"):
            series.add({**row(1.0), "speed": 0.0})
    assert len(read_series(table)["t"]) == 5


def test_what_is_not_a_series_is_refused(tmp_path):
    path = tmp_path / "series.csv"
    with pytest.raises(CaseError, match="cannot be read"):
        read_series(path)
    path.write_text("t [s],name\n0.0,abc\n")
    with pytest.raises(CaseError, match="not a table of numbers"):
        read_series(path)


# -- JSON --------------------------------------------------------------------------------------


def test_json_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "summary.json"
    write_json(COMM, path, {"a": np.float64(0.1), "b": np.arange(2), "c": float("nan"), "d": (1,)})
    assert json.loads(path.read_text()) == {"a": 0.1, "b": [0, 1], "c": None, "d": [1]}
    assert Result(tmp_path).summary["b"] == [0, 1]
    with pytest.raises(RunError, match="not JSON serializable"):
        write_json(COMM, path, {"a": object()})
    assert json.loads(path.read_text())["a"] == 0.1
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_failed_write_leaves_no_draft(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError) as refused:
        write_text(target, "a folder cannot be replaced by a file")
    assert refused.value.filename == str(target)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


# -- lock --------------------------------------------------------------------------------------

HOLD = """
import sys, time
from fem.base.folder import FolderLock
FolderLock(sys.argv[1]).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other_run(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_live_run_keeps_its_folder_and_a_dead_one_does_not(tmp_path, other_run, monkeypatch):
    monkeypatch.setattr(FolderLock, "GRACE", 0.3)
    begin = time.monotonic()
    with pytest.raises(CaseError, match=f"in use by process {other_run.pid} on "):
        FolderLock(tmp_path).acquire()
    assert time.monotonic() > begin + 0.3  # it might have been about to end
    with pytest.raises(CaseError, match="in use"):
        claim_folder(COMM, tmp_path, overwrite=True)
    other_run.kill()
    other_run.wait()
    with FolderLock(tmp_path) as lock:
        assert f"taking over from process {other_run.pid}" in lock.message
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()
        with pytest.raises(CaseError, match="in use"):  # not even the same process twice
            FolderLock(tmp_path).acquire()
    assert not lock.path.exists()
    lock.release()  # harmless


RACE = """
import sys, time
from pathlib import Path
from fem.base.errors import CaseError
from fem.base.folder import FolderLock
FolderLock.GRACE = 0.2  # seconds that the refused wait
print("ready", flush=True)
while not (Path(sys.argv[1]) / "go").exists():
    time.sleep(0.001)
try:
    FolderLock(Path(sys.argv[1]) / "r").acquire()
    print("held", flush=True)
except CaseError as error:
    print(error, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("left", ["", "a dead run's lock"])
def test_of_runs_that_start_together_one_gets_the_folder(left, tmp_path, other_run):
    if left:
        (tmp_path / "r").mkdir()
        os.link(tmp_path / ".lock", tmp_path / "r" / ".lock")
        other_run.kill()
        other_run.wait()
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    shown = [run.stdout for run in runs if run.stdout]
    assert [out.readline() for out in shown] == ["ready\n"] * 4
    (tmp_path / "go").touch()
    output = [out.readline() for out in shown]
    refused = [line for line in output if line != "held\n"]
    assert len(refused) == 3
    assert all("in use by process" in line or "just started here" in line for line in refused)
    for run in runs:
        run.communicate(timeout=30)


def test_number_of_a_process_that_was_used_again_does_not_count(tmp_path):
    with FolderLock(tmp_path) as lock:
        owner = json.loads(lock.path.read_text())
    if not owner["process_start"]:
        pytest.skip("this system does not tell when a process started")
    lock.path.write_text(json.dumps({**owner, "process_start": "12345"}))
    with FolderLock(tmp_path) as again:
        assert "taking over" in again.message


def test_run_on_another_machine_is_believed_while_its_lock_is_fresh(tmp_path, monkeypatch):
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"pid": 1, "host": "node17", "started": "noon", "job": "42"}))
    with pytest.raises(CaseError, match=r"process 1 on node17 since noon.*delete .*lock"):
        FolderLock(tmp_path).acquire()
    long_ago = time.time() - 2 * FolderLock.PATIENCE
    os.utime(path, (long_ago, long_ago))
    with FolderLock(tmp_path) as lock:
        assert "node17" in lock.message
    path.write_text(json.dumps({"pid": 1, "host": "node17", "started": "noon", "job": "42"}))
    monkeypatch.setenv("SLURM_JOB_ID", "42")  # the same job, queued again on another node
    with FolderLock(tmp_path) as lock:
        assert "node17" in lock.message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\x00\x01"])
def test_a_lock_that_says_nothing_is_believed_while_it_is_fresh(text, tmp_path):
    path = tmp_path / ".lock"
    path.write_text(text)
    with pytest.raises(CaseError, match=r"in use by process None.*delete .*lock"):
        FolderLock(tmp_path).acquire()
    os.utime(path, (1.0, 1.0))
    with FolderLock(tmp_path) as lock:
        assert "taking over" in lock.message
    assert list(tmp_path.iterdir()) == []


def test_lock_is_touched_while_held(tmp_path, monkeypatch):
    monkeypatch.setattr(FolderLock, "PULSE", 0.02)
    with FolderLock(tmp_path) as lock:
        os.utime(lock.path, (1.0, 1.0))
        end = time.monotonic() + 5.0
        while lock.path.stat().st_mtime < 2.0 and time.monotonic() < end:
            time.sleep(0.02)
        assert lock.path.stat().st_mtime > 2.0


# -- claim -------------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_claim_makes_the_folder_and_locks_it(tmp_path):
    folder = tmp_path / "results" / "mine"
    with claim_folder(COMM, folder) as lock:
        assert lock.message == "" and (folder / ".lock").exists()
    assert list(folder.iterdir()) == []


def test_results_are_never_touched_without_overwrite_and_never_deleted_with_it(tmp_path):
    folder = tmp_path / "mine"
    (folder / "fields").mkdir(parents=True)
    (folder / "fields" / "pore.h5").write_text("numbers")
    (folder / "notes.txt").write_text("mine")
    before = snapshot(folder)
    with pytest.raises(CaseError, match=r"already holds results.*fields.*--overwrite"):
        claim_folder(COMM, folder)
    assert snapshot(folder) == before
    for number in (1, 2):
        with claim_folder(COMM, folder, overwrite=True) as lock:
            assert f"mine.old-{number}" in lock.message
            (folder / "series.csv").write_text(f"run {number}\n")
    assert snapshot(tmp_path / "mine.old-1") == before
    assert snapshot(tmp_path / "mine.old-2") == {"series.csv": "run 1\n"}


def test_claim_leaves_foreign_files_where_they_are(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with claim_folder(COMM, tmp_path, overwrite=True) as lock:
        assert lock.message == ""
    assert snapshot(tmp_path) == {"notes.txt": "mine"}


def test_claim_refuses_what_it_cannot_move_or_make(tmp_path, monkeypatch):
    (tmp_path / "series.csv").write_text("t [s]\n")
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    with pytest.raises(CaseError, match="working folder"):
        claim_folder(COMM, tmp_path, overwrite=True)
    with pytest.raises(CaseError, match="is a file"):
        claim_folder(COMM, tmp_path / "series.csv")
    with pytest.raises(CaseError, match="cannot be created"):
        claim_folder(COMM, tmp_path / "series.csv" / "deeper")
