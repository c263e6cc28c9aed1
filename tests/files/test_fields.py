"""Fields written on several ranks, read back by our reader, PyVista and plain VTK XML."""

from __future__ import annotations

import json
import multiprocessing
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem.base import folder as folder_module
from fem.base.errors import CaseError
from fem.files.fields import _BlockFile
from fem.results.result import Result, _load, _read_xdmf
from tests.files.field import UM, exact

# PyVista in a process of its own: VTK dies, rather than complains, over a bad file.
READ = """
import json, sys
import numpy as np, pyvista as pv
out = {}
for path in sys.argv[1:]:
    reader = pv.get_reader(path)
    steps = []
    for t in reader.time_values:
        reader.set_active_time_value(t)
        grid = reader.read()
        if isinstance(grid, pv.MultiBlock):
            grid = grid[0]
        x = np.asarray(grid.points).T
        name = "c" if "c" in grid.point_data else "q"
        want = 1000.0 + 1e7 * x[0] - 2e6 * x[1] + 5e6 * x[2] + 3.0 * t
        steps.append({
            "t": t, "cells": grid.n_cells, "kind": sorted(set(map(int, grid.celltypes))),
            "error": float(np.abs(grid.point_data[name] - want).max()),
            "cell_data": {k: [float(v.min()), float(v.max())] for k, v in grid.cell_data.items()},
        })
    out[path.rsplit("/", 1)[-1]] = steps
print(json.dumps(out))
"""


def pyvista_reads(*files: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, files)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def serial(mpirun, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("serial")
    assert mpirun(1, "tests.files.workers:write_fields", folder, 2, True)["series"] == 1
    return folder


@pytest.fixture(scope="module")
def parallel(mpirun, tmp_path_factory) -> Path:
    """Written on two ranks, then gone on with from t = 5 in a second series."""
    folder = tmp_path_factory.mktemp("parallel")
    for series in (1, 2):
        did = mpirun(2, "tests.files.workers:write_fields", folder, 3)
        assert did["series"] == series and not did["locked"]
    return folder


def check(result: Result, block: str, field: str) -> None:
    for t in result.times:
        values, x = result.array(field, t, block), result.points(block)
        assert values.shape == (len(x),)
        assert np.abs(values - exact(x.T, t)).max() < 1e-9


def test_serial_values_are_the_nodal_values(serial):
    result = Result(serial)
    assert result.times.tolist() == [0.0, 10.0, 20.0]
    assert result.blocks == ["pore", "solid", "walls"]
    assert result.fields("pore") == ["c", "flux", "region"]
    check(result, "pore", "c")
    check(result, "solid", "c")
    check(result, "walls", "q")
    assert set(result.array("region", block="solid")) == {2.0}
    flux = result.array("flux", 10.0)
    assert result.center("flux") == "Cell"
    assert flux.shape == (len(result.cells("pore")), 3)
    assert (flux == [10.0, 10.0, 0.0]).all()


def test_no_cell_and_no_node_is_written_twice(serial, parallel):
    pore, solid = Result(serial), Result(parallel)
    corners = pore.points("pore")[pore.cells("pore")]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    assert area == pytest.approx((40 * 60 - 20 * 30) * UM**2, rel=1e-12)
    corners = solid.points("solid")[solid.cells("solid")]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])).sum() / 6
    assert volume == pytest.approx(40 * 20 * 30 * UM**3, rel=1e-12)
    for result, block in ((pore, "pore"), (solid, "pore"), (solid, "walls")):
        points = np.round(result.points(block) / (1e-3 * UM)).astype(int)
        assert len(np.unique(points, axis=0)) == len(points)


def test_wall_mesh_has_the_area_of_the_walls(serial):
    result = Result(serial)
    corners = result.points("walls")[result.cells("walls")]
    length = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1).sum()
    assert length == pytest.approx((30 + 20 + 30 + 40) * UM, rel=1e-12)  # the block, the counter


