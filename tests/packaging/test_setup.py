"""Set-up, pins, container and batch scripts: they agree with each other and do what they say."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    ROOT / ".ci" / "run",
    ROOT / "scripts" / "setup",
    ROOT / "scripts" / "container_proof",
    ROOT / "scripts" / "batch" / "slurm.sh",
    ROOT / "scripts" / "batch" / "container.sh",
    ROOT / "scripts" / "batch" / "entrypoint",
    ROOT / "scripts" / "batch" / "warm",
]


def constraints() -> dict[str, str]:
    """Package -> version of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", pin) for pin in pins), pins
    return dict(pin.split("==") for pin in pins)


def requirements(*extras: str) -> list[Requirement]:
    """Requirements of pyproject.toml, with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]
    return [Requirement(text) for text in texts]


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    """constraints.txt fixes whatever pyproject.toml asks for."""
    pins = constraints()
    for requirement in requirements("wheel", "test", "dev", "docs", "view"):
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_pins_are_what_is_tested() -> None:
    """This environment holds the pinned solver and numerics."""
    pins = constraints()
    names = ["dolfinx-solver-real", "numpy", "scipy", "gmsh", "pydantic", "pint"]
    assert {name: version(name) for name in names} == {name: pins[name] for name in names}


def test_light_dependencies() -> None:
    """A login node installs no MPI, PETSc, VTK or mesher by default."""
    assert {requirement.name for requirement in requirements()} == {
        "numpy",
        "pint",
        "pydantic",
        "rich",
        "tomlkit",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_executable_and_parses(script: Path) -> None:
    """Shell scripts can be started and have no syntax error."""
    assert os.access(script, os.X_OK)
    shell = script.read_text().splitlines()[0].split("/")[-1].removeprefix("env ")
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_image_has_the_libraries_that_setup_asks_for() -> None:
    """Both lists of system libraries are the same."""
    docker = (ROOT / "Dockerfile").read_text()
    setup = (ROOT / "scripts" / "setup").read_text()
    libraries = set(re.findall(r'"lib\S+\.so\.\d+": "(\S+)"', setup)) | {"gcc", "libc6-dev"}
    assert len(libraries) == 9
    assert libraries <= set(docker.split("apt-get install", 1)[1].split("&&")[0].split())


def test_setup_refuses_what_it_does_not_know() -> None:
    """A typing error in an option changes nothing."""
    command = [str(ROOT / "scripts" / "setup"), "--vnev", "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "unknown argument: --vnev" in done.stderr


def test_setup_refuses_an_old_python(tmp_path: Path) -> None:
    """A Python that was asked for but is too old is named, and nothing is made."""
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    venv = tmp_path / "venv"
    command = [str(ROOT / "scripts" / "setup"), "--venv", str(venv), "--python", str(old)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{old} is not a Python >= 3.12" in done.stderr
    assert not venv.exists()


@pytest.mark.full
def test_setup_from_nothing_and_again(tmp_path: Path, reached: Callable[..., None]) -> None:
    """A copy of the checkout is set up, runs its command, and the second set-up is quick."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("fem", "geometries", "scripts"):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [str(copy / "scripts" / "setup"), "--python", sys.executable]
    subprocess.run(command, check=True, timeout=1200)
    hostplate = copy / ".venv" / "bin" / "hostplate"
    listed = subprocess.run(
        [str(hostplate), "list"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "limiting_current" in listed.stdout
    start = time.monotonic()
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "up to date" in again.stdout
    reached("second set-up", time.monotonic() - start, most=10, unit="s")


# ------------------------------------------------------------------------------------------- Slurm


def programs(folder: Path, **bodies: str) -> Path:
    """A folder of stand-ins for the programs that the batch script calls; each notes its call."""
    folder.mkdir()
    for name, body in bodies.items():
        path = folder / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >> "{folder}/calls"\n{body}\n')
        path.chmod(0o755)
    return folder


def slurm(bin_: Path, *args: str) -> subprocess.Popen[str]:
    """The batch script as Slurm starts it, with the stand-ins on the PATH."""
    environment = os.environ | {
        "HOSTPLATE_BIN": str(bin_),
        "SLURM_NTASKS": "4",
        "SLURM_JOB_ID": "17",
    }
    command = ["bash", str(ROOT / "scripts" / "batch" / "slurm.sh"), *args]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(
    ("code", "says"),
    [(0, "done"), (1, "is wrong"), (2, "failed"), (3, "queued again"), (9, "ended with 9")],
)
def test_slurm_branches_on_the_exit_code(tmp_path: Path, code: int, says: str) -> None:
    """The job ends with hostplate's code and is queued again only when it can be resumed."""
    bin_ = programs(tmp_path / "bin", mpiexec=f"exit {code}", scontrol="exit 0")
    job = slurm(bin_, "trilayer_cg", str(tmp_path / "out"), "--set", "a=1")
    output, _ = job.communicate(timeout=20)
    assert job.returncode == code
    assert says in output
    calls = (bin_ / "calls").read_text().splitlines()
    run = f"mpiexec -n 4 hostplate run trilayer_cg --out {tmp_path}/out --set a=1"
    assert calls == [run] + (["scontrol requeue 17"] if code == 3 else [])


def test_slurm_resumes_what_an_earlier_job_began(tmp_path: Path) -> None:
    """A folder with a checkpoint is continued."""
    bin_ = programs(tmp_path / "bin", mpiexec="exit 0")
    state = tmp_path / "out" / "checkpoints" / "state.1"
    state.mkdir(parents=True)
    (state / "manifest.json").write_text("{}")
    job = slurm(bin_, "trilayer_cg", str(tmp_path / "out"))
    job.communicate(timeout=20)
    assert (bin_ / "calls").read_text() == f"mpiexec -n 4 hostplate resume {tmp_path}/out\n"


def test_slurm_passes_the_warning_on_and_waits(tmp_path: Path) -> None:
    """TERM before the wall limit reaches the run, which ends with 3 after its checkpoint."""
    body = f"trap 'sleep 0.3; exit 3' TERM; touch {tmp_path}/ready; while :; do sleep 0.1; done"
    bin_ = programs(tmp_path / "bin", mpiexec=body, scontrol="exit 0")
    job = slurm(bin_, "trilayer_cg", str(tmp_path / "out"))
    limit = time.monotonic() + 20
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    output, _ = job.communicate(timeout=20)
    assert job.returncode == 3, output
    assert "scontrol requeue 17" in (bin_ / "calls").read_text()


# --------------------------------------------------------------------------------------- container


def test_container_runs_as_this_user_with_the_results_outside(tmp_path: Path) -> None:
    """The engine is called with this user's id, a volume and a read-only root."""
    bin_ = programs(tmp_path / "bin", engine="exit 0")
    environment = os.environ | {"HOSTPLATE_ENGINE": str(bin_ / "engine"), "RANKS": "2"}
    case = tmp_path / "mine.toml"
    case.write_text("schema = 1\n")
    script = str(ROOT / "scripts" / "batch" / "container.sh")
    out = str(tmp_path / "out" / "a")
    subprocess.run([script, str(case), out], env=environment, check=True)
    (tmp_path / "out" / "a").mkdir()
    subprocess.run([script, str(case), out], env=environment, check=True)
    first, second = (bin_ / "calls").read_text().splitlines()
    for call in (first, second):
        assert f"--user {os.getuid()}:{os.getgid()} -v {tmp_path}/out:/results" in call
        assert "--read-only" in call
    assert first.endswith(f"{tmp_path}:/case:ro hostplate run /case/mine.toml --ranks 2 --out a")
    assert second.endswith("hostplate resume a --ranks 2")


@pytest.mark.parametrize("writable", [True, False])
def test_entry_point_finds_a_writable_cache(tmp_path: Path, writable: bool) -> None:
    """The image's cache is used where it can be written, else a copy beside the results."""
    cache = tmp_path / "image"
    (cache / "fenics").mkdir(parents=True)
    (cache / "fenics" / "form.so").touch()
    results = tmp_path / "results"
    results.mkdir()
    bin_ = programs(tmp_path / "bin", hostplate=f'echo "$XDG_CACHE_HOME" > "{tmp_path}/used"')
    path = f"{bin_}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HOME": "/proc/nowhere"}
    environment["XDG_CACHE_HOME"] = str(cache if writable else "/proc/self/image")
    script = str(ROOT / "scripts" / "batch" / "entrypoint")
    subprocess.run([script, "list"], cwd=results, env=environment, check=True)
    used = Path((tmp_path / "used").read_text().strip())
    assert used == (cache if writable else results / ".hostplate-cache")
    assert (bin_ / "calls").read_text() == "hostplate list\n"
