"""A full or read-only disk: a clear error, the last checkpoint whole, and on once there is room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fem.case.files import to_toml
from fem.files import checkpoint
from fem.results.result import read_series
from fem.run.session import resume
from tests.conftest import ROOT, environment

from .disk import CASE, INSIDE

LIMITED = """
import resource, signal, sys
import fem.run.session  # MPI makes large files of its own
from fem.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (85_000, resource.RLIM_INFINITY))
sys.exit(main(["run", "case.toml", "--out", "r", "--quiet"]))
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Report of the runs on a tmpfs of 8 MB."""
    if subprocess.run([*INSIDE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mounts; see test_files_that_may_not_grow")
    folder = tmp_path_factory.mktemp("disk")
    done = subprocess.run(
        [*INSIDE, sys.executable, "-m", "tests.faults.disk", str(folder)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "RESULT " in done.stdout, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.split("RESULT ")[1])
    assert found["whole"]["code"] == 0, found
    assert "Traceback" not in str(found) + done.stderr
    return found


def test_a_disk_that_fills_up_while_a_run_writes(disk: dict[str, Any]) -> None:
    for attempt in ("full", "still full"):
        assert disk[attempt]["code"] == 2
        assert "No space left on device; make room, then `hostplate resume`" in (
            disk[attempt]["output"])
    assert disk["kept"]["t"] > 0.0 and disk["kept"]["damaged"] == []
    assert disk["kept still"] == disk["kept"]["t"]


def test_a_disk_that_may_not_be_written(disk: dict[str, Any]) -> None:
    assert disk["read-only"]["code"] == disk["read-only, again"]["code"] == 2
    for attempt in ("read-only", "read-only, again"):
        assert "Read-only file system; make it writable" in disk[attempt]["output"]
    assert disk["read-only, new"]["code"] == 1
    assert "cannot be created: Read-only file system" in disk["read-only, new"]["output"]
    assert disk["untouched"]


def test_with_room_again_the_run_ends_as_if_nothing_had_been(disk: dict[str, Any]) -> None:
    assert disk["resumed"]["code"] == 0 and disk["same"] and disk["left"] == []


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """A limit on the size of files, where there is no other file system to fill.

    It is the list of times that grows; a time has files of its own.
    """
    often = {**CASE, "output": {**CASE["output"], "fields_every": "30 ms"}}
    (tmp_path / "case.toml").write_text(to_toml(often))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=tmp_path, env=environment(), capture_output=True,
        text=True, timeout=120, check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "File too large; make room, then `hostplate resume`" in done.stderr
    assert "Traceback" not in done.stderr
    assert 0.0 < checkpoint.latest(tmp_path / "r").manifest["clock"]["t"] < 4.0
    resume(tmp_path / "r")
    assert read_series(tmp_path / "r" / "series.csv")["t"][-1] == pytest.approx(4.0)