def test_restart_goes_on_in_the_same_collection(parallel):
    names = {p.name for p in (parallel / "fields").iterdir()}
    assert {"pore.xdmf", "pore_mesh.h5", "pore_mesh_0002.h5", "pore_000000.h5"} <= names
    assert [name for name in sorted(names) if name.startswith("pore") and ".xdmf" in name] == [
        "pore.xdmf"
    ]
    # A file for each time that happened, none for the others.
    assert len([name for name in names if re.fullmatch(r"pore_\d{6}\.h5", name)]) == 3
    result = Result(parallel)
    assert result.blocks == ["pore", "solid", "walls"]
    assert result.times.tolist() == [0.0, 15.0, 25.0]  # 10 and 20 did not happen
    check(result, "pore", "c")
    check(result, "walls", "q")
    assert result.series["t"].tolist() == [0.0, 15.0, 25.0]
    assert result.series["double"].tolist() == [0.0, 30.0, 50.0]
    assert result.summary == {"series": 2}


def test_pyvista_reads_all_blocks_and_times(serial, parallel):
    fields = serial / "fields"
    files = [fields / f"{name}.xdmf" for name in ("pore", "solid", "walls")]
    seen = pyvista_reads(*files, fields / "pore.pvd", fields / "walls.pvd")
    kinds = {"pore": (5,), "solid": (5,), "walls": (3, 4)}  # a line, or XDMF's polyline of two
    result = Result(serial)
    for file, steps in seen.items():
        block = file.split(".")[0]
        assert [step["t"] for step in steps] == [0.0, 10.0, 20.0], file
        for step in steps:
            assert step["error"] < 1e-9
            assert step["kind"][0] in kinds[block]
            assert step["cells"] == len(result.cells(block))
        if block != "walls":
            number = 1.0 if block == "pore" else 2.0
            assert steps[-1]["cell_data"]["region"] == [number, number]
            assert steps[-1]["cell_data"]["flux"] == [0.0, 20.0]
    fields = parallel / "fields"
    seen = pyvista_reads(fields / "pore.xdmf", fields / "walls.xdmf")
    for steps in seen.values():  # the first part of the run and what followed its restart
        assert [step["t"] for step in steps] == [0.0, 15.0, 25.0]
    assert seen["pore.xdmf"][0]["kind"] == [10]
    assert seen["walls.xdmf"][0]["kind"] == [5]
    assert max(step["error"] for steps in seen.values() for step in steps) < 1e-9


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_walls_get_the_values_of_the_layer(mpirun, ranks):
    for dim in (2, 3) if ranks == 3 else (3,):
        assert mpirun(ranks, "tests.files.workers:transfer_error", dim)["error"] == 0.0


def test_sampling_interpolates_exactly_and_marks_the_outside(serial, parallel):
    for folder, dim in ((serial, 2), (parallel, 3)):
        result = Result(folder)
        rng = np.random.default_rng(7)
        points = np.zeros((40, 3))
        points[:, :dim] = rng.uniform(31 * UM, 39 * UM, (40, dim))
        t = result.times[1]
        assert np.abs(result.at(points, t) - exact(points.T, t)).max() < 1e-9
        corner = np.array([[40.0] * (dim - 1) + [60.0]]) * UM
        assert np.isfinite(result.at(corner, 0.0)).all()  # the outermost corner belongs to it
        inside_the_solid = [[20 * UM] * (dim - 1) + [5 * UM]]
        assert np.isnan(result.at(inside_the_solid, 0.0, block="pore")).all()
        assert np.isfinite(result.at(inside_the_solid, 0.0, block="solid")).all()
        assert np.isnan(result.at([[41 * UM] * dim], 0.0)).all()
    distance, values = Result(serial).line((35 * UM, 0), (35 * UM, 60 * UM), n=13, t=0.0)
    assert distance[-1] == pytest.approx(60 * UM)
    assert np.abs(values - (1000 + 350 - 2e6 * distance)).max() < 1e-9
    assert Result(serial).at([[35 * UM, 5 * UM]], 20.0, "flux").tolist() == [[20.0, 20.0, 0.0]]


