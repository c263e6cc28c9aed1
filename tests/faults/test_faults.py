"""One rank fails at any stage: all ranks end within seconds, with exit code 2, rank and reason.

Nothing that a failed step did is written, and what was written before goes on by `resume`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fem import Case
from fem.case.files import to_toml
from fem.files import checkpoint
from fem.results.result import Result, read_series
from fem.run.session import resume
from tests.case.base import changed
from tests.conftest import environment, mpiexec, show
from tests.run.cases import SMALL

from .injection import KILLED, STAGES, fault, reason

pytestmark = pytest.mark.undisturbed

#: From the fault to the end of the job, on a busy machine.
SECONDS = 12.0
SHORT: dict[str, Any] = {
    **SMALL,
    "protocol": [{"step": "plate", "current_density": "2 mA/cm^2", "duration": "2 s"}],
    "time": {"dt0": "0.2 s", "dt_max": "0.2 s"},
    "solver": {"rtol": 1e-10},
    "output": {"figures": False, "fields_every": "0.4 s", "checkpoint_wall": "1 ms"},
}


def case_file(folder: Path) -> Path:
    path = folder / "short.toml"
    path.write_text(to_toml(SHORT))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The run without a fault."""
    result: Result = Case.from_dict(SHORT).run(tmp_path_factory.mktemp("whole") / "r")
    return result


