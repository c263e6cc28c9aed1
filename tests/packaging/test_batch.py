"""The batch scripts: what they start, and what each exit code makes them do.

`hostplate`, `mpiexec` and `scontrol` are stand-ins that note how they are called and end as asked.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

BATCH = ROOT / "scripts" / "batch"
STAND_IN = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$LOG"
[ "$(basename "$0")" = scontrol ] && exit 0
calls=$(grep -c . "$LOG")
save() {
  mkdir -p "$OUT/checkpoints/state.$calls"
  : > "$OUT/checkpoints/state.$calls/manifest.json"
}
trap 'save; exit 3' TERM
[ -z "${HOLD:-}" ] || { sleep "$HOLD" >&- 2>&- & wait $!; }
set -- $CODES
code=${!calls:-0}
[ "$code" = 1 ] || save
[ "$code" != 137 ] || kill -9 $$
[ "$code" != lock ] || { : > "$OUT/.lock"; exit 2; }
exit "$code"
"""


class Machine:
    """A folder with stand-ins."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "log"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("hostplate", "mpiexec", "scontrol"):
            (self.bin / name).write_text(STAND_IN)
            (self.bin / name).chmod(0o755)

    def start(self, script: str, codes: str, **more: str) -> subprocess.Popen[str]:
        surroundings = os.environ | {
            "HOSTPLATE_BIN": str(self.bin), "LOG": str(self.log), "OUT": str(self.folder / "r"),
            "CODES": codes, "SLURM_NTASKS": "4", "SLURM_JOB_ID": "77", **more,
        }  # fmt: skip
        return subprocess.Popen(
            [str(BATCH / script), "mine.toml", str(self.folder / "r"), "--set", "a=1 s"],
            env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, script: str, codes: str, **more: str) -> tuple[int, list[str]]:
        process = self.start(script, codes, **more)
        process.communicate(timeout=60)
        return process.returncode, self.calls()

    def calls(self) -> list[str]:
        return [line.replace(str(self.folder), ".") for line in self.log.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


RUN = "hostplate run mine.toml --out ./r --ranks 2 --set a=1 s"
RESUME = "hostplate resume ./r --ranks 2"


@pytest.mark.parametrize(
    ("codes", "code", "calls"),
    [
        ("0", 0, [RUN]),
        ("3 3 0", 0, [RUN, RESUME, RESUME]),
        ("1", 1, [RUN]),
        ("3 2", 2, [RUN, RESUME]),
        ("137 0", 0, [RUN, RESUME]),
        ("lock 0", 0, [RUN, RESUME]),  # a rank was killed
    ],
)
def test_plain_machine(codes: str, code: int, calls: list[str], machine: Machine) -> None:
    assert machine.run("plain.sh", codes, RANKS="2") == (code, calls)


def test_plain_machine_in_slices(machine: Machine) -> None:
    """A run that is asked to stop after a second goes on, until the script itself is."""
    process = machine.start("plain.sh", "", RANKS="2", SLICE="1", HOLD="30")
    end = time.monotonic() + 30
    while not machine.log.exists() or len(machine.calls()) < 3:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=30)
    assert process.returncode == 3, output
    assert machine.calls()[:2] == [RUN, RESUME]


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (2, False), (3, True)])
def test_slurm(code: int, again: bool, machine: Machine) -> None:
    """Only an interrupted run is queued again, and then resumed."""
    ended, calls = machine.run("slurm.sh", str(code))
    assert ended == code
    assert calls[0] == "mpiexec -n 4 hostplate run mine.toml --out ./r --set a=1 s"
    assert (calls[1:] == ["scontrol requeue 77"]) == again
    if again:
        assert machine.run("slurm.sh", "3 3 0")[1][2] == "mpiexec -n 4 hostplate resume ./r"


def test_slurm_passes_the_signal_on(machine: Machine) -> None:
    process = machine.start("slurm.sh", "0", HOLD="30")
    end = time.monotonic() + 30
    while not machine.log.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 3
    assert machine.calls()[-1] == "scontrol requeue 77"
