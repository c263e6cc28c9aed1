"""Start of a small job: no waiting for libraries it does not need or meshes that exist."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import geometries.building
from fem import Case, compiler
from fem.base.folder import FolderLock
from fem.cli.main import main
from fem.mesh import components
from fem.mesh.domain import Domain
from fem.post import figures
from fem.run import session
from geometries.meshing import gmsh_session

SMALL = """
schema = 1
title = "Li | salt | Li"
metal = "Li"
electrolyte = "LiPF6_EC_EMC_3_7"
study = "tertiary"

[geometry]
family = "planar"
length = "100 um"
size = "10 um"

[[protocol]]
step = "plate"
current_density = "1 mA/cm^2"
duration = "5 s"

[output]
figures = false
"""
RUN = """
import gc, json, sys
from fem.cli.main import main
code = main(["run", "small.toml", "--out", sys.argv[1]])
print(json.dumps([
    sorted({"pint", "scipy", "matplotlib", "gmsh", "ssl"} & set(sys.modules)),
    gc.isenabled(), gc.get_freeze_count() > 100_000,
]))
sys.exit(code)
"""


def test_a_small_run_loads_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    """Its mesh is in the cache, its units in the own table, its graphs small.

    And garbage is not looked for among what was imported.
    """
    (tmp_path / "small.toml").write_text(SMALL)
    assert main(["run", str(tmp_path / "small.toml"), "--out", str(tmp_path / "before")]) == 0
    done = subprocess.run(
        [sys.executable, "-c", RUN, "out"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], True, True]


@pytest.mark.parametrize("links", [0, 30, 200, 400])
def test_parts_of_a_graph_are_those_of_scipy(links: int) -> None:
    """On random graphs and on a chain in any order."""
    draw = np.random.default_rng(links)
    chain = draw.permutation(300)
    for rows, columns in (draw.integers(0, 300, (2, links)), (chain[:-1], chain[1:])):
        graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(300, 300))
        count, label = connected_components(graph, directed=False)
        own = components.linked(300, rows, columns)
        assert own[0] == count
        assert own[1].tolist() == label.tolist()
    assert own[0] == 1


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The case in a folder, and a cache that nobody has filled."""
    monkeypatch.setenv("HOSTPLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path / "small.toml"


def test_what_mesh_builds_run_finds(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["mesh", str(small), "--out", str(small.parent / "mesh")]) == 0
    monkeypatch.setattr(geometries.building, "build", None)  # nothing is built from now on
    assert main(["inspect", str(small)]) == 0
    assert main(["mesh", str(small), "--out", str(small.parent / "again")]) == 0
    found = Case.load(small).run(small.parent / "run")
    for name in ("mesh", "again"):
        sidecar = json.loads((small.parent / name / "mesh.json").read_text())
        assert sidecar["hash"] == found.summary["mesh_hash"]
        assert (small.parent / name / "mesh.msh").is_file()


def test_figures_are_drawn_when_the_run_has_ended(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its results are there, its folder is free, and nothing that happens then fails it."""
    seen: list[Path] = []

    def draw(folder: Path, comm: Any, stop: Any) -> list[Path]:
        assert (folder / "summary.json").is_file()
        FolderLock(folder).check()
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        seen.append(folder)
        raise MemoryError("no room for a picture")

    monkeypatch.setattr(figures, "draw", draw)
    assert main(["run", str(small), "--set", "output.figures=true", "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert seen and said.index("done:") < said.index("no figures: no room for a picture")


def test_a_process_reads_a_mesh_once_and_compiles_a_form_once(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two currents on one mesh, each as if it were alone; another mesh is read."""
    read, compiled = Domain.read, compiler._compile
    reads: list[Path] = []
    compilations: list[str] = []

    def reading(folder: Path, comm: Any) -> Domain:
        reads.append(folder)
        return read(folder, comm)

    def compiling(*arguments: Any, **options: Any) -> Any:
        compilations.append("one")
        return compiled(*arguments, **options)

    monkeypatch.setattr(Domain, "read", reading)
    monkeypatch.setattr(compiler, "_compile", compiling)
    case = Case.load(small)
    case.run(small.parent / "first")
    before = len(compilations)
    twice = case.with_({"protocol.0.current_density": "2 mA/cm^2"})
    together = twice.run(small.parent / "second")
    assert len(reads) == 1 and len(compilations) == before
    case.with_({"geometry.size": "20 um"}).run(small.parent / "third")
    assert len(reads) == 2
    alone = twice.run(small.parent / "fourth")
    assert len(reads) == 3
    assert alone.summary["voltage"] == together.summary["voltage"]
    assert alone.series["c_min"].tolist() == together.series["c_min"].tolist()


def test_sigterm_while_forms_are_compiled_is_one_line(
    small: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Gmsh has been open and PETSc is there: neither takes the signal away, nor adds a trace."""

    def meshing(*_: Any) -> None:
        with gmsh_session.session():
            pass

    def compiling(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5.0)

    monkeypatch.setattr(session, "_mesh", meshing)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(session, "_compiled", compiling)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["run", str(small), "--out", "out"]) == 3
    assert capfd.readouterr() == ("", "hostplate: interrupted by SIGTERM\n")
    assert signal.getsignal(signal.SIGTERM) is before
