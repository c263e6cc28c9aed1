"""Origin of a result: versions, commit, command, date, host."""

from __future__ import annotations

import datetime
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base import provenance
from fem.base.errors import CaseError
from fem.results.result import Result
from fem.run.session import mesh_folder, resume
from geometries import building
from geometries.builders.lamella import Lamella
from geometries.files import cache
from tests.case.base import another_library
from tests.conftest import ROOT, environment
from tests.run.cases import small


def test_a_summary_says_what_made_it(tmp_path: Path) -> None:
    """Run in a process of its own, by a Python program."""
    before = datetime.datetime.now().astimezone().replace(microsecond=0)
    small(study="secondary").run(tmp_path / "r")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    versions = summary["versions"]
    assert set(versions) >= {"hostplate", "commit", "dolfinx", "petsc", "gmsh", "mpi", "python"}
    assert all(re.match(r"\d+\.\d+", versions[name]) for name in ("dolfinx", "petsc", "gmsh"))
    import dolfinx
    from petsc4py import PETSc

    assert versions["dolfinx"] == dolfinx.__version__
    assert versions["petsc"] == ".".join(map(str, PETSc.Sys.getVersion()))
    if (ROOT / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", versions["commit"])
    assert (summary["host"], summary["ranks"]) == (socket.gethostname(), 1)
    assert summary["command"].split()[0].startswith(("/", "python", "pytest", "hostplate"))
    date = datetime.datetime.fromisoformat(summary["date"])
    assert date.tzinfo is not None
    assert before <= date <= datetime.datetime.now().astimezone()


def test_versions_load_nothing() -> None:
    """Neither mesher nor solver: ranks must not load gmsh, a login node has no solver."""
    asked = (
        "import sys; from fem.base import provenance; v = provenance.versions(); print(v); "
        "print([m for m in ('gmsh', 'dolfinx', 'mpi4py', 'petsc4py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], env=environment(), capture_output=True,
                          text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def _git(folder: Path, *arguments: str) -> str:
    message = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *message, "-C", str(folder), *arguments], capture_output=True,
                          text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_commit_of_a_checkout_of_a_wheel_and_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "checkout" / "fem"
    package.mkdir(parents=True)
    (package / "provenance.py").write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(package / "base" / "provenance.py"))
    assert provenance.commit() == "unknown"
    (package / provenance.COMMIT_FILE).write_text("abc\n")
    assert provenance.commit() == "abc"
    (package / provenance.COMMIT_FILE).unlink()
    _git(tmp_path, "init")  # a repository further up is somebody else's
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "theirs")
    assert provenance.commit() == "unknown"
    _git(package.parent, "init")
    _git(package.parent, "add", ".")
    _git(package.parent, "commit", "-m", "ours")
    head = _git(package.parent, "rev-parse", "HEAD")
    _git(package.parent, "tag", "-a", "v1", "-m", "a tag is no commit")
    assert provenance.commit() == head
    (package / "provenance.py").write_text("x = 2\n")
    assert provenance.commit() == f"{head}+changes"
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert provenance.commit() == "unknown"


def test_a_failing_query_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class One:
        rank, size = 0, 1

        def allgather(self, value: Any) -> list[Any]:
            return [value]

        def bcast(self, value: Any) -> Any:
            return value

    monkeypatch.setattr(provenance, "versions", lambda: 1 / 0)
    assert provenance.record(One())["ranks"] == 1


def test_a_written_case_gives_the_same_answer_with_another_library(tmp_path: Path) -> None:
    """Bit by bit, from another folder; and a run does not go on with other numbers."""
    step = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "20 s"}
    case = small(protocol=[step], time={"dt0": "5 s"})
    first = case.run(tmp_path / "a" / "r")
    moved = tmp_path / "b" / "copy.toml"
    moved.parent.mkdir()
    moved.write_bytes((tmp_path / "a" / "r" / "case.toml").read_bytes())
    with another_library():
        again = Case.load(moved).run(tmp_path / "b" / "r")
        other = case.run(tmp_path / "c")
        assert again.summary["physics_hash"] == first.summary["physics_hash"]
        for name, column in first.series.items():
            assert np.array_equal(again.series[name], column), name
        for name in ("c", "phi_l", "q"):
            block = "walls" if name == "q" else None
            assert np.array_equal(again.array(name, block=block), first.array(name, block=block))
        assert other.summary["voltage"] != pytest.approx(first.summary["voltage"], rel=0.01)
        longer = ["protocol.0.duration=30 s"]
        resume(tmp_path / "b" / "r", overrides=longer)  # with the numbers it was begun with
        file = tmp_path / "b" / "r" / "case.toml"
        assert "[library.solid.Cu]" in file.read_text()
        text = file.read_text()
        assert 'eta_nuc = {value = "40 mV"' in text
        file.write_text(text.replace('{value = "40 mV"', '{value = "41 mV"'))
        with pytest.raises(CaseError, match=r"not those that the run was started with"):
            resume(tmp_path / "b" / "r", overrides=["protocol.0.duration=40 s"])


def test_a_written_case_keeps_its_cells_when_a_family_chooses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version whose walls have finer cells runs it, and goes on with it, on the same mesh."""
    film = {"name": "film", "thickness": "8 um", "opening": 0.5, "pitch": "16 um"}
    step = {"step": "plate", "current_density": "1 mA/cm^2", "duration": "10 s"}
    case = small(
        geometry={"family": "lamella", "layers": [film], "gap": "8 um"},
        regions={"host_film": {"material": "Cu"}}, protocol=[step], time={"dt0": "5 s"},
    )  # fmt: skip
    first = case.run(tmp_path / "a")
    chosen = Lamella.sizes

    def finer(p: Lamella) -> tuple[float, float]:
        return (size := chosen(p))[0], p.size_wall or 0.7 * size[1]

    monkeypatch.setattr(Lamella, "sizes", finer)
    monkeypatch.setattr(building, "CACHE_VERSION", cache.CACHE_VERSION + 1)
    written = Case.load(tmp_path / "a" / "case.toml")
    again = written.run(tmp_path / "b")
    assert written.physics_hash() != case.physics_hash()
    for name, column in first.series.items():
        assert np.array_equal(again.series[name], column), name
    folders = mesh_folder(case), mesh_folder(written), tmp_path / "a"
    cells = [json.loads((folder / "mesh.json").read_text())["cells"] for folder in folders]
    assert cells[0] > cells[1] == cells[2]
    resume(tmp_path / "a", overrides=["protocol.0.duration=15 s"])
    assert Result(tmp_path / "a").summary["t"] == pytest.approx(15.0)