def test_errors_name_what_there_is(serial, tmp_path):
    result = Result(serial)
    with pytest.raises(CaseError, match="did you mean 'flux'"):
        result.array("fluxx")
    with pytest.raises(CaseError, match="did you mean 'pore'"):
        result.points("pores")
    with pytest.raises(CaseError, match="no results"):
        Result(tmp_path)
    with pytest.raises(CaseError, match="no such folder"):
        Result(tmp_path / "nowhere")


def _write_on(path, tell):
    """Write times until killed, and say after each how many there are."""
    cells, points = np.array([[0, 1, 2]]), np.zeros((50000, 3))
    file = _BlockFile(path, "pore", cells, points, {}, False)
    for k in range(100000):
        file.append(float(k), {f"f{i}": ("Node", np.full(50000, float(k))) for i in range(4)})
        tell.send(k + 1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # idle threads
def test_a_killed_writer_leaves_complete_times(tmp_path):
    rng, forked = np.random.default_rng(1), multiprocessing.get_context("fork")
    for attempt in range(4):
        fields = tmp_path / str(attempt) / "fields"
        fields.mkdir(parents=True)
        heard, tell = forked.Pipe(duplex=False)
        process = forked.Process(target=_write_on, args=(fields / "pore", tell))
        process.start()
        while heard.poll(60) and heard.recv() < 3:
            assert process.is_alive()
        time.sleep(rng.uniform(0.0, 0.4))
        process.kill()
        process.join()
        result = Result(fields.parent)
        assert len(result.times) > 2
        for t in result.times:
            for i in range(4):
                assert (result.array(f"f{i}", t) == t).all()


def test_facets_are_seen_from_the_side_that_is_asked_for():
    """The block is 20 um wide and 30 um high, with cells 3.3 um wide and 3.3 um high."""
    from tests.files.workers import domain_of

    domain = domain_of(2, 6)
    wall, face = ("host_a", "electrolyte"), ("counter", "electrolyte")
    tags = domain.cell_tag_array
    for side, region in (("+", "host_a"), ("-", "electrolyte")):
        cells, local = domain.facets([wall], side=side).T
        assert len(cells) == 6 + 2 * 9 and set(local) <= {0, 1, 2}
        assert set(tags[cells]) == {domain.regions[region]}
    assert len(domain.facets([wall], [face])) == 6 + 2 * 9 + 12
    assert domain.facets().shape == (0, 2)


def test_a_kill_while_a_time_is_written_costs_that_time_only(tmp_path, monkeypatch):
    """Nor does a file that somebody damaged cost the others; what did not happen is removed."""
    points, cells = np.eye(3), np.array([[0, 1, 2]])
    static = {"region": ("Cell", np.zeros(1))}

    def begin(series: int) -> _BlockFile:
        return _BlockFile(tmp_path / "pore", "pore", cells, points, static, False, series)

    def times() -> list[float]:
        return [step.t for step in _read_xdmf(tmp_path / "pore.xdmf")]

    file = begin(1)
    for t in (0.0, 1.0, 2.0, 3.0):
        file.append(t, {"c": ("Node", np.full(3, t))})

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder_module.os, "replace", killed)
        file.append(4.0, {"c": ("Node", np.full(3, 4.0))})
    (tmp_path / "pore_000001.h5").write_bytes(b"torn")
    again = begin(2)
    again.truncate(2.5)
    assert times() == [0.0, 2.0]
    again.append(3.5, {"c": ("Node", np.full(3, 3.5))})
    assert times() == [0.0, 2.0, 3.5]
    assert not (tmp_path / "pore_000003.h5").exists()
    assert _load(tmp_path / "pore_000004.h5", "/c").tolist() == [3.5] * 3
    assert {f.mesh for f in again.times} == {"pore_mesh.h5", "pore_mesh_0002.h5"}
