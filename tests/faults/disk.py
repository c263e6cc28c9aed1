"""A disk that is full, or may not be written: `python -m tests.faults.disk FOLDER` prints JSON.

Mounts a small tmpfs on the folder; run it under `unshare --map-root-user --mount`, so that nobody
else sees it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fem.case.files import to_toml
from tests.run.cases import SMALL

CASE: dict[str, Any] = {
    **SMALL,
    "protocol": [{"step": "plate", "current_density": "2 mA/cm^2", "duration": "4 s"}],
    "time": {"dt0": "0.1 s", "dt_max": "0.1 s"},
    "output": {"figures": False, "fields_every": "1 s", "checkpoint_wall": "1 ms"},
}
INSIDE = ("unshare", "--map-root-user", "--mount")


def mount(*options: str) -> None:
    """Mount, or change a mount."""
    subprocess.run(["mount", *options], check=True)


def hostplate(*command: str) -> dict[str, Any]:
    """Exit code and messages of a run."""
    from fem.cli.main import main

    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = main(command)
    return {"code": code, "output": errors.getvalue()}


@contextlib.contextmanager
def filled(disk: Path, after: int) -> Iterator[None]:
    """Somebody else's file takes all space once the run has made some steps."""
    from fem.run.recorder import Recorder

    step, steps = Recorder.step, itertools.count(1)

    def noted(self: Recorder, *args: Any, **more: Any) -> None:
        step(self, *args, **more)
        if next(steps) == after:
            with open(disk / "ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1024))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "step", noted)
        yield


def files(folder: Path) -> dict[str, int]:
    """Sizes of all files."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}


def main(root: str) -> dict[str, Any]:
    """Full while it runs, read-only, then room again."""
    from fem.files import checkpoint

    disk = Path(root) / "disk"
    disk.mkdir()
    case = Path(root) / "case.toml"
    case.write_text(to_toml(CASE))
    out: dict[str, Any] = {"whole": hostplate("run", str(case), "--out", f"{root}/whole")}
    mount("-t", "tmpfs", "-o", "size=8m", "none", str(disk))
    os.environ["TMPDIR"] = root

    with filled(disk, 10):
        out["full"] = hostplate("run", str(case), "--out", f"{disk}/r")
    found = checkpoint.latest(disk / "r")
    out["kept"] = {"t": found.manifest["clock"]["t"], "damaged": found.damaged}
    out["still full"] = hostplate("resume", f"{disk}/r")
    out["kept still"] = checkpoint.latest(disk / "r").manifest["clock"]["t"]
    (disk / "ballast").unlink()

    mount("-o", "remount,ro", str(disk))
    before = files(disk)
    out["read-only"] = hostplate("resume", f"{disk}/r")
    out["read-only, new"] = hostplate("run", str(case), "--out", f"{disk}/new")
    out["read-only, again"] = hostplate("run", str(case), "--out", f"{disk}/r", "--overwrite")
    out["untouched"] = files(disk) == before
    mount("-o", "remount,rw", str(disk))

    out["resumed"] = hostplate("resume", f"{disk}/r")
    out["left"] = [name for name in files(disk) if name.endswith((".tmp", ".lock"))]
    out["same"] = (disk / "r" / "series.csv").read_text() == (
        Path(root) / "whole" / "series.csv").read_text()

    return out


if __name__ == "__main__":
    result = main(sys.argv[1])
    print(f"RESULT {json.dumps(result)}", flush=True)