def job(
    ranks: int, stage: str, rank: int, folder: Path
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a job with a fault in it; how it ended, and seconds from the fault to its end."""
    mark = folder / "mark"
    command = [sys.executable, "-m", "tests.faults.injection", stage, str(rank), str(mark)]
    command += ["run", str(case_file(folder)), "--out", str(folder / "r"), "--quiet"]
    done = subprocess.run(
        command if ranks == 1 else [*mpiexec(ranks), *command],
        env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert mark.exists(), show(done.args, done.stdout, done.stderr)
    return done, time.time() - float(mark.read_text())


def ends(ranks: int, stage: str, rank: int, folder: Path, whole: Result) -> float:
    """A job with a fault in it ends as it must; seconds from the fault to its end."""
    done, took = job(ranks, stage, rank, folder)
    output = show(done.args, done.stdout, done.stderr)
    assert done.returncode == 2, output
    assert ranks == 1 or f"rank {rank}" in done.stderr, output
    assert reason(stage) in done.stderr, output
    assert took < SECONDS, output
    if stage in ("mesh reading", "JIT"):
        assert not (folder / "r").exists()
    else:
        goes_on(folder / "r", whole)
    return took


def goes_on(folder: Path, whole: Result) -> None:
    """A whole checkpoint, rows up to it or beyond, no draft; the run comes to its end."""
    t = checkpoint.latest(folder).manifest["clock"]["t"]
    if (folder / "series.csv").exists():
        assert read_series(folder / "series.csv")["t"].max(initial=0.0) >= t
    resume(folder)
    result = Result(folder)
    for column in ("t", "voltage", "charge", "plated"):
        assert result.series[column] == pytest.approx(whole.series[column], rel=1e-9), column
    assert result.times == pytest.approx(whole.times)
    assert not [p for p in folder.rglob("*") if p.name.endswith(".tmp") or p.name == ".lock"]


@pytest.mark.parametrize("stage", list(STAGES))
def test_on_one_rank(
    stage: str, whole: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: the command ends with 2 and says why."""
    from fem.cli.main import main
    from fem.run import session

    session._LAST.clear()  # the mesh of an earlier test is not read again
    hook = sys.excepthook
    try:
        with fault(stage, 0, tmp_path / "mark"):
            code = main(["run", str(case_file(tmp_path)), "--out", str(tmp_path / "r"), "--quiet"])
    finally:
        sys.excepthook = hook
    output = capsys.readouterr().err
    assert code == 2 and reason(stage) in output, output
    assert ("Traceback" in output) == (stage == "solve")  # a ValueError is a fault of the program
    if stage in ("mesh reading", "JIT"):
        assert not (tmp_path / "r").exists()
    else:
        goes_on(tmp_path / "r", whole)


def together(folder: str) -> list[Any]:
    """Faults that all ranks notice together: the job goes on, here with the next of them."""
    from fem.cli.main import main
    from fem.compat import MPI

    codes: list[Any] = []
    for stage in ("JIT", "checkpoint"):
        here = Path(folder) / stage
        if MPI.COMM_WORLD.rank == 0:
            here.mkdir()
            case_file(here)
        MPI.COMM_WORLD.Barrier()
        output = io.StringIO()
        with fault(stage, 1, here / "mark"), contextlib.redirect_stderr(output):
            command = ["run", str(here / "short.toml"), "--out", str(here / "r"), "--quiet"]
            codes += [main(command), output.getvalue()]
    return codes


def test_all_ranks_notice_together(
    mpirun: Callable[..., Any], whole: Result, tmp_path: Path
) -> None:
    code, loading, other, saving = mpirun(2, together, str(tmp_path))
    assert code == other == 2
    assert f"rank 1 cannot load what rank 0 compiled: {reason('JIT')}" in loading
    assert "rank 1: checkpoint" in saving and reason("checkpoint") in saving
    assert not (tmp_path / "JIT" / "r").exists()
    goes_on(tmp_path / "checkpoint" / "r", whole)


@pytest.mark.parametrize(
    ("ranks", "stage"),
    [(2, "mesh reading"), (2, "a rank alone"), (2, "writing"), (3, "solve")],
)
@pytest.mark.usefixtures("mpirun")
def test_the_last_rank_fails(ranks: int, stage: str, whole: Result, tmp_path: Path) -> None:
    ends(ranks, stage, ranks - 1, tmp_path, whole)


@pytest.mark.usefixtures("mpirun")
def test_run_with_ranks_ends_with_2_if_one_is_killed(whole: Result, tmp_path: Path) -> None:
    """With a word how to go on; the result names both starts."""
    mpiexec(2)  # counts as a launch
    (tmp_path / "long.toml").write_text(to_toml(changed(
        {"time.dt_max": "1 ms", "time.dt0": "1 ms", "output.fields_every": None}, SHORT
    )))
    command = [sys.executable, "-m", "fem.cli", "run", "long.toml", "--out", "r", "--ranks", "2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while not [*(tmp_path / "r" / "checkpoints").glob("state.*[0-9]")]:
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(json.loads((tmp_path / "r" / ".lock").read_text())["pid"], signal.SIGKILL)
        output = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 2, output
    assert "hostplate: a rank was killed" in output and "`hostplate resume r --ranks 2`" in output
    options = ["time.dt_max=0.2 s", "output.checkpoint_wall=10 min"]
    summary = resume(tmp_path / "r", overrides=options).summary
    (first,) = summary["earlier_starts"]
    assert first["command"] == "hostplate run long.toml --out r --ranks 2"
    assert (first["ranks"], summary["ranks"]) == (2, 1)
    assert first["versions"] == summary["versions"] and first["host"] == socket.gethostname()


@pytest.mark.campaign
def test_each_rank_at_each_stage(
    whole: Result, tmp_path: Path, reached: Callable[..., None]
) -> None:
    """Each rank of 1, 2 and 3 at each stage."""
    slowest, jobs = dict.fromkeys(STAGES, 0.0), 0
    for ranks in (1, 2, 3):
        for rank in range(ranks):
            for stage in STAGES:
                folder = tmp_path / f"{ranks}.{rank}.{stage}"
                folder.mkdir()
                slowest[stage] = max(slowest[stage], ends(ranks, stage, rank, folder, whole))
                jobs += 1
    reached("jobs that ended with 2, rank and reason", jobs, least=42)
    for stage, took in slowest.items():
        reached(f"{stage}: from the fault to the end, longest", took, most=SECONDS, unit="s")


@pytest.mark.campaign
def test_one_rank_is_killed(whole: Result, tmp_path: Path, reached: Callable[..., None]) -> None:
    """SIGKILL of one rank ends the others, and what is left goes on."""
    slowest = 0.0
    for ranks, rank in ((2, 0), (2, 1), (3, 2)):
        folder = tmp_path / f"{ranks}.{rank}"
        folder.mkdir()
        done, took = job(ranks, KILLED, rank, folder)
        assert done.returncode not in (0, 1, 3), show(done.args, done.stdout, done.stderr)
        goes_on(folder / "r", whole)
        slowest = max(slowest, took)
    reached("from the kill to the end of the job, longest", slowest, most=SECONDS, unit="s")
